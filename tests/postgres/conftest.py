from __future__ import annotations

import pytest


@pytest.fixture
def inbox_url(migrated_url: str) -> str:
    """A database that has the inbox."""
    return migrated_url

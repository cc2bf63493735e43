from __future__ import annotations

import pytest

from asyncsim.bulk.journal.migrations import migrate


@pytest.fixture
async def inbox_url(postgres_url: str) -> str:
    """A database that has the inbox."""
    await migrate(postgres_url)
    return postgres_url

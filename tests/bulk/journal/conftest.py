from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asyncsim.bulk.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the test's journal."""
    return tmp_path / "batch.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    """An open, empty journal."""
    async with Journal.open(path) as journal:
        yield journal

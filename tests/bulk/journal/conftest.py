from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asyncsim.bulk.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test lies."""
    return tmp_path / "batch.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    """An open journal with nothing in it yet."""
    async with Journal.open(path) as opened:
        yield opened

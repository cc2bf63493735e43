from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asyncsim.bulk.journal import Journal
from tests.bulk.places import Place


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the journal of a test of files."""
    return tmp_path / "batch.db"


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    """An open, empty journal."""
    async with place.journal() as journal:
        yield journal

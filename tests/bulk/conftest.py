from __future__ import annotations

from pathlib import Path

import pytest

from tests.bulk.places import ENGINES, Place


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "batch.csv"


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where the test's journals are; the test runs once for each engine."""
    if request.param == "sqlite":
        return Place(tmp_path)
    url: str = request.getfixturevalue("migrated_url")
    return Place(tmp_path, url)

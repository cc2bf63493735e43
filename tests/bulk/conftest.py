from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncsim.bulk.journal.migrations import migrate
from tests.bulk.places import ENGINES, Place
from tests.postgres.fixtures import Databases


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "batch.csv"


@pytest.fixture(scope="session")
def migrated_template(postgres_databases: Databases) -> str:
    """The name of a database with our tables, which is copied for each test."""
    url = postgres_databases.create()
    asyncio.run(migrate(url))
    return url.rpartition("/")[2]


@pytest.fixture
def migrated_url(postgres_databases: Databases, migrated_template: str) -> Iterator[str]:
    """The URL of a new database with our tables."""
    url = postgres_databases.create(migrated_template)
    yield url
    postgres_databases.finished(url)


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where the test's journals are; the test runs once for each engine."""
    if request.param == "sqlite":
        return Place(tmp_path)
    url: str = request.getfixturevalue("migrated_url")
    return Place(tmp_path, url)

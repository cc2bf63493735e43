"""The databases of tests, and where their server comes from."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.postgres import binaries
from tests.postgres.cluster import Cluster
from tests.postgres.fixtures import NAMED


def test_each_test_has_an_empty_database_of_an_ordinary_user(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute(
            "SELECT current_database(), count(t), usesuper FROM pg_user LEFT JOIN pg_tables t"
            " ON schemaname NOT IN ('pg_catalog', 'information_schema')"
            " WHERE usename = current_user GROUP BY 3"
        ).fetchone()
    assert row is not None
    assert row[:2] == (urlsplit(postgres_url).path[1:], 0)
    if NAMED not in os.environ:  # of a named server the user may be either
        assert not row[2]


def test_the_package_from_pypi_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_on_this_machine", list)
    server = Cluster()
    try:
        server.create()
        with server.connect() as connection:
            assert connection.info.server_version >= binaries.OLDEST * 10000
        assert "pginstall" in str(binaries.find())
    finally:
        server.remove()

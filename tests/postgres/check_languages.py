"""A server that speaks another language than English."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from asyncsim.postgres.engine import connect, is_transient, remedy_of
from tests.postgres.cluster import OWNER, Cluster
from tests.postgres.fixtures import not_possible

LOCALE = "de_DE.UTF-8"


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server that says everything in German."""
    cluster = Cluster(settings={"lc_messages": LOCALE})
    cluster.folder.chmod(0o755)
    locales = cluster.folder / "locales"
    locales.mkdir()
    make(locales / LOCALE)
    before = os.environ.get("LOCPATH")
    os.environ["LOCPATH"] = str(locales)  # of the server only: this process has chosen its own
    try:
        cluster.create()
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            try:
                connection.execute("SELECT no_such_column")
            except psycopg.Error as error:
                if "existiert nicht" not in str(error):
                    not_possible("PostgreSQL was installed without its translations")
        yield cluster
    finally:
        if before is None:
            del os.environ["LOCPATH"]
        else:
            os.environ["LOCPATH"] = before
        cluster.remove()


def make(locale: Path) -> None:
    """Compile a locale; the system may have none but C."""
    command = ["localedef", "-i", LOCALE.partition(".")[0], "-f", "UTF-8", str(locale)]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        not_possible(f"locales cannot be compiled: {error}")
    if not locale.is_dir():
        not_possible(f"locales cannot be compiled: {made.stderr.strip()}")


async def failure(url: str, statement: str = "SELECT 1") -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        async with await connect(url) as connection:
            await connection.execute(statement)
    return raised.value


REJECTED = "the server rejects the connection: check the user name"


async def test_a_wrong_password(server: Cluster) -> None:
    error = await failure(server.url(user=OWNER, password="wrong"))
    assert error.sqlstate is None  # libpq does not pass it on
    assert remedy_of(error).startswith(REJECTED)
    assert "Passwort-Authentifizierung" in remedy_of(error)
    assert "wrong" not in remedy_of(error)


async def test_a_database_that_does_not_exist(server: Cluster) -> None:
    error = await failure(server.url("no_such_database", user=OWNER))
    assert remedy_of(error).startswith(REJECTED)
    assert "no_such_database" in remedy_of(error)


async def test_too_many_connections_are_waited_for(server: Cluster) -> None:
    url = server.create_database("crowded")
    with server.connect() as admin:
        admin.execute("ALTER DATABASE crowded CONNECTION LIMIT 1")
    async with await connect(url):
        error = await failure(url)
    assert remedy_of(error).startswith(REJECTED)
    assert "if the server is starting or has too many connections" in remedy_of(error)
    assert is_transient(error)


async def test_nobody_listens_there() -> None:
    error = await failure("postgresql://me@127.0.0.1:1/jobs")
    assert remedy_of(error).startswith("the server cannot be reached")


async def test_errors_of_statements_have_their_codes(server: Cluster) -> None:
    url = server.create_database("jobs")
    error = await failure(url, "SELECT * FROM asyncsim.jobs")
    assert remedy_of(error).startswith("the tables are missing: run `asyncsim jobs migrate`")
    assert "existiert nicht" in remedy_of(error)
    error = await failure(url, "SELECT * FROM pg_authid")
    assert remedy_of(error).startswith("the user lacks a privilege")
    assert not is_transient(error)

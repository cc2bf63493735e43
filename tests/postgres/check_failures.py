"""Each kind of failure of a real server: what is said, and whether trying again helps."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from asyncsim.postgres.engine import (
    SCHEMA,
    advice_of,
    connect,
    create_engine,
    is_transient,
    remedy_of,
)
from tests.postgres.cluster import OWNER, Cluster
from tests.postgres.fixtures import not_possible

ROWS = Table("rows", MetaData(), Column("number", Integer, primary_key=True), Column("text", Text))
TABLE = f"CREATE SCHEMA {SCHEMA} CREATE TABLE rows (number int PRIMARY KEY, text text)"

Servers = Callable[..., Cluster]


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server that the tests of this module share, because none of them stops it."""
    cluster = Cluster()
    cluster.create()
    yield cluster
    cluster.remove()


@pytest.fixture
def url(server: Cluster) -> Iterator[str]:
    """A database with one table, of the ordinary user."""
    url = server.create_database("jobs")
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
    yield url
    with server.connect() as connection:
        connection.execute("DROP DATABASE jobs WITH (FORCE)")


async def failure(url: str, statement: str = "SELECT 1") -> BaseException:
    """Connect, execute, and return the error that this raises."""
    with pytest.raises((psycopg.Error, OSError)) as raised:
        async with await connect(url) as connection:
            await connection.execute(statement)
    password = psycopg.conninfo.conninfo_to_dict(url).get("password")
    assert not password or str(password) not in remedy_of(raised.value)
    return raised.value


async def store(engine: AsyncEngine, number: int, text: str = "") -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(ROWS), {"number": number, "text": text})


async def stored(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return list(await connection.scalars(select(ROWS.c.number).order_by(ROWS.c.number)))


async def eventually(work: Callable[[], Any]) -> Any:
    """Try again while the error is transient, as journals do."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await work()
            except (psycopg.Error, DBAPIError, OSError) as error:
                if not is_transient(error):
                    raise
            await asyncio.sleep(0.05)


async def test_nobody_listens_there() -> None:
    error = await failure("postgresql://me:s3cret@127.0.0.1:1/jobs")
    assert remedy_of(error).startswith("the server cannot be reached: check the host")
    assert is_transient(error)


async def test_a_host_that_is_not_known() -> None:
    error = await failure("postgresql://me@no-such-host.invalid/jobs")
    assert remedy_of(error).startswith("the server cannot be reached")


async def test_a_wrong_password(server: Cluster, url: str) -> None:
    error = await failure(server.url("jobs", user=OWNER, password="wrong"))
    assert remedy_of(error).startswith("the server rejects the user: check the user name")
    assert not is_transient(error)


async def test_no_password(server: Cluster, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", os.devnull)
    error = await failure(f"postgresql://{OWNER}@127.0.0.1:{server.port}/jobs")
    assert remedy_of(error).startswith("the server requires a password: set PGPASSWORD")
    assert not is_transient(error)
    monkeypatch.setenv("PGPASSWORD", server.password)
    async with await connect(f"postgresql://{OWNER}@127.0.0.1:{server.port}/jobs"):
        pass


async def test_a_database_that_does_not_exist(server: Cluster) -> None:
    error = await failure(server.url("no_such_database", user=OWNER))
    assert remedy_of(error).startswith("the database does not exist: create it, or correct")
    assert not is_transient(error)


async def test_a_user_who_may_not_connect(server: Cluster, url: str) -> None:
    with server.connect() as admin:
        admin.execute("REVOKE CONNECT ON DATABASE jobs FROM public")
        admin.execute("ALTER DATABASE jobs OWNER TO postgres")
    error = await failure(url)
    assert remedy_of(error).startswith("the user lacks a privilege: have an administrator grant it")
    assert not is_transient(error)


async def test_a_user_who_may_not_read_a_table(server: Cluster, url: str) -> None:
    with server.connect("jobs") as admin:
        admin.execute(f"ALTER TABLE {SCHEMA}.rows OWNER TO postgres")
    error = await failure(url, f"SELECT * FROM {SCHEMA}.rows")
    assert "lacks a privilege" in remedy_of(error)
    assert "permission denied for table rows" in remedy_of(error)
    assert not is_transient(error)


async def test_tables_that_are_missing(server: Cluster, url: str) -> None:
    error = await failure(url, f"SELECT * FROM {SCHEMA}.jobs")
    assert remedy_of(error).startswith("the tables are missing: run `asyncsim jobs migrate`")
    assert not is_transient(error)


async def test_a_server_without_tls(url: str) -> None:
    error = await failure(f"{url}?sslmode=require")
    assert remedy_of(error).startswith("the server has no TLS: set `ssl = on` there")
    assert not is_transient(error)


async def test_too_many_connections(server: Cluster, url: str) -> None:
    with server.connect() as admin:
        admin.execute("ALTER DATABASE jobs CONNECTION LIMIT 1")
    async with await connect(url):
        error = await failure(url)
    assert is_transient(error)
    assert "too many connections" in remedy_of(error)


async def test_a_server_that_accepts_no_writes(server: Cluster, url: str) -> None:
    with server.connect() as admin:
        admin.execute("ALTER DATABASE jobs SET default_transaction_read_only = on")
    error = await failure(url, f"INSERT INTO {SCHEMA}.rows VALUES (1)")
    said = remedy_of(error)
    assert said.startswith("the server accepts no writes: if it is a replica, use the URL of the")
    assert "; otherwise set default_transaction_read_only to off" in said
    assert not is_transient(error)


async def test_a_service_that_is_not_defined(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services.conf"
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    for content in (None, "[other]\nuser=me\n", "[foo]\nno setting\n"):
        if content is not None:
            file.write_text(content, "utf-8")
        error = await failure(f"{url}?service=foo")
        assert remedy_of(error).startswith("the service is not defined: correct its name")
        assert not is_transient(error)
        assert advice_of(error) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        "sslmode=none",
        "target_session_attrs=writable",
        "channel_binding=yes",
        "keepalives_idle=soon",
        "ssl_min_protocol_version=2",
        "port=99999",
        "hostaddr=localhost:1",
        "host=a,b&port=1,2,3",
        "options=-c%20no_such_parameter%3D1",
        "options=-c%20work_mem%3Dsome",
        "options=some",
    ],
)
async def test_a_setting_that_is_not_valid(url: str, wrong: str) -> None:
    error = await failure(f"{url}?{wrong}")
    assert remedy_of(error).startswith("a connection setting is not valid: correct the URL")
    assert not is_transient(error)
    assert advice_of(error) == ""


async def test_a_statement_that_takes_too_long(server: Cluster, url: str) -> None:
    with server.connect() as admin:
        admin.execute("ALTER DATABASE jobs SET statement_timeout = '50ms'")
    error = await failure(url, "SELECT pg_sleep(60)")
    assert remedy_of(error).startswith("the server cancelled a statement (statement_timeout?)")
    assert is_transient(error)


async def test_a_transaction_that_stands_still_loses_its_locks(url: str) -> None:
    # As in a process that was frozen: ours has 5 s, this one less.
    frozen = await connect(
        f"{url}?options=-c%20idle_in_transaction_session_timeout%3D100ms", autocommit=False
    )
    await frozen.execute(f"INSERT INTO {SCHEMA}.rows VALUES (1)")
    engine = create_engine(url)
    await store(engine, 1, "waits until the lock is released")
    assert await stored(engine) == [1]
    with pytest.raises(psycopg.Error) as raised:
        await frozen.execute("SELECT 1")
    assert is_transient(raised.value)
    await frozen.close()
    await engine.dispose()


async def test_an_idle_connection_that_the_server_ends(url: str, server: Cluster) -> None:
    with server.connect() as admin:
        admin.execute("ALTER DATABASE jobs SET idle_session_timeout = '50ms'")
    connection = await connect(url)
    with psycopg.connect(server.url()) as admin:  # until its backend is gone
        await _gone(admin, connection.info.backend_pid)
    with pytest.raises(psycopg.Error) as raised:
        await connection.execute("SELECT 1")
    assert is_transient(raised.value)
    await connection.close()


async def _gone(admin: psycopg.Connection, pid: int) -> None:
    async with asyncio.timeout(30):
        while admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
            admin.rollback()
            await asyncio.sleep(0.01)


async def test_a_backend_that_is_terminated_within_a_transaction(url: str) -> None:
    engine = create_engine(url)
    await store(engine, 1)
    with pytest.raises(DBAPIError) as raised:  # noqa: PT012  # one transaction
        async with engine.begin() as connection:
            await connection.execute(insert(ROWS), {"number": 2})
            pid = (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(url) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
            await connection.execute(insert(ROWS), {"number": 3})
    assert is_transient(raised.value)
    assert await stored(engine) == [1]
    await engine.dispose()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_server_that_is_restarted_in_the_middle(
    postgres_cluster: Servers, mode: str
) -> None:
    cluster = postgres_cluster()
    url = cluster.create_database("jobs")
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
    engine = create_engine(url, connections=2)
    tried = asyncio.Event()
    failed: list[str] = []

    async def attempt(number: int) -> None:
        try:
            await store(engine, number)
        except DBAPIError as error:
            failed.append(remedy_of(error))
            tried.set()
            # Committed or not: nobody knows, as after any lost response.
            if number in await eventually(lambda: stored(engine)):
                return
            raise

    async def writer() -> None:
        for number in range(200):
            await eventually(partial(attempt, number))

    task = asyncio.create_task(writer())
    await eventually(lambda: _at_least(engine, 20))
    await asyncio.to_thread(cluster.stop, mode)
    await tried.wait()
    await asyncio.to_thread(cluster.start)
    await task
    assert await stored(engine) == list(range(200))
    assert failed
    assert all("the server" in one for one in failed)
    await engine.dispose()


async def _at_least(engine: AsyncEngine, count: int) -> None:
    while len(await stored(engine)) < count:  # noqa: ASYNC110  # a table sets no event
        await asyncio.sleep(0.01)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, outside of folders that only root may enter."""
    folder = Path("/dev/shm") / f"asyncsim-disk-{os.getpid()}-{tmp_path.name[-8:]}"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0777", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        if mounted.returncode:
            not_possible(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
        folder.rmdir()


async def test_a_full_disk(postgres_cluster: Servers, small_disk: Path) -> None:
    cluster = postgres_cluster()
    url = cluster.create_database("jobs")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(12 << 20))
    place = small_disk / "tables"
    place.mkdir()
    cluster.give_away(place)
    with cluster.connect() as admin:
        admin.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        admin.execute("ALTER DATABASE jobs SET default_tablespace = small")
        admin.execute(f"GRANT CREATE ON TABLESPACE small TO {OWNER}")
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
        connection.execute(f"ALTER TABLE {SCHEMA}.rows ALTER text SET STORAGE PLAIN")
    engine = create_engine(url)
    number = 0

    async def fill() -> None:
        nonlocal number
        while True:
            await store(engine, number, "x" * 7000)
            number += 1

    with pytest.raises(DBAPIError) as raised:
        await fill()
    assert number
    assert remedy_of(raised.value).startswith("the server's disk is full: free space there (")
    assert not is_transient(raised.value)
    assert await stored(engine) == list(range(number))
    ballast.unlink()
    await store(engine, number, "x" * 7000)
    assert await stored(engine) == list(range(number + 1))
    await engine.dispose()

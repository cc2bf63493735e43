"""pgbouncer in transaction mode: what works through it, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from asyncsim.bulk import Job, Journal, run
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from asyncsim.postgres.engine import SCHEMA, UnsupportedServer, connect, create_engine, remedy_of
from asyncsim.postgres.listen import listening
from tests.postgres.cluster import OWNER, Cluster
from tests.postgres.pgbouncer import pgbouncer
from tests.postgres.test_listen import Woken, notify

ROWS = Table("rows", MetaData(), Column("number", Integer, primary_key=True))


@pytest.fixture
def server(postgres_cluster: Callable[..., Cluster]) -> Cluster:
    return postgres_cluster()


@pytest.fixture
def port(server: Cluster) -> Iterator[int]:
    """A pgbouncer that shares two sessions."""
    with pgbouncer(server, pool=2) as port:
        yield port


def through(url: str, port: int) -> str:
    """Return the URL of the same database, through pgbouncer."""
    before, _, after = url.rpartition("@127.0.0.1:")
    return f"{before}@127.0.0.1:{port}/{after.partition('/')[2]}"


async def test_many_transactions_share_two_sessions(server: Cluster, port: int) -> None:
    url = server.create_database("jobs")
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA} CREATE TABLE rows (number int PRIMARY KEY)")
    # Four processes, each with a pool; statements repeat, which prepared ones would not survive.
    engines = [create_engine(through(url, port), connections=4) for _ in range(4)]

    async def store(number: int) -> None:
        async with engines[number % 4].begin() as connection:
            await connection.execute(insert(ROWS), {"number": number})
            assert await connection.scalar(select(ROWS.c.number).where(ROWS.c.number == number))

    await asyncio.gather(*map(store, range(1, 201)))
    with psycopg.connect(url) as connection:
        assert connection.execute(f"SELECT count(*) FROM {SCHEMA}.rows").fetchone() == (200,)
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = 'jobs' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    assert row[0] <= 2
    for engine in engines:
        await engine.dispose()


async def test_a_job_runs_through_it(server: Cluster, port: int, clock: ManualClock) -> None:
    url = server.create_database("jobs")
    await migrate(url)
    async with Emulator(sims=300, clock=clock) as emulator, emulator.client() as client:
        rows = [{"sid": sim.sid} async for sim in client.supersim.sims.list()]
        job = Job.from_rows(rows, product="supersim", change={"status": "active"})
        async with Journal.open(through(url, port), job="all") as journal:
            running = asyncio.create_task(run(job, client, journal=journal))
            while not running.done():
                await clock.advance(1.0)
            assert (await running).ok


async def test_the_settings_of_our_connections_are_left_to_the_role(
    server: Cluster, port: int
) -> None:
    url = through(server.create_database("jobs"), port)
    with server.connect() as admin:
        admin.execute(f"ALTER ROLE {OWNER} SET idle_in_transaction_session_timeout = '5s'")
    async with await connect(url) as connection:
        cursor = await connection.execute("SHOW idle_in_transaction_session_timeout")
        assert await cursor.fetchone() == ("5s",)


async def test_times_and_texts_are_read_whatever_the_server_prefers(
    server: Cluster, port: int
) -> None:
    url = server.create_database("jobs")
    with server.connect() as admin:
        admin.execute("ALTER DATABASE jobs SET datestyle = 'German'")
        admin.execute("ALTER DATABASE jobs SET client_encoding = 'LATIN1'")
    engines = [create_engine(through(url, port), connections=4) for _ in range(2)]

    async def read(number: int) -> None:
        # Another client of the same sessions, with their settings.
        async with await psycopg.AsyncConnection.connect(through(url, port)) as other:
            cursor = await other.execute("SHOW datestyle")
            assert await cursor.fetchone() == ("German, DMY",)
        async with engines[number % 2].connect() as connection:
            found = await connection.exec_driver_sql("SELECT now(), %s", ("Łódź",))
            now, text = tuple(found.one())
        assert isinstance(now, datetime)
        assert text == "Łódź"

    await asyncio.gather(*map(read, range(40)))
    for engine in engines:
        await engine.dispose()


async def test_another_encoding_is_noticed_through_it(server: Cluster, port: int) -> None:
    with server.connect() as admin:
        admin.execute(
            f"CREATE DATABASE jobs OWNER {OWNER} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        )
    with pytest.raises(UnsupportedServer, match="the encoding of the database is LATIN1"):
        await connect(through(server.url("jobs", user=OWNER), port))


async def test_notifications_do_not_pass_in_transaction_mode(server: Cluster, port: int) -> None:
    url = server.create_database("jobs")
    pooled, direct = Woken(), Woken()
    async with listening(through(url, port), "one", pooled), listening(url, "one", direct):
        await pooled.until(1)
        await direct.until(1)
        notify(through(url, port), "one")  # sending works: it is part of a transaction
        await direct.until(2)
    assert pooled.count == 1


async def test_notifications_pass_in_session_mode(server: Cluster) -> None:
    url = server.create_database("jobs")
    with pgbouncer(server, mode="session") as port:
        woken = Woken()
        async with listening(through(url, port), "one", woken):
            await woken.until(1)
            notify(url, "one")
            await woken.until(2)


async def test_errors_through_pgbouncer(server: Cluster, port: int) -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        await connect(through(server.url("no_such_database"), port))
    assert remedy_of(raised.value).startswith("the database does not exist")
    with pytest.raises(psycopg.OperationalError) as raised:
        await connect(through(server.url(user=OWNER, password="wrong"), port))
    assert remedy_of(raised.value).startswith("the server rejects the user")

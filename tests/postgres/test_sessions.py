"""Sessions on servers, and in environments, that choose another date style or encoding."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import psycopg
import pytest

from asyncsim import ConfigurationError, PostgresBus, Watching, bulk
from asyncsim.bulk.dispatch_procrastinate import ProcrastinateDispatch
from asyncsim.bulk.errors import JournalFailed
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.emulator import Emulator, Latency
from asyncsim.postgres.engine import UnsupportedServer, connect, create_engine
from tests.postgres.cluster import Cluster
from tests.postgres.fixtures import Databases

TEXT = "Kälte, Łódź, 東京"
WATCHING = Watching(first=0.05, longest=0.5, sweep_every=0.2, stale_for=0.5)


@pytest.fixture(params=["database", "role", "environment", "PGOPTIONS", "URL"])
def odd_url(
    request: pytest.FixtureRequest, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of a database where something chooses German dates and LATIN1."""
    options = "-c datestyle=German -c client_encoding=LATIN1"
    if request.param == "URL":
        return f"{postgres_url}?client_encoding=LATIN1&options=-c%20datestyle%3DGerman"
    if request.param == "PGOPTIONS":
        monkeypatch.setenv("PGOPTIONS", options)
    elif request.param == "environment":
        monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
        monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    else:
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            database = f"DATABASE {owner.info.dbname}"
            whose = database if request.param == "database" else f"ROLE CURRENT_USER IN {database}"
            owner.execute(f"ALTER {whose} SET datestyle = 'German'")
            owner.execute(f"ALTER {whose} SET client_encoding = 'SQL_ASCII'")
    return postgres_url


@pytest.mark.parametrize("autocommit", [True, False])
async def test_times_and_texts_are_read_whatever_the_server_prefers(
    odd_url: str, autocommit: bool
) -> None:
    async with await connect(odd_url, autocommit=autocommit) as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        await connection.rollback()
        cursor = await connection.execute("SELECT clock_timestamp(), %s", [TEXT])
        row = await cursor.fetchone()
    assert row is not None
    assert abs(row[0] - datetime.now(row[0].tzinfo)) < timedelta(minutes=1)
    assert row[1] == TEXT


async def test_an_engine_reads_them_too(odd_url: str) -> None:
    engine = create_engine(odd_url)
    async with engine.connect() as connection:
        now, text = tuple((await connection.exec_driver_sql("SELECT now(), %s", (TEXT,))).one())
    await engine.dispose()
    assert isinstance(now, datetime)
    assert text == TEXT


def date_style(cluster: Cluster) -> str | None:
    with cluster.connect() as admin:
        return admin.info.parameter_status("DateStyle")


async def test_a_changed_configuration_does_not_reach_open_sessions(
    postgres_cluster: Callable[..., Cluster],
) -> None:
    cluster = postgres_cluster()
    async with await connect(cluster.url()) as connection:
        with cluster.connect() as admin:
            admin.execute("ALTER SYSTEM SET datestyle = 'German'")
            admin.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(30):
            while date_style(cluster) != "German, DMY":  # noqa: ASYNC110  # no event announces it
                await asyncio.sleep(0.01)
        await connection.execute("SELECT 1")  # reads a change before the next statement
        row = await (await connection.execute("SELECT now()")).fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)


async def test_pgoptions_are_kept(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=5MB -c lock_timeout=7s")
    names = ("work_mem", "lock_timeout", "idle_in_transaction_session_timeout")
    async with await connect(postgres_url) as connection:
        cursors = [await connection.execute(f"SHOW {name}") for name in names]
        assert [await cursor.fetchone() for cursor in cursors] == [("5MB",), ("7s",), ("5s",)]
    # As libpq does, the URL's replace them.
    async with await connect(f"{postgres_url}?options=-c%20work_mem%3D6MB") as connection:
        cursors = [await connection.execute(f"SHOW {name}") for name in names]
        assert [await cursor.fetchone() for cursor in cursors] == [("6MB",), ("10s",), ("5s",)]


async def test_procrastinate_reads_times_too(odd_url: str) -> None:
    await bulk.migrate(odd_url)
    queue = ProcrastinateDispatch(odd_url, SYSTEM_CLOCK)
    async with queue:
        row = await queue._app.connector.execute_query_one_async("SELECT now() AS now")
    assert isinstance(row["now"], datetime)


@pytest.mark.parametrize("dispatch", ["table", "procrastinate"])
async def test_a_job_runs_there(odd_url: str, dispatch: str) -> None:
    await bulk.migrate(odd_url)
    latency = Latency(transition=0.1, sigma=0.0)
    async with (
        Emulator(sims=4, latency=latency) as emulator,
        emulator.client(watching=WATCHING) as client,
    ):
        rows = [{"sid": sim.sid, "note": TEXT} async for sim in client.supersim.sims.list()]
        job = bulk.Job.from_rows(rows, product="supersim", change={"status": "active"})
        await bulk.submit(job, client, odd_url, name=TEXT, dispatch=dispatch)
        stop = asyncio.Event()
        working = asyncio.create_task(bulk.work(odd_url, [client], dispatch=dispatch, stop=stop))
        try:
            async with bulk.SharedJobs(odd_url) as jobs, asyncio.timeout(60):
                while (await jobs.fetch(TEXT)).state == "running":
                    assert not working.done()
                    await asyncio.sleep(0.02)
                assert (await jobs.fetch(TEXT)).state == "finished"
        finally:
            stop.set()
            await working


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def encoded_url(request: pytest.FixtureRequest, postgres_databases: Databases) -> Iterator[str]:
    """The URL of a database in another encoding than UTF8."""
    url = postgres_databases.create(f"template0 ENCODING '{request.param}' LOCALE 'C'")
    yield url
    postgres_databases.finished(url)


async def test_a_database_in_another_encoding_is_rejected(encoded_url: str) -> None:
    remedy = (
        "and asyncsim needs UTF8: create another one with"
        " `createdb --encoding=UTF8 --template=template0 --locale=C NAME`"
    )
    with pytest.raises(UnsupportedServer, match=remedy):
        await connect(encoded_url)
    with pytest.raises(JournalFailed, match=remedy):
        await bulk.migrate(encoded_url)
    with pytest.raises(JournalFailed, match=remedy):
        async with bulk.Journal.open(encoded_url, job="job"):
            pass
    with pytest.raises(ConfigurationError, match=remedy):
        await PostgresBus(encoded_url).start()

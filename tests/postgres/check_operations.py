"""Running a journal: roles with few privileges, pgbouncer, and backups of a job that runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from asyncsim import PostgresBus, Watching, bulk
from asyncsim.bulk.alive import shown_alive
from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.bulk.journal.privileges import check_usable
from asyncsim.callbacks.bus import Callback
from asyncsim.cli.exits import Exit
from asyncsim.emulator import Emulator, Latency
from asyncsim.errors import JournalError
from asyncsim.postgres import commands, inbox
from asyncsim.postgres.engine import connect
from asyncsim.postgres.job_tickets import following_job_tickets
from tests import deployment
from tests.postgres.cluster import Cluster
from tests.postgres.pgbouncer import pgbouncer

SIMS = 400
ROLES = ("asyncsim_owner", "asyncsim_worker", "asyncsim_receiver", "asyncsim_reader")
WATCHING = Watching(first=0.05, longest=0.5, sweep_every=0.2, stale_for=0.5)


@pytest.fixture
def server(postgres_cluster: Callable[..., Cluster]) -> Cluster:
    return postgres_cluster()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(sims=SIMS, latency=Latency(transition=0.3, sigma=0.0)) as emulator:
        yield emulator


async def submit(emulator: Emulator, url: str, dispatch: str) -> None:
    async with emulator.client() as client:
        sims = [sim.sid async for sim in client.supersim.sims.list(page_size=1000)]
        job = bulk.Job.from_rows(sims, product="supersim", change={"status": "active"})
        await bulk.submit(job, client, url, name="all", chunk_rows=50, dispatch=dispatch)


@asynccontextmanager
async def working(emulator: Emulator, url: str, dispatch: str) -> AsyncIterator[None]:
    """Run a worker, and stop it at the end of the block."""
    stop = asyncio.Event()
    async with emulator.client(watching=WATCHING) as client:
        task = asyncio.create_task(bulk.work(url, [client], dispatch=dispatch, stop=stop))
        try:
            yield
        finally:
            stop.set()
            await task


async def until(url: str, query: str) -> None:
    """Wait until a query returns true."""
    async with (
        asyncio.timeout(120),
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        while (await (await connection.execute(query)).fetchone()) != (True,):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


FINISHED = "SELECT state = 'finished' FROM asyncsim.jobs WHERE name = 'all'"


def updates(emulator: Emulator) -> Counter[str]:
    posts = (one for one in emulator.requests if one.method == "POST" and one.sid is not None)
    return Counter(one.sid for one in posts if one.sid)


def statuses(emulator: Emulator) -> set[str]:
    store: Any = emulator.world("twilio").sims("supersim")
    return {store[sid].status for sid in store}


def psql(cluster: Cluster, file: Path) -> None:
    program = [cluster.program("psql"), "--set=ON_ERROR_STOP=1", "--no-psqlrc", "--quiet"]
    subprocess.run([*program, f"--file={file}", cluster.url("asyncsim")], check=True)


@pytest.fixture
async def narrow(server: Cluster) -> Cluster:
    """A database with the roles of `examples/deployment`, migrated by its owner."""
    with server.connect() as admin:
        admin.execute("CREATE DATABASE asyncsim")
        admin.execute("REVOKE CREATE ON DATABASE asyncsim FROM public")
    psql(server, deployment.FOLDER / "roles.sql")
    with server.connect() as admin:
        admin.execute(f"ALTER ROLE asyncsim_owner PASSWORD '{server.password}'")
    owner = server.url("asyncsim", user="asyncsim_owner")
    await migrate(owner)
    await make_dispatch("procrastinate", owner).install()  # as `jobs migrate` does
    psql(server, deployment.FOLDER / "narrow_roles.sql")
    with server.connect() as admin:
        for role in ROLES:
            admin.execute(f"ALTER ROLE {role} PASSWORD '{server.password}'")
    return server


@pytest.mark.parametrize("dispatch", ["table", "procrastinate"])
async def test_a_job_runs_with_the_least_privileges(
    narrow: Cluster, emulator: Emulator, dispatch: str
) -> None:
    worker, reader = (
        narrow.url("asyncsim", user=f"asyncsim_{name}") for name in ("worker", "reader")
    )
    await submit(emulator, worker, dispatch)
    async with working(emulator, worker, dispatch):
        await until(worker, FINISHED)
    assert statuses(emulator) == {"active"}
    assert set(updates(emulator).values()) == {1}
    async with bulk.SharedJobs(reader) as jobs:
        assert [one.name for one in await jobs.list()] == ["all"]
        await jobs.processes()
        with pytest.raises(JournalError, match="the user lacks a privilege"):
            await jobs.purge("all")
    async with bulk.Journal.open(reader, job="all", read_only=True) as journal:
        assert await journal.head()
    for role in ("reader", "receiver"):
        with pytest.raises(JournalError, match="the user lacks a privilege"):
            await check_usable(narrow.url("asyncsim", user=f"asyncsim_{role}"))


async def test_commands_of_readers(narrow: Cluster, emulator: Emulator, tmp_path: Path) -> None:
    await submit(emulator, narrow.url("asyncsim", user="asyncsim_worker"), "table")
    url = narrow.url("asyncsim", user="asyncsim_reader")
    environment = {**os.environ, "ASYNCSIM_JOURNAL": url, "ASYNCSIM_EMULATOR": emulator.url}

    async def run(*arguments: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "asyncsim.cli", "jobs", *arguments),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert narrow.password not in said.decode()
        return process.returncode, said.decode()

    assert (await run("list"))[0] == 0
    assert (await run("status", "all"))[0] == 0
    report = await run("report", "all", "--results", str(tmp_path / "results"))
    assert report[0] == Exit.PENDING, report[1]
    code, said = await run("cancel", "all")
    assert code == Exit.USAGE, said
    assert "the user lacks a privilege: have an administrator grant it" in said


async def test_receivers_have_callbacks_and_commands_and_nothing_else(
    narrow: Cluster, emulator: Emulator
) -> None:
    await submit(emulator, narrow.url("asyncsim", user="asyncsim_worker"), "table")
    url = narrow.url("asyncsim", user="asyncsim_receiver")
    bus = PostgresBus(url)
    await bus.start()
    arrived: asyncio.Queue[Callback] = asyncio.Queue()

    def publish(callback: Callback) -> bool:
        arrived.put_nowait(callback)
        return True

    bus.attach(publish)
    callback = Callback(
        vendor="twilio", product="supersim", name="HS1", nonce="n", signed=True, method="POST"
    )
    assert await bus.is_writable()
    assert not await bus.accept(callback, "token")  # it was not there before
    async with asyncio.timeout(30):
        assert (await arrived.get()).name == "HS1"
    assert not await bus.accept_command(callback, "token", "scope")
    await bus.stop()
    async with await connect(url) as connection:
        with narrow.connect("asyncsim") as admin:
            admin.execute("UPDATE asyncsim.inbox SET arrived_at = now() - interval '2 hours'")
            admin.execute("UPDATE asyncsim.commands SET handled_at = now() - interval '2 hours'")
        assert await inbox.purge(connection, 3600) == 1
        assert await commands.purge(connection, 3600) == 1
    secrets: asyncio.Queue[object] = asyncio.Queue()
    async with following_job_tickets(url, secrets.put_nowait), asyncio.timeout(30):
        await secrets.get()
    async with shown_alive(url, "receiver", ["twilio supersim AC"]):
        query = "SELECT kind = 'receiver' FROM asyncsim.processes"
        await until(narrow.url("asyncsim", user="asyncsim_worker"), query)
    with psycopg.connect(url, autocommit=True) as receiver:
        for forbidden in (
            "SELECT * FROM asyncsim.rows",
            "SELECT header FROM asyncsim.jobs",
            "UPDATE asyncsim.jobs SET state = 'cancelled'",
            "UPDATE asyncsim.inbox SET callback = '{}'",
            "UPDATE asyncsim.commands SET callback = '{}'",
            "TRUNCATE asyncsim.inbox",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                receiver.execute(forbidden)


@pytest.mark.parametrize(
    ("mode", "pool", "dispatch"),
    [("transaction", 3, "table"), ("session", 20, "table"), ("session", 60, "procrastinate")],
)
async def test_a_job_behind_pgbouncer(
    server: Cluster, emulator: Emulator, mode: str, pool: int, dispatch: str
) -> None:
    url = server.create_database("jobs")
    await migrate(url)
    await make_dispatch(dispatch, url).install()
    with pgbouncer(server, mode=mode, pool=pool) as port:
        pooled = url.replace(f":{server.port}/", f":{port}/")
        await submit(emulator, pooled, dispatch)
        async with working(emulator, pooled, dispatch), working(emulator, pooled, dispatch):
            await until(url, FINISHED)
    assert statuses(emulator) == {"active"}
    assert set(updates(emulator).values()) == {1}


async def test_procrastinate_behind_pgbouncer_in_transaction_mode_is_rejected(
    server: Cluster, emulator: Emulator
) -> None:
    url = server.create_database("jobs")
    await migrate(url)
    await make_dispatch("procrastinate", url).install()
    with pgbouncer(server, pool=3) as port:
        pooled = url.replace(f":{server.port}/", f":{port}/")
        async with emulator.client() as client:
            with pytest.raises(JournalError, match="use `--dispatch table`"):
                await bulk.work(pooled, [client])


async def test_a_dump_of_a_running_job_is_consistent_and_the_job_goes_on_from_it(
    server: Cluster, emulator: Emulator, tmp_path: Path
) -> None:
    url, restored = server.create_database("jobs"), server.create_database("restored")
    await migrate(url)
    await submit(emulator, url, "table")
    dump = tmp_path / "jobs.dump"

    def run(program: str, *arguments: str) -> None:
        subprocess.run([server.program(program), *arguments], check=True)

    # The job goes on until shortly after the dump, and its database is lost then.
    async with working(emulator, url, "table"):
        await until(url, "SELECT count(*) > 100 FROM asyncsim.rows WHERE state = 'done'")
        options = ("--format=custom", "--exclude-table-data=asyncsim.inbox", f"--file={dump}")
        await asyncio.to_thread(run, "pg_dump", *options, url)
        await until(url, "SELECT count(*) > 200 FROM asyncsim.rows WHERE state = 'done'")
    run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={restored}", str(dump))
    with psycopg.connect(restored) as connection:
        rows = connection.execute("SELECT count(*) FROM asyncsim.rows").fetchone()
        dead = connection.execute(
            "SELECT count(*) FROM asyncsim.chunks WHERE state = 'running'"
        ).fetchone()
    assert rows == (SIMS,)
    assert dead
    assert dead[0]  # owned by a worker that never comes back
    await until(
        restored,
        "SELECT max(heartbeat_at) < clock_timestamp() - interval '7 seconds' FROM asyncsim.chunks",
    )
    # Planned anew, because the vendor is ahead of the backup: nothing is sent twice.
    async with bulk.SharedJobs(restored) as jobs:
        await jobs.cancel("all")
    async with emulator.client() as client:
        await bulk.submit(None, client, restored, name="all", chunk_rows=50, dispatch="table")
    async with working(emulator, restored, "table"):
        await until(restored, FINISHED)
    assert statuses(emulator) == {"active"}
    assert set(updates(emulator).values()) == {1}

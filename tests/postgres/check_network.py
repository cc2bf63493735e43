"""A worker that is cut off from its database, but not from the API."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import psycopg
import pytest
from attrs import define

from asyncsim import bulk
from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.emulator import Emulator, Faults
from tests.postgres.cluster import OWNER, Cluster
from tests.postgres.networks import RANGE, Exchange, Network, Tap, networks

SIMS = 800
CHUNK = 100
SPEED = 20  # of transitions, and of the reads that find them

# From the cut on. Some requests are in flight for long, others are throttled and retried: the
# first would outlive the lease, the second would begin after it.
TROUBLE = Faults(slow=0.4, slow_seconds=15.0, rate_limited=0.2, retry_after=0.3)


@pytest.fixture
def two() -> Iterator[list[Network]]:
    with networks(2) as made:
        yield made


@pytest.fixture
def cluster(postgres_cluster: Callable[..., Cluster], two: list[Network]) -> Cluster:
    """A server that listens on the wires of both networks."""
    addresses = ",".join(["127.0.0.1", *(one.database for one in two)])
    cluster = postgres_cluster({"listen_addresses": addresses})
    with (cluster.data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.write(f"host all all {RANGE} scram-sha-256\n")
    cluster.restart()
    return cluster


@define(eq=False)
class CutWorker:
    """`asyncsim worker` in a network of its own."""

    network: Network
    tap: Tap
    process: asyncio.subprocess.Process

    async def has_sent(self, count: int) -> None:
        """Wait until it has sent so many updates."""
        try:
            await until(lambda: len(self.tap.posts) > count or self.process.returncode is not None)
            assert self.process.returncode is None
        except BaseException:
            print(self.tap.exchanges[:50], await self.stop())
            raise

    async def kill(self) -> None:
        """End it, if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()

    async def stop(self) -> str:
        """End it gracefully; what it said."""
        if self.process.returncode is None:
            self.process.terminate()
        _, said = await self.process.communicate()
        return said.decode()


async def start(network: Network, tap: Tap, api: str, journal: str, dispatch: str) -> CutWorker:
    process = await asyncio.create_subprocess_exec(
        *(*network.command, sys.executable, "-m", "asyncsim.cli", "worker"),
        *("--dispatch", dispatch, "--chunks", "3"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "ASYNCSIM_EMULATOR": api,
            "ASYNCSIM_EMULATOR_SPEED": str(SPEED),
            "ASYNCSIM_JOURNAL": journal,
        },
    )
    return CutWorker(network, tap, process)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # processes and databases set no event
            await asyncio.sleep(0.02)


def one(url: str, query: str) -> object:
    """Return the one value of a query."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("dispatch", "replies_only"),
    [("table", False), ("procrastinate", False), ("table", True)],
    ids=["table", "procrastinate", "replies are lost"],
)
async def test_a_worker_without_its_database_sends_nothing_after_its_lease(
    cluster: Cluster, two: list[Network], dispatch: str, replies_only: bool
) -> None:
    url = cluster.create_database("jobs")
    await migrate(url)
    await make_dispatch(dispatch, url).install()  # as `jobs migrate` does
    now = asyncio.get_running_loop().time
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(
            Emulator(
                sims=SIMS,
                speed=SPEED,
                faults=Faults(answer_takes=0.3),
            )
        )
        port = int(emulator.url.rpartition(":")[2])
        taps = [await stack.enter_async_context(Tap(network, port)) for network in two]
        client = await stack.enter_async_context(emulator.client())
        rows = [{"sid": sim.sid} async for sim in client.supersim.sims.list(page_size=1000)]
        job = bulk.Job.from_rows(rows, product="supersim", change={"status": "active"})
        await bulk.submit(job, client, url, name="job", chunk_rows=CHUNK, dispatch=dispatch)
        workers = []
        for network, tap in zip(two, taps, strict=True):
            journal = cluster.url("jobs", user=OWNER).replace("127.0.0.1", network.database)
            workers.append(await start(network, tap, emulator.url, journal, dispatch))
            stack.push_async_callback(workers[-1].kill)
        for worker in workers:
            await worker.has_sent(30)

        first, second = taps
        emulator.faults = TROUBLE
        # Slow ones, which would be in flight after the lease, too.
        await until(lambda: sum(p.ended is None and now() - p.began > 2 for p in first.posts) > 2)
        cut = now()
        two[0].cut(replies_only=replies_only)
        await asyncio.sleep(claims.DEAD_AFTER + 1.0)
        in_flight_later = [post for post in first.exchanges if post.ended is None]
        emulator.faults = Faults()
        await until(lambda: one(url, "SELECT state FROM asyncsim.jobs") == "finished", 120)
        two[0].mend(replies_only=replies_only)
        said = [await worker.stop() for worker in workers]
    check(first, second, cut, in_flight_later)
    # Its chunks were taken over, and what it was about to record changed nothing.
    assert one(url, "SELECT count(*) FROM asyncsim.chunks WHERE epoch > 1 AND number > 0")
    done = "SELECT count(*) FROM asyncsim.rows WHERE state IN ('done', 'already')"
    assert one(url, done) == SIMS, said
    assert [worker.process.returncode for worker in workers] == [0, 0], said


def check(first: Tap, second: Tap, cut: float, in_flight_later: list[Exchange]) -> None:
    """Check the requests of the worker that was cut off, and of the one that took over."""
    end = cut + claims.DEAD_AFTER
    assert [post for post in first.posts if post.began > end] == []
    assert in_flight_later == []
    late = [post for post in first.posts if post.began > cut - 10 and (post.ended or end) > end]
    assert late == []
    # Requests were in flight when the lease ended: they were cut.
    assert [post for post in first.posts if not post.response and (post.ended or 0) > cut]
    # No SIM was in the hands of both.
    mine: dict[str, float] = {}
    for post in first.posts:
        mine[post.path] = max(mine.get(post.path, 0.0), post.ended or end)
    for post in second.posts:
        assert post.began > mine.get(post.path, 0.0), post.path

"""The chunk table: claims, heartbeats and ends, from several connections at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import psycopg
import pytest
from attrs import define
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.dispatch_procrastinate import ProcrastinateDispatch
from asyncsim.bulk.errors import Fenced
from asyncsim.bulk.journal import Journal, chunks, claims, purging
from asyncsim.bulk.journal.chunks import TakenChunk
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.records import WHOLE_JOB, ChunkClaim, ChunkRef
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.errors import JournalError

KEY = "twilio supersim AC1 at https://supersim"


Server = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def server(migrated_url: str) -> Iterator[Server]:
    """Another connection to the same tables."""
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute("SET search_path = asyncsim")
        yield connection


def state(server: Server) -> str:
    """State of the job."""
    found = server.execute("SELECT state FROM jobs").fetchone()
    assert found is not None
    return str(found[0])


async def until_one_waits(server: Server) -> None:
    """Wait until a transaction waits for a lock."""
    waiting = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        while not server.execute(waiting).fetchone():  # noqa: ASYNC110  # no event announces it
            await asyncio.sleep(0.01)


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A running job with a chunk for the whole and four for its rows."""
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO asyncsim.jobs (id, name, product, action, change, vendor, account, label,"
            " ticket_secret, state, created_at) VALUES (1, 'job', 'supersim', 'update', '{}',"
            " 'twilio', 'AC1 at https://supersim', 'rows', 'x', 'running', now())"
        )
        for number in range(5):
            connection.execute(
                "INSERT INTO asyncsim.chunks (job, number, first_row, last_row, state)"
                " VALUES (1, %s, 1, 10, %s)",
                (number, "queued" if number else "done"),
            )
    opened = open_database(migrated_url, SYSTEM_CLOCK)
    await opened.open()
    yield opened
    await opened.close()


async def claim(
    database: Database, owner: str, ref: ChunkRef | None = None, key: str = KEY, dead: float = -6.0
) -> TakenChunk | None:
    now = database.now()
    return await database.write(chunks.claim, owner, now, database.now(dead), [key], ref)


async def test_workers_that_claim_at_the_same_moment_get_different_chunks(
    database: Database,
) -> None:
    taken = await asyncio.gather(*(claim(database, f"owner {n}") for n in range(8)))
    numbers = [one.claim.number for one in taken if one is not None]
    assert sorted(numbers) == sorted(set(numbers))
    # Whoever met a locked row comes again.
    while (more := await claim(database, "late")) is not None:
        numbers.append(more.claim.number)
    assert sorted(numbers) == [1, 2, 3, 4]


async def test_a_chunk_is_claimed_by_one_of_those_whom_a_queue_gave_it(database: Database) -> None:
    ref = ChunkRef(1, 3, KEY)
    taken = await asyncio.gather(*(claim(database, f"owner {n}", ref) for n in range(4)))
    [one] = [one for one in taken if one is not None]
    assert (one.claim.number, one.claim.epoch, one.ref, one.job_name) == (3, 1, ref, "job")
    assert await claim(database, "other", ref) is None


async def test_a_dead_owner_loses_its_chunk_and_its_heartbeat_finds_out(database: Database) -> None:
    ref = ChunkRef(1, 2, KEY)
    assert await claim(database, "first", ref)
    assert await claim(database, "second", ref) is None
    taken = await claim(database, "second", ref, dead=60.0)  # as if a minute had passed
    assert taken is not None
    assert taken.claim == ChunkClaim(1, 2, "second", 2)
    assert await database.write(chunks.heartbeat, "first", database.now()) == []
    [beat] = await database.write(chunks.heartbeat, "second", database.now())
    assert (beat.job_id, beat.number, beat.epoch, beat.job_state) == (1, 2, 2, "running")
    first = ChunkClaim(1, 2, "first", 1)
    assert not await database.write(chunks.release, first, "late")
    assert await database.write(chunks.finish, first, database.now()) is None
    assert await database.write(chunks.release, taken.claim, "drained")
    again = await claim(database, "third", ref)
    assert again is not None
    assert again.claim.epoch == 3


class Paused:
    """Work of a transaction that stands still until it is let go on."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.times = 0
        self.leave = asyncio.Event()

    async def __call__(self, connection: AsyncConnection) -> None:
        self.entered.set()
        self.times += 1
        await self.leave.wait()


async def nothing(connection: AsyncConnection) -> None:
    """Write nothing, behind the fence."""


async def test_nobody_takes_over_a_chunk_that_its_owner_writes_and_heartbeats_do_not_wait(
    database: Database,
) -> None:
    ref = ChunkRef(1, 2, KEY)
    first = await claim(database, "first", ref)
    assert first is not None
    work = Paused()
    writing = asyncio.create_task(database.write_as(first.claim, work))
    await work.entered.wait()
    async with asyncio.timeout(10):
        [beat] = await database.write_single(chunks.heartbeat, "first", database.now())
    assert beat.number == 2
    assert await claim(database, "second", ref, dead=60.0) is None
    assert not writing.done()
    work.leave.set()
    await writing
    assert await claim(database, "second", ref, dead=60.0)
    with pytest.raises(Fenced):
        await database.write_as(first.claim, nothing)


async def test_a_write_waits_for_a_takeover_that_is_not_committed_and_is_fenced_then(
    database: Database, server: Server
) -> None:
    first = await claim(database, "first", ref := ChunkRef(1, 2, KEY))
    assert first is not None
    work = Paused()

    async def taking(connection: AsyncConnection) -> TakenChunk | None:
        now, dead = database.now(), database.now(60.0)
        taken = await chunks.claim(connection, "second", now, dead, [KEY], ref)
        await work(connection)
        return taken

    takeover = asyncio.create_task(database.write(taking))
    await work.entered.wait()
    writing = asyncio.create_task(database.write_as(first.claim, nothing))
    await until_one_waits(server)
    work.leave.set()
    assert await takeover
    with pytest.raises(Fenced):
        await writing


async def test_a_whole_job_is_not_claimed_while_its_dead_owner_writes(
    database: Database, server: Server
) -> None:
    server.execute("UPDATE jobs SET state = 'planned'")

    async def claim_job(owner: str, dead: float) -> ChunkClaim:
        times = database.now(), database.now(dead)
        return await database.write(claims.claim_job, 1, owner, *times, database.target)

    first = await claim_job("first", -6.0)
    work = Paused()
    writing = asyncio.create_task(database.write_as(first, work))
    await work.entered.wait()
    taking = asyncio.create_task(claim_job("second", 60.0))
    await until_one_waits(server)
    work.leave.set()
    await writing
    assert await taking == ChunkClaim(1, 0, "second", 2)
    with pytest.raises(Fenced):
        await database.write_as(first, nothing)


async def test_a_job_of_another_account_or_state_is_left_alone(
    database: Database, server: Server
) -> None:
    assert await claim(database, "owner", key="twilio wireless AC1 at https://supersim") is None
    for other in ("planned", "paused", "cancelled"):
        server.execute("UPDATE jobs SET state = %s", (other,))
        assert await claim(database, "owner") is None


async def test_the_whole_job_comes_after_all_of_its_chunks(
    database: Database, server: Server
) -> None:
    """Also if its owner is dead: whoever takes it would send what others are sending."""
    whole = ChunkRef(1, 0, KEY)
    server.execute(
        "UPDATE chunks SET state = 'running', owner = 'dead', epoch = 7,"
        " heartbeat_at = clock_timestamp() - interval '60 s' WHERE number = 0"
    )
    assert await claim(database, "worker", whole) is None
    for expected in (1, 2, 3, 4):
        taken = await claim(database, "worker")
        assert taken is not None
        assert taken.claim.number == expected
        assert await claim(database, "worker", whole) is None
        assert await database.write(chunks.finish, taken.claim, database.now()) is None
    taken = await claim(database, "worker")
    assert taken is not None
    assert (taken.claim.number, taken.claim.epoch) == (0, 8)


async def test_the_whole_job_that_is_done_finishes_no_job_with_open_chunks(
    database: Database, server: Server
) -> None:
    server.execute(
        "UPDATE chunks SET state = 'running', owner = 'early', epoch = 1,"
        " heartbeat_at = clock_timestamp() WHERE number = 0"
    )
    early = ChunkClaim(1, 0, "early", 1)
    assert await database.write(chunks.finish, early, database.now()) is None
    assert state(server) == "running"
    for _ in range(4):
        taken = await claim(database, "worker")
        assert taken is not None
        following = await database.write(chunks.finish, taken.claim, database.now())
    assert following == ChunkRef(1, 0, KEY)
    taken = await claim(database, "worker")
    assert taken is not None
    await database.write(chunks.finish, taken.claim, database.now())
    assert state(server) == "finished"


async def test_procrastinate_queues_the_whole_job_after_all_of_its_chunks(
    database: Database, migrated_url: str, server: Server
) -> None:
    queue = ProcrastinateDispatch(migrated_url, SYSTEM_CLOCK)
    await queue.install()
    server.execute(
        "UPDATE chunks SET state = 'running', owner = 'dead',"
        " heartbeat_at = clock_timestamp() - interval '60 s'"
    )
    queued = "SELECT queueing_lock FROM procrastinate_jobs ORDER BY 1"
    async with queue:
        assert await queue.requeue_stalled() == 4
        known = [one for (one,) in server.execute(queued)]
        assert known == ["1:1", "1:2", "1:3", "1:4"]
        server.execute("UPDATE chunks SET state = 'done' WHERE number > 0")
        assert await queue.requeue_stalled() == 1


async def test_of_chunks_that_end_at_the_same_moment_one_is_the_last(
    database: Database, server: Server
) -> None:
    taken = [await claim(database, claims.new_owner()) for _ in range(4)]
    ends = [
        database.write(chunks.finish, one.claim, database.now()) for one in taken if one is not None
    ]
    assert len(ends) == 4
    following = [one for one in await asyncio.gather(*ends) if one is not None]
    assert following == [ChunkRef(1, 0, KEY)]
    last = await claim(database, "owner")
    assert last is not None
    assert last.claim.number == 0
    await database.write(chunks.finish, last.claim, database.now())
    await database.write(chunks.pause_job, 1, "late")
    assert state(server) == "finished"


async def test_a_chunk_that_was_deleted_is_another_owners(
    database: Database, migrated_url: str
) -> None:
    """As by a second submission of its job, while its worker was frozen."""
    gone = ChunkClaim(1, 9, "late", 1)
    with pytest.raises(Fenced, match="another process has taken over chunk 9 of job 1"):
        async with Journal.open(migrated_url, chunk=gone, database=database):
            pass


@pytest.mark.parametrize(
    ("meanwhile", "afterwards"), [("paused", "finished"), ("cancelled", "cancelled")]
)
async def test_a_job_that_is_paused_at_its_very_end_is_finished(
    database: Database, server: Server, meanwhile: str, afterwards: str
) -> None:
    """Otherwise it would be resumed with no chunk left to claim."""
    taken = None
    while (following := await claim(database, "worker")) is not None:
        taken = following
        if taken.claim.number == WHOLE_JOB:
            server.execute("UPDATE jobs SET state = %s", (meanwhile,))
        await database.write(chunks.finish, taken.claim, database.now())
    assert taken is not None
    assert taken.claim.number == WHOLE_JOB
    assert state(server) == afterwards


async def take_all(database: Database, what: str) -> None:
    """Claim the whole job, or begin to purge it."""
    times = database.now(), database.now(-6.0), database.target
    if what == "claim":
        await database.write(claims.claim_job, 1, "whole", *times)
    else:
        await database.write(purging.begin_purge, "job", *times)


@pytest.mark.parametrize("what", ["claim", "purge"])
async def test_a_cancelled_job_is_not_claimed_or_purged_while_a_worker_claims_a_chunk(
    database: Database, server: Server, what: str
) -> None:
    work = Paused()

    async def claiming(connection: AsyncConnection) -> TakenChunk | None:
        times = database.now(), database.now(-6.0)
        taken = await chunks.claim(connection, "worker", *times, [KEY])
        await work(connection)
        return taken

    worker = asyncio.create_task(database.write(claiming))
    await work.entered.wait()
    server.execute("UPDATE jobs SET state = 'cancelled'")
    taking = asyncio.create_task(take_all(database, what))
    await until_one_waits(server)
    work.leave.set()
    assert await worker
    with pytest.raises(JournalError, match="is in use"):
        await taking


@pytest.mark.parametrize("what", ["claim", "purge"])
async def test_a_cancelled_job_with_a_living_worker_is_rejected_without_a_lock(
    database: Database, server: Server, what: str
) -> None:
    """It would hold up the worker's heartbeat, and with it all leases of the worker."""
    taken = await claim(database, "worker")
    assert taken is not None
    work = Paused()
    writing = asyncio.create_task(database.write_as(taken.claim, work))
    await work.entered.wait()
    server.execute("UPDATE jobs SET state = 'cancelled'")
    async with asyncio.timeout(30):
        with pytest.raises(JournalError, match="is in use by process worker"):
            await take_all(database, what)
    work.leave.set()
    await writing
    assert work.times == 1  # the server ends a transaction that is idle for five seconds


async def test_a_chunk_whose_job_is_cancelled_while_it_is_claimed_is_not_claimed(
    database: Database, server: Server
) -> None:
    @define
    class CancelledMeanwhile:
        """A connection during whose first locking statement somebody cancels the job."""

        connection: AsyncConnection

        async def execute(self, statement: Any) -> Any:
            result = await self.connection.execute(statement)
            if "FOR UPDATE" in str(statement):
                server.execute("UPDATE jobs SET state = 'cancelled'")
            return result

    async def claiming(connection: AsyncConnection) -> TakenChunk | None:
        meanwhile = cast("AsyncConnection", CancelledMeanwhile(connection))
        times = database.now(), database.now(-6.0)
        return await chunks.claim(meanwhile, "worker", *times, [KEY])

    assert await database.write(claiming) is None
    assert state(server) == "cancelled"
    assert server.execute("SELECT count(*) FROM chunks WHERE owner IS NOT NULL").fetchone() == (0,)

"""Submission to a shared journal: chunks, names, interruptions; jobs listed and purged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve, frozen
from sqlalchemy import select, update

from asyncsim import Client, JobStopped, JournalError, NotConfirmed, bulk
from asyncsim.bulk.journal import jobs as statements, processes
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.bulk.journal.processes import JournalProcess
from asyncsim.bulk.journal.schema import chunks, jobs, rows
from asyncsim.bulk.records import Head, State, account_key
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.emulator import Emulator

ACTIVE = {"status": "active"}


@frozen
class Shared:
    """A shared journal, the emulator's account, and the database behind it."""

    url: str
    client: Client
    database: Database
    sids: list[str]

    def job(self, sids: list[str] | None = None, **options: Any) -> bulk.Job:
        given = self.sids if sids is None else sids
        return bulk.Job.from_rows(given, product="wireless", **{"change": ACTIVE, **options})

    async def submit(self, job: bulk.Job | None, name: str = "job", **options: Any) -> Any:
        options.setdefault("dispatch", "table")
        return await bulk.submit(job, self.client, self.url, name=name, **options)

    async def ranges(self, name: str = "job") -> list[tuple[int, int, int]]:
        """Number, first and last row of each chunk but the whole job."""

        async def read(connection: Any) -> list[tuple[int, int, int]]:
            columns = (chunks.c.number, chunks.c.first_row, chunks.c.last_row)
            these = select(*columns).join(jobs, jobs.c.id == chunks.c.job)
            found = these.where(jobs.c.name == name, chunks.c.number != 0)
            return [tuple(one) for one in await connection.execute(found.order_by(columns[0]))]

        return await self.database.read(read)

    async def change(self, statement: Any) -> None:
        async def write(connection: Any) -> None:
            await connection.execute(statement)

        await self.database.write(write)


@pytest.fixture
async def shared(postgres_url: str) -> AsyncIterator[Shared]:
    await migrate(postgres_url)
    database = open_database(postgres_url, SYSTEM_CLOCK)
    async with Emulator(sims=23, speed=1000, seed=7) as emulator, emulator.client() as client:
        await database.open()
        try:
            yield Shared(
                postgres_url, client, database, list(emulator.world("twilio").sims("wireless"))
            )
        finally:
            await database.close()


async def test_chunks_are_ranges_of_as_many_rows_to_send(shared: Shared) -> None:
    submitted = await shared.submit(shared.job(), chunk_rows=10)
    assert (submitted.chunks, submitted.report.rows) == (3, 23)
    assert await shared.ranges() == [(1, 1, 10), (2, 11, 20), (3, 21, 23)]
    # Rows that need nothing are in no chunk, or between those that do.
    done = [1, 2, 3, 12, 22, 23]
    await shared.change(update(rows).where(rows.c.number.in_(done)).values(state=State.DONE))
    async with bulk.SharedJobs(shared.url) as opened:
        await opened.cancel("job")
    # Numbers go on after the old ones: who still has one of those finds no row any more.
    again = await shared.submit(None, chunk_rows=10)
    planned = await shared.ranges()
    assert again.chunks == len(planned)
    assert planned[0][0] == 4
    assert all(first <= last for _, first, last in planned)


async def test_a_name_belongs_to_one_job(shared: Shared) -> None:
    await shared.submit(shared.job())
    with pytest.raises(JournalError, match="has a job 'job' already, which is running"):
        await shared.submit(shared.job())
    with pytest.raises(JournalError, match="is running: its workers have it"):
        await shared.submit(None)
    with pytest.raises(JournalError, match="has no job 'jop'"):
        await shared.submit(None, "jop")


async def test_of_two_submissions_at_once_one_is_refused(shared: Shared) -> None:
    ends = await asyncio.gather(
        shared.submit(shared.job()), shared.submit(shared.job()), return_exceptions=True
    )
    refused = [one for one in ends if isinstance(one, JournalError)]
    assert len(refused) == 1, ends
    assert await shared.ranges() == [(1, 1, 23)]


async def test_a_submission_that_was_stopped_or_not_confirmed_is_continued(shared: Shared) -> None:
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(JobStopped, match="nothing was sent"):
        await shared.submit(shared.job(), stop=stop)
    deactivate = shared.job(change={"status": "deactivated"})
    with pytest.raises(NotConfirmed) as asked:
        await shared.submit(deactivate, "final")
    assert asked.value.count == 23
    async with bulk.SharedJobs(shared.url) as opened:
        assert (await opened.fetch("final")).state == bulk.JobState.PLANNED
    with pytest.raises(JournalError, match="the input changed"):
        await shared.submit(shared.job(shared.sids[:5], change={"status": "deactivated"}), "final")
    assert (await shared.submit(shared.job())).chunks == 1
    assert (await shared.submit(deactivate, "final", confirm=23)).chunks == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"chunk_rows": 0}, "chunk_rows=0: must be 1 or more"),
        ({"dispatch": "pigeons"}, "it is one of procrastinate, table"),
        ({"timeout": 0.0}, "timeout=0.0"),
    ],
)
async def test_impossible_options_are_rejected_before_anything_is_read(
    options: dict[str, Any], error: str, shared: Shared
) -> None:
    with pytest.raises(ValueError, match=error):
        await shared.submit(shared.job(), **options)
    async with bulk.SharedJobs(shared.url) as opened:
        assert await opened.list() == []


async def test_a_file_is_no_shared_journal(shared: Shared) -> None:
    with pytest.raises(ValueError, match=r"job\.db: a shared journal is a URL"):
        await bulk.submit(shared.job(), shared.client, "job.db", name="job", dispatch="table")


async def test_the_whole_job_is_queued_once_all_of_its_chunks_are_done(shared: Shared) -> None:
    await shared.submit(shared.job(), chunk_rows=20)
    queue = statements.queue_verification
    await shared.change(update(chunks).where(chunks.c.number == 1).values(state="done"))
    assert await shared.database.write(queue, 1) == []
    await shared.change(update(chunks).where(chunks.c.number == 2).values(state="done"))
    (whole,) = await shared.database.write(queue, 1)
    assert (whole.job_id, whole.number) == (1, 0)
    assert await shared.database.write(queue, 1) == []  # it is queued


async def test_a_job_is_purged_in_batches_and_an_interrupted_purge_is_repeated(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "PURGED_ROWS", 5)
    await shared.submit(shared.job())
    await shared.submit(shared.job(), "other")
    async with bulk.SharedJobs(shared.url) as opened:
        await opened.cancel("job")
        dead, now = shared.database.now(-6.0), shared.database.now()
        arguments = ("job", now, dead, opened.target)
        job, batches = await shared.database.write(statements.begin_purge, *arguments)
        assert list(batches) == [1, 6, 11, 16, 21]
        assert await shared.database.write(statements.purge_rows, job, 1) == 5
        assert (await opened.fetch("job")).state == bulk.JobState.PURGING
        assert await opened.purge("job") == 18  # the rest
        (left,) = await opened.list()
        assert (left.name, left.rows) == ("other", 23)


async def test_processes_are_listed_until_they_are_long_dead(shared: Shared) -> None:
    alive, dead = (
        JournalProcess(id=f"host:{pid}:x", kind="worker", host="host", pid=pid, accounts=("a",))
        for pid in (1, 2)
    )
    now, database = shared.database.now, shared.database
    record = processes.record_alive
    await database.write(record, dead, now(-10.0), now(-3600.0))
    await database.write(record, alive, now(), now(-3600.0))
    await database.write(record, evolve(alive, accounts=("b",)), now(), now(-3600.0))
    async with bulk.SharedJobs(shared.url) as opened:
        found = await opened.processes()
        assert [(one.pid, one.is_alive, one.accounts) for one in found] == [
            (2, False, ("a",)),
            (1, True, ("b",)),
        ]
        await database.write(processes.remove, alive.id)
        third = evolve(alive, id="host:3:x", pid=3)
        await database.write(record, third, now(), now(-5.0))  # the second one is forgotten
        assert [one.pid for one in await opened.processes()] == [3]


# What a job waits for: without a database.


def listed(state: bulk.JobState, queued: int) -> bulk.SharedJob:
    head = Head(
        product="supersim", action="update", change={}, vendor="kore", account="id at x", label="f"
    )
    now = datetime.now(UTC)
    counts = {"queued": queued}
    return bulk.SharedJob(
        id=1, name="f", state=state, reason=None, head=head, created_at=now, ended_at=None,
        chunks=counts,
    )  # fmt: skip


def worker(*accounts: str, kind: str = "worker", is_alive: bool = True) -> processes.KnownProcess:
    now = datetime.now(UTC)
    return processes.KnownProcess(
        id="x", kind=kind, host="h", pid=1, accounts=accounts, started_at=now, heartbeat_at=now,
        is_alive=is_alive,
    )  # fmt: skip


def test_a_job_waits_for_a_worker_with_its_credentials() -> None:
    job = listed(bulk.JobState.RUNNING, 3)
    own = account_key("kore", "supersim", "id at x")
    nobody = "a worker: none is running"
    assert job.waiting_for([]) == nobody
    assert job.waiting_for([worker(own, is_alive=False)]) == nobody
    assert job.waiting_for([worker(own, kind="receiver")]) == nobody
    wanted = "a worker with credentials of kore, account id at x"
    assert job.waiting_for([worker("another")]) == wanted
    assert job.waiting_for([worker("another"), worker(own)]) is None
    assert listed(bulk.JobState.RUNNING, 0).waiting_for([]) is None
    assert listed(bulk.JobState.PAUSED, 3).waiting_for([]) is None

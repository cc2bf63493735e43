"""Submission to a shared journal: chunks, names, interruptions; jobs listed and purged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
from attrs import evolve, frozen
from sqlalchemy import select, update

from asyncsim import Client, JobStopped, JournalError, NotConfirmed, bulk
from asyncsim.bulk.dispatch_table import TableDispatch
from asyncsim.bulk.errors import Fenced, JournalFailed
from asyncsim.bulk.journal import Journal, jobs as statements, processes, purging
from asyncsim.bulk.journal.chunks import claim, finish
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.postgres import PostgresDatabase
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

    async def run(self, job: bulk.Job, name: str, **options: Any) -> bulk.Report:
        """Run it in this process."""
        async with Journal.open(self.url, job=name) as journal:
            return await bulk.run(job, self.client, journal=journal, **options)

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
async def shared(migrated_url: str) -> AsyncIterator[Shared]:
    database = open_database(migrated_url, SYSTEM_CLOCK)
    async with Emulator(sims=23, speed=1000, seed=7) as emulator, emulator.client() as client:
        await database.open()
        try:
            yield Shared(
                migrated_url, client, database, list(emulator.world("twilio").sims("wireless"))
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


async def test_an_outage_after_a_submission_does_not_advise_to_repeat_it(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> NoReturn:
        raise JournalFailed("the server does not respond", "then run the same command again")

    monkeypatch.setattr(TableDispatch, "enqueue", fail)
    submitted = await shared.submit(shared.job(), chunk_rows=10, dispatch="table")
    assert submitted.chunks == 3
    [logged] = caplog.messages
    assert logged.endswith("will find its chunks later: the server does not respond")


async def test_a_job_whose_chunks_cannot_be_enqueued_is_submitted_all_the_same(
    shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    # The tables of procrastinate are missing.
    submitted = await shared.submit(shared.job(), chunk_rows=10, dispatch="procrastinate")
    assert submitted.chunks == 3
    [record] = [one for one in caplog.records if one.name == "asyncsim"]
    assert "job 'job' was handed to the workers" in record.getMessage()
    assert "does not exist" in record.getMessage()
    async with bulk.SharedJobs(shared.url) as opened:
        assert (await opened.fetch("job")).state is bulk.JobState.RUNNING


async def test_a_name_belongs_to_one_job(shared: Shared) -> None:
    await shared.submit(shared.job())
    with pytest.raises(JournalError, match="already has a job 'job', which is running"):
        await shared.submit(shared.job())
    with pytest.raises(JournalError, match="is running and belongs to workers"):
        await shared.submit(None)
    with pytest.raises(JournalError, match="has no job 'jop'"):
        await shared.submit(None, "jop")


async def test_an_input_belongs_to_one_job_until_that_has_ended(
    shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    job = shared.job(action="send", change={"command": "hello"})
    others = shared.job(action="send", change={"command": "bye"})
    await shared.submit(job)
    refused = "job 'job' has the same input and is {}: .* nothing was sent now; {}"
    with pytest.raises(JournalError, match=refused.format("running", "follow that job")):
        await shared.submit(job, "again")
    assert await shared.ranges("again") == []
    await shared.submit(others, "others")
    async with bulk.SharedJobs(shared.url) as opened:
        await opened.pause("job")
        with pytest.raises(JournalError, match=refused.format("paused", "`jobs resume`")):
            await shared.submit(job, "again")
        with pytest.raises(JournalError, match="has the same input"):
            await shared.run(job, "again")
        await opened.cancel("job")
    assert not caplog.messages
    assert (await shared.submit(job, "again")).chunks == 1
    assert caplog.messages == [
        "these texts may have been sent before, by another job with the same input: 'job'"
    ]
    # The other way round: the first job is only continued once the second one has ended.
    with pytest.raises(JournalError, match="job 'again' has the same input and is running"):
        await shared.submit(None)


async def test_an_input_belongs_to_the_run_in_one_process_that_has_begun_to_send_it(
    shared: Shared,
) -> None:
    assert (await shared.run(shared.job(), "run", limit=3)).stopped == "limit"
    with pytest.raises(JournalError, match=r"'run' has the same input and is planned: .*resume"):
        await shared.submit(shared.job())
    # One that has sent nothing is no obstacle, but one that is about to send is.
    await shared.change(update(rows).values(state=State.READY))
    owned = update(chunks).where(chunks.c.number == 0)
    await shared.change(owned.values(owner="HOST:1:a", heartbeat_at=shared.database.now()))
    with pytest.raises(JournalError, match=r"'run' has the same input and is planned: .*follow"):
        await shared.submit(shared.job(), "again")
    await shared.change(owned.values(heartbeat_at=shared.database.now(-7.0)))
    assert (await shared.submit(shared.job(), "third")).chunks == 1


async def test_what_fails_after_a_hand_over_does_not_look_like_a_failed_submission(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over = Journal.hand_over

    async def handing_over(journal: Journal, *arguments: Any) -> Any:
        made = await hand_over(journal, *arguments)
        monkeypatch.setattr(Journal, "read", fail)
        return made

    async def fail(*_: object, **__: object) -> NoReturn:
        raise JournalFailed("the server does not respond", "then run the same command again")

    monkeypatch.setattr(Journal, "hand_over", handing_over)
    submitted = await shared.submit(shared.job(), chunk_rows=10)
    assert (submitted.chunks, submitted.report.rows) == (3, 23)


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
    with pytest.raises(ValueError, match=r"job\.db is a file: pass the URL"):
        await bulk.submit(shared.job(), shared.client, "job.db", name="job", dispatch="table")


@pytest.mark.parametrize("after", range(4))
async def test_a_submitter_that_dies_after_the_hand_over_leaves_nothing_to_take_but_the_chunks(
    after: int, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies before its first, second, ... transaction after that of the hand-over."""
    handed_over = asyncio.Event()
    left = after
    transact, hand_over = PostgresDatabase._transact, statements.hand_over

    async def handing_over(*args: Any) -> Any:
        made = await hand_over(*args)
        handed_over.set()
        return made

    async def until_it_dies(self: Any, *args: Any) -> Any:
        nonlocal left
        if handed_over.is_set() and self is not shared.database:
            left -= 1
            if left < 0:  # nothing of it reaches the database any more
                raise JournalError("killed")
        return await transact(self, *args)

    monkeypatch.setattr(statements, "hand_over", handing_over)
    monkeypatch.setattr(PostgresDatabase, "_transact", until_it_dies)
    with suppress(JournalError):
        await shared.submit(shared.job(), chunk_rows=10)
    assert handed_over.is_set()
    # A minute later, to workers: each chunk once, and then none.
    database = shared.database
    now, dead = database.now(120.0), database.now(60.0)
    account = await database.read(statements.queued_chunks, 1)
    given = "worker", now, dead, [account[0].account]
    taken = [await database.write(claim, *given) for _ in range(3)]
    assert [one and one.claim.number for one in taken] == [1, 2, 3]
    assert await database.write(claim, *given) is None
    following = [await database.write(finish, one.claim, now) for one in taken if one]
    assert [one and one.number for one in following] == [None, None, 0]


async def test_a_job_that_is_cancelled_while_it_is_planned_is_not_handed_over(
    shared: Shared,
) -> None:
    hand_over = statements.hand_over
    async with bulk.SharedJobs(shared.url) as opened:

        async def handing_over(*args: Any) -> Any:
            await opened.cancel("job")
            return await hand_over(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(statements, "hand_over", handing_over)
            with pytest.raises(JournalError, match="job 'job' is now cancelled"):
                await shared.submit(shared.job())
        assert (await opened.fetch("job")).state == bulk.JobState.CANCELLED
        assert await shared.ranges() == []
        # Resumed by hand it goes to the workers.
        assert (await shared.submit(None)).chunks == 1


async def test_of_two_resumes_at_once_the_slower_one_changes_nothing(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shared.submit(shared.job())
    async with bulk.SharedJobs(shared.url) as opened:
        await opened.cancel("job")
        find_job, found = statements.find_job, asyncio.Event()
        goes_on = asyncio.Event()

        async def slowly(*args: Any, **options: Any) -> Any:
            seen = await find_job(*args, **options)
            if not found.is_set():
                found.set()
                await goes_on.wait()
            return seen

        monkeypatch.setattr(statements, "find_job", slowly)
        slower = asyncio.create_task(shared.submit(None))
        await found.wait()
        await shared.submit(None)
        goes_on.set()
        with pytest.raises(JournalError, match="is running and belongs to workers"):
            await slower
        assert (await opened.fetch("job")).state == bulk.JobState.RUNNING


async def test_a_job_that_workers_have_says_what_to_do_before_its_failed_rows_are_retried(
    shared: Shared,
) -> None:
    await shared.submit(shared.job())
    working = update(chunks).values(heartbeat_at=shared.database.now())
    await shared.change(working.where(chunks.c.number == 1))
    with pytest.raises(JournalError, match=r"Wait until it has finished, or cancel it; then"):
        await shared.submit(None, retry_failed=True)
    async with bulk.SharedJobs(shared.url) as opened:
        await opened.pause("job")
        with pytest.raises(JournalError, match=r"is paused.*Resume it, or cancel it; then"):
            await shared.submit(None, retry_failed=True)
        await opened.cancel("job")
    with pytest.raises(JournalError, match=r"requests of this job \(chunks: 1\): try again"):
        await shared.submit(None, retry_failed=True)


async def test_a_job_that_is_being_deleted_can_only_be_purged(shared: Shared) -> None:
    await shared.submit(shared.job())
    async with bulk.SharedJobs(shared.url) as opened:
        await opened.cancel("job")
        times = shared.database.now(), shared.database.now(-6.0)
        job, _ = await shared.database.write(purging.begin_purge, "job", *times, opened.target)
        for again in (None, shared.job()):
            with pytest.raises(JournalError, match="is being deleted: purge it again"):
                await shared.submit(again)
        with pytest.raises(JournalError, match="is being deleted: purge it again"):
            async with bulk.Journal.open(shared.url, job="job"):
                pass
        assert (await opened.fetch("job")).state == bulk.JobState.PURGING
        await shared.change(update(jobs).values(state="cancelled"))
        assert await shared.database.write(purging.purge_rows, job, 1) == 0
        await shared.database.write(purging.end_purge, job)
        assert (await opened.fetch("job")).rows == 23


async def test_a_frozen_holder_of_a_job_that_is_deleted_writes_nothing_more(
    shared: Shared,
) -> None:
    async with bulk.Journal.open(shared.url, job="job") as journal:
        await bulk.run(shared.job(), shared.client, journal=journal, dry_run=True)
        async with bulk.SharedJobs(shared.url) as opened:
            times = shared.database.now(), shared.database.now(60.0)  # a minute later
            await shared.database.write(purging.begin_purge, "job", *times, opened.target)
            with pytest.raises(Fenced):
                await journal.begin_run()
            assert await opened.purge("job") == 23


async def test_a_job_is_purged_in_batches_and_an_interrupted_purge_is_repeated(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PURGED_ROWS", 5)
    await shared.submit(shared.job())
    async with bulk.SharedJobs(shared.url) as opened:
        await opened.cancel("job")
        await shared.submit(shared.job(), "other")
        dead, now = shared.database.now(-6.0), shared.database.now()
        arguments = ("job", now, dead, opened.target)
        job, batches = await shared.database.write(purging.begin_purge, *arguments)
        assert list(batches) == [1, 6, 11, 16, 21]
        assert await shared.database.write(purging.purge_rows, job, 1) == 5
        assert (await opened.fetch("job")).state == bulk.JobState.PURGING
        assert await opened.purge("job") == 18  # the rest
        (left,) = await opened.list()
        assert (left.name, left.rows) == ("other", 23)


@pytest.mark.parametrize("method", ["fetch", "pause", "unpause", "cancel", "purge"])
async def test_a_name_that_is_no_text_is_rejected(shared: Shared, method: str) -> None:
    await shared.submit(shared.job())
    async with bulk.SharedJobs(shared.url) as opened:
        for name in (None, 3):
            with pytest.raises(TypeError, match="the name of a job must be text, not"):
                await getattr(opened, method)(name)
        assert (await opened.fetch("job")).state is bulk.JobState.RUNNING
    with pytest.raises(TypeError, match="the name of a job must be text, not int"):
        await shared.submit(shared.job(), name=3)  # type: ignore[arg-type]


async def test_wrong_limits_are_rejected_before_a_job_is_continued(shared: Shared) -> None:
    await shared.submit(shared.job())
    wrong: dict[type[Exception], tuple[dict[str, Any], str]] = {
        TypeError: ({"breakerr": 3}, "unpause takes no keyword 'breakerr'; did you mean 'breaker'"),
        ValueError: ({"max_failures": -1}, "max_failures=-1: must be 0 or more"),
    }
    async with bulk.SharedJobs(shared.url) as opened:
        await opened.pause("job")
        for kind, (changed, why) in wrong.items():
            with pytest.raises(kind, match=why):
                await opened.unpause("job", dispatch="table", **changed)
        with pytest.raises(ValueError, match="dispatch='tabel'"):
            await opened.unpause("job", dispatch="tabel")
        assert (await opened.fetch("job")).state is bulk.JobState.PAUSED
        await opened.unpause("job", dispatch="table", breaker=3, max_failures=None)
        assert (await opened.fetch("job")).state is bulk.JobState.RUNNING


async def test_shared_jobs_that_are_open_cannot_be_opened_again(shared: Shared) -> None:
    opened = bulk.SharedJobs(shared.url)
    async with opened:
        with pytest.raises(JournalError, match="is already open here"):
            async with opened:
                pass
        assert await opened.list() == []
    async with opened:
        assert await opened.list() == []


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


def listed(state: bulk.JobState, queued: int, **owners: int) -> bulk.SharedJob:
    head = Head(
        product="supersim", action="update", change={}, vendor="kore", account="id at x", label="f"
    )
    now = datetime.now(UTC)
    counts = {"queued": queued}
    return bulk.SharedJob(
        id=1, name="f", state=state, reason=None, head=head, created_at=now, ended_at=None,
        chunks=counts, owners=owners,
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
    assert listed(bulk.JobState.RUNNING, 3, x=1).waiting_for([]) == nobody
    assert listed(bulk.JobState.RUNNING, 0, x=1).waiting_for([]) is None
    assert listed(bulk.JobState.PAUSED, 3).waiting_for([]) is None

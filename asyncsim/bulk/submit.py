"""`bulk.submit`: reads, plans and confirms a job, and hands it to the workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.dispatch_protocol import Dispatch
from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal, jobs
from asyncsim.bulk.journal.chunks import WorkerLimits
from asyncsim.bulk.journal.claims import DEAD_AFTER
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.phases import Phases
from asyncsim.bulk.plan import Plan
from asyncsim.bulk.records import ChunkRef, JobState
from asyncsim.bulk.report import Report, report_on
from asyncsim.bulk.send import Limits
from asyncsim.bulk.tasks import JobTask, StopSignal
from asyncsim.client import Client
from asyncsim.clock import Clock
from asyncsim.errors import JobStopped, JournalError
from asyncsim.events import Observer

logger = logging.getLogger("asyncsim")

_WINDOW = 10_000  # nothing is sent here; `Limits` wants one


@frozen(kw_only=True)
class Submission:
    """A job that was handed to the workers."""

    name: str
    """Its name in the journal."""
    plan: Plan
    chunks: int
    """Chunks that were enqueued; 0 if nothing needs to be sent: then the job is finished."""
    report: Report
    """Its state before anything was sent."""


async def submit(
    job: Job | None,
    client: Client,
    url: str,
    *,
    name: str | None = None,
    chunk_rows: int = 1000,
    dispatch: str = "procrastinate",
    observers: Sequence[Observer] = (),
    timeout: float | None = None,
    max_failures: int | None = None,
    breaker: int | None = 20,
    confirm: int | Callable[[Plan], bool] | None = None,
    confirm_above: int | None = None,
    retry_failed: bool = False,
    stop: asyncio.Event | None = None,
) -> Submission:
    """Plan a job in a shared journal and hand it to the workers, which run `bulk.work`.

    Nothing is sent: the input is read, all SIMs are read with list requests, and chunks of the
    rows that need a request are enqueued. `job=None` resumes the finished or cancelled job of that
    name: its unfinished rows are planned again.

    - `url`: the PostgreSQL database of the journal, `postgresql://...`.
    - `name`: the job's name there; by default, its input's (`batch-42.csv`).
    - `chunk_rows`: rows of each chunk. One process at a time works on a chunk.
    - `dispatch`: how chunks reach workers, `procrastinate` or `table`; workers must use the same.
    - `timeout`, `max_failures`, `breaker`: as in `bulk.run`, for the workers. A worker that reaches
      a limit pauses the job, and the others stop within two seconds. Failures are counted over all
      workers, rejections in a row within each.
    - `confirm`, `confirm_above`, `retry_failed`, `stop`: as in `bulk.run`. A submission that was
      stopped, or not confirmed, is continued by submitting the same input under the same name.

    Raises what `bulk.run` raises, `JobStopped` if it was stopped, and `JournalError` if a job of
    that name was already handed to workers: its changes would be sent twice.
    """
    name = _checked_name(job, name, chunk_rows)
    limits = Limits(_WINDOW, timeout, None, max_failures, breaker, None, confirm_above)
    clock = client.context.clock
    # Both before anything is read, so that a wrong name is reported at once.
    database, queue = _shared_database(url, clock), make_dispatch(dispatch, url, clock)
    try:
        await database.open()
        await _check_name(database, name, is_new=job is not None)
        async with Journal.open(url, job=name, database=database, clock=clock) as journal:
            phases = Phases(client, journal, observers, limits, StopSignal())
            handing = _HandingOver(database, journal, limits, chunk_rows)
            if job is None:
                await handing.reopen()
            async with phases.watching(stop):
                plan = await phases.execute(
                    job, handing.hand_over, confirm, dry_run=False, retry_failed=retry_failed
                )
            plan = _checked(plan, phases.stop, name)
        await handing.tell_workers(queue)
        report = evolve(handing.report, plan=plan)
        return Submission(name=name, plan=plan, chunks=len(handing.made), report=report)
    finally:
        await database.close()


def _checked_name(job: Job | None, name: str | None, chunk_rows: int) -> str:
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows={chunk_rows}: must be 1 or more")
    if name is None and job is None:
        raise ValueError("name is missing: pass the name of the job to resume")
    if name is not None:
        jobs.check_name(name)
    return name or (job.label if job else "")


def _shared_database(url: str, clock: Clock) -> Database:
    database = open_database(url, clock)
    if not database.is_shared:
        raise ValueError(
            f"{database.target} is a file: pass the URL of a shared journal, postgresql://host/name"
        )
    return database


def _checked(plan: Plan | None, stop: StopSignal, name: str) -> Plan:
    """Return the plan, or raise why there is none."""
    if stop.error is not None:
        raise stop.error
    if plan is None:
        why = "" if stop.reason in (None, "drained") else f" ({stop.reason})"
        raise JobStopped(f"stopped while planning {name!r}{why}; nothing was sent")
    return plan


class _HandingOver:
    """Hands the chunks of one job to the workers."""

    def __init__(
        self, database: Database, journal: Journal, limits: Limits, chunk_rows: int
    ) -> None:
        self._database = database
        self._journal = journal
        self._obeyed = WorkerLimits(
            timeout=limits.timeout, max_failures=limits.max_failures, breaker=limits.breaker
        )
        self._chunk_rows = chunk_rows
        self.report: Report
        self.made: list[ChunkRef] = []
        """Chunks that workers can claim."""

    async def reopen(self) -> None:
        """Let the job be planned again, if it has ended."""
        if (job := self._journal.job_id) is not None:
            await self._journal.write(jobs.reopen, job)

    async def hand_over(self, task: JobTask) -> None:
        """Make the chunks of the planned job, in the transaction that lets workers claim them."""
        job = self._journal.job_id
        assert job is not None  # noqa: S101  # it has been planned
        # Before, because an error after that would look as if the job had not been submitted.
        self.report = await report_on(self._journal)
        times = self._database.now(), self._database.now(-DEAD_AFTER)
        arguments = (job, self._chunk_rows, self._obeyed, *times)
        self.made = await self._journal.hand_over(jobs.hand_over, *arguments)

    async def tell_workers(self, queue: Dispatch) -> None:
        """Enqueue the chunks. If this fails, or this process dies before, workers find them."""
        try:
            async with queue:
                await queue.enqueue(self.made)
        except JournalError as error:
            # Not raised: a program might submit the same changes again, under another name.
            logger.warning(
                "job %r was handed to the workers, which will find its chunks later: %s",
                self._journal.job_name,
                error.message,  # without advice to run the command again
            )


async def _check_name(database: Database, name: str, *, is_new: bool) -> None:
    """Reject a new job under the name of one that was already handed to workers.

    For a better message only: the job may change at any time until this process owns it.
    """
    dead = database.now(-DEAD_AFTER)
    if not is_new:
        job, state = await database.read(jobs.find_job, name, database.target)
        if state is JobState.CANCELLED:
            await database.read(jobs.check_no_workers, job, dead)
        return
    found = await database.read(jobs.list_jobs, dead, name)
    # One that was interrupted or not confirmed is continued: no worker has had it. One that is
    # being deleted cannot be held.
    if found and found[0].state not in (JobState.READING, JobState.PLANNED, JobState.PURGING):
        raise JournalError(
            f"journal {database.target} already has a job {name!r}, which is {found[0].state}: a"
            " second one would send its changes twice. Follow or resume that job; use another name"
            " only for another input"
        )

"""`bulk.SharedJobs`: lists, pauses, cancels and purges the jobs of a shared journal."""

from __future__ import annotations

from types import TracebackType
from typing import Self, Unpack

from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.journal import jobs, processes, purging
from asyncsim.bulk.journal.chunks import ChangedLimits
from asyncsim.bulk.journal.claims import DEAD_AFTER
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.jobs import SharedJob
from asyncsim.bulk.journal.processes import KnownProcess
from asyncsim.bulk.records import JobState
from asyncsim.bulk.send import Limits
from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.errors import JournalError
from asyncsim.suggestions import did_you_mean


class SharedJobs:
    """The jobs of a PostgreSQL journal, its workers and its receivers.

    ::

        async with SharedJobs("postgresql://host/database") as jobs:
            for job in await jobs.list():
                print(job.name, job.state, job.succeeded, job.rows)
            await jobs.pause("batch-42.csv")
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._url = url
        self._clock = clock or SYSTEM_CLOCK
        self._database = open_database(url, self._clock)

    @property
    def target(self) -> str:
        """The URL without its password, for messages."""
        return self._database.target

    async def __aenter__(self) -> Self:
        if self._database.is_open:  # the inner block would close it for the outer one
            raise JournalError(
                f"journal {self.target} is already open here: `async with` another SharedJobs"
            )
        try:
            await self._database.open()
        except BaseException:
            await self._database.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._database.close()

    async def processes(self) -> list[KnownProcess]:
        """Return the workers and receivers, including those that died in the last hour."""
        dead = self._database.now(-DEAD_AFTER)
        return list(await self._database.read(processes.known_processes, dead))

    async def rates(self, seconds: float = 30.0) -> dict[str, float]:
        """Return the SIMs per second that each process has finished lately, by its id."""
        since = self._database.now(-seconds)
        ended = await self._database.read(jobs.ended_since, since)
        return {owner: count / seconds for owner, count in ended.items()}

    async def fetch(self, name: str) -> SharedJob:
        """Return a job; JournalError if there is none of that name."""
        jobs.check_name(name)
        dead = self._database.now(-DEAD_AFTER)
        if found := await self._database.read(jobs.list_jobs, dead, name):
            return found[0]
        await self._database.read(jobs.find_job, name, self.target)  # raises
        return await self.fetch(name)  # it has begun just now

    async def pause(self, name: str) -> JobState:
        """Pause a running job: requests in flight finish, nothing new is sent.

        Returns its state before. JournalError if it is not running.
        """
        return await self._database.write(jobs.pause, name, self._database.now(), self.target)

    async def unpause(
        self, name: str, *, dispatch: str = "procrastinate", **changed: Unpack[ChangedLimits]
    ) -> JobState:
        """Let workers continue a paused job; returns its state before.

        `timeout`, `max_failures`, `breaker`: new limits, instead of those that it was submitted
        with. Earlier failures no longer count. Jobs in other states are left as they are:
        `submit(None, ...)` resumes them.
        """
        _check_limits(changed)
        queue = make_dispatch(dispatch, self._url, self._clock)  # rejects a wrong name
        now = self._database.now()
        job, state = await self._database.write(jobs.unpause, name, changed, now, self.target)
        # Also for a running job: this refills a queue that was emptied by hand.
        if state in (JobState.PAUSED, JobState.RUNNING):
            refs = await self._database.read(jobs.queued_chunks, job)
            async with queue:
                await queue.enqueue(refs)
        return state

    async def cancel(self, name: str) -> JobState:
        """Cancel a job: requests in flight finish, and nothing new is sent.

        This also stops a run in one process, at its next heartbeat. Returns the job's state before.
        What was sent stays sent, and the journal keeps all rows: `submit(None, ...)` resumes the
        job, `purge` deletes it.
        """
        now, dead = self._database.now(), self._database.now(-DEAD_AFTER)
        return await self._database.write(jobs.cancel, name, now, dead, self.target)

    async def purge(self, name: str) -> int:
        """Delete a job that no worker owns, in small transactions; returns the number of its rows.

        JournalError if it is running or paused. If this is interrupted, call it again.
        """
        database = self._database
        dead = database.now(-DEAD_AFTER)
        job, batches = await database.write(
            purging.begin_purge, name, database.now(), dead, self.target
        )
        # A transaction for each batch: vacuum can clean up meanwhile, and workers of other jobs do
        # not wait for one that takes minutes.
        count = 0
        for first in batches:
            count += await database.write(purging.purge_rows, job, first)
        await database.write(purging.end_purge, job)
        return count

    async def ended_before(self, seconds: float) -> list[str]:
        """Return the names of the jobs that ended at least so many seconds ago."""
        return await self._database.read(purging.jobs_ended_before, self._database.now(-seconds))

    # Last, because its name shadows the builtin in annotations after it.
    async def list(self) -> list[SharedJob]:
        """Return all jobs, the oldest one first."""
        return await self._database.read(jobs.list_jobs, self._database.now(-DEAD_AFTER))


def _check_limits(changed: ChangedLimits) -> None:
    """Check new limits before anything is changed; TypeError or ValueError."""
    known = ("dispatch", *ChangedLimits.__annotations__)
    for name in changed:
        if name not in known:
            hint = did_you_mean(name, known, f"it takes {', '.join(known)}")
            raise TypeError(f"unpause takes no keyword {name!r}; {hint}")
    Limits(
        window=1,
        timeout=changed.get("timeout"),
        deadline=None,
        max_failures=changed.get("max_failures"),
        breaker=changed.get("breaker"),
        limit=None,
        confirm_above=None,
    )

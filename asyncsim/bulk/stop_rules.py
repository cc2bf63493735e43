"""When a job stops early: identical rejections in a row, or too many failures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from attrs import define

from asyncsim.bulk.breaker import CircuitBreaker
from asyncsim.bulk.journal.chunks import TakenChunk, count_failures
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.records import FAILURES, Ending, State
from asyncsim.clock import Clock

_IN_A_RUN = FAILURES | {State.NO_ANSWER}  # workers read those again

# Before all failures are counted again, this part of the rest up to the limit may fail here: there
# are few counts while the limit is far, and with up to eight workers no overshoot.
_SHARE = 8
_KEPT_FOR = 10.0  # seconds after a job's last chunk here; usually the next is claimed in a second


class StopRules:
    """The rules of one run, or of all chunks of a job in one worker.

    Counting per chunk would be too late: a short chunk ends before enough SIMs were rejected, and
    four concurrent chunks would stop four times as late.

    `count_all` counts the failures of the whole job, over all workers. It is called only when
    failures here could matter, so a job without failures costs no queries.
    """

    def __init__(
        self,
        breaker: int | None,
        max_failures: int | None,
        count_all: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self.breaker = CircuitBreaker(breaker)
        self._failures = _IN_A_RUN if count_all is None else FAILURES
        self._most = max_failures
        self._count_all = count_all
        self._here = self._elsewhere = 0
        """Failures that this worker has seen, and a lower bound of those of other workers."""
        self._next_count: int | None = None if count_all is None else 0
        """All are counted once this worker has seen more failures than this; None: never."""
        self._counting = asyncio.Lock()

    async def too_many_failures(self, ending: Ending) -> bool:
        """Count the end of a row; True if more have failed than the job allows."""
        if self._most is None or ending.state not in self._failures:
            return False
        self._here += 1
        if self._count_all is not None and self._is_due():
            async with self._counting:
                if self._is_due():  # another chunk may just have counted
                    await self._count(self._count_all, self._most)
        return self._here + self._elsewhere > self._most

    def _is_due(self) -> bool:
        return self._next_count is not None and self._here > self._next_count

    async def _count(self, count_all: Callable[[], Awaitable[int]], most: int) -> None:
        # Failures here are counted before they are stored, so only those of others are taken from
        # the database.
        here = self._here
        self._elsewhere = max(self._elsewhere, await count_all() - here)
        self._next_count = here + max(most - here - self._elsewhere, 0) // _SHARE


@define(eq=False)
class _Kept:
    rules: StopRules
    users: int = 0
    free_since: float = 0.0


class RulesOfJobs:
    """The rules of all jobs of which a worker has chunks, or had one a moment ago."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._kept: dict[tuple[object, ...], _Kept] = {}

    @contextmanager
    def used_for(self, taken: TakenChunk) -> Iterator[StopRules]:
        """Yield the rules that a chunk shares with the others of its job."""
        job, limits, before = taken.claim.job_id, taken.limits, taken.failed_before
        database, now = self._database, self._clock.now()

        async def count_all() -> int:
            return await database.read(count_failures, job) - before

        self._kept = {
            key: one
            for key, one in self._kept.items()
            if one.users or now - one.free_since < _KEPT_FOR
        }
        # A job that was resumed or submitted again may have new limits and earlier failures.
        key = job, limits, before
        if key not in self._kept:
            rules = StopRules(limits.breaker, limits.max_failures, count_all)
            self._kept[key] = _Kept(rules)
        kept = self._kept[key]
        kept.users += 1
        try:
            yield kept.rules
        finally:
            kept.users -= 1
            kept.free_since = self._clock.now()

    def forget(self, job: int) -> None:
        """Start with new rules at the next chunk of a job, which is not running any more."""
        self._kept = {key: one for key, one in self._kept.items() if key[0] != job}

"""Asking about all pending SIMs at once: sweeps, and walks that confirm what they hint at.

A sweep lists the SIMs in a pending status, 1,000 a request. Those that are missing have probably
settled: probably, because pages shift while they are read. A walk lists all SIMs and so shows
what the missing ones have become; where few are missing, single reads are cheaper.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from asyncsim.clock import Clock
from asyncsim.core.plan import Situation, sweep_pause, walk_instead
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError, BadRequest, DecodeError
from asyncsim.events import Event, SettledBy, SweepFinished, SweepingStopped
from asyncsim.kind import Kind

logger = logging.getLogger("asyncsim")

_FAILURES = 3  # sweeps in a row, each of many attempts
_CONTRADICTIONS = 2  # sweeps in a row whose absentees mostly turn out pending: the filter lies
_SAMPLE = 5  # absentees; fewer may have slipped between two pages


class Row(Protocol):
    """One row of a list, decoded only if somebody wants it."""

    @property
    def sid(self) -> str:
        """Whose row it is."""
        ...

    def record(self) -> Any:
        """Decode the row."""
        ...


class Rows(Protocol):
    """Lists rows page by page, with an optional status filter."""

    def __call__(self, status: str | None, /) -> AsyncGenerator[Sequence[Row], None]:
        """Iterate over pages of rows."""
        ...


class Sweeper:
    """Sweeps for one watcher."""

    def __init__(
        self,
        kind: Kind[Any],
        rows: Rows,
        *,
        clock: Clock,
        watching: Watching,
        listed: set[Transition],
        spawn: Callable[[Awaitable[None]], asyncio.Future[None]],
        take: Callable[[Any, SettledBy, str], None],
        read: Callable[[Transition], None],
        reading: Container[Transition],
        tell: Callable[[Event], None],
    ) -> None:
        self._kind = kind
        self._rows = rows
        self._clock = clock
        self._watching = watching
        self._listed = listed
        self._spawn = spawn
        self._take = take
        self._read = read
        self._reading = reading
        self._tell = tell
        self._trusted = True
        self.due_at: float | None = None
        """When the next sweep should start; None while one is running, or none is planned."""
        self._task: asyncio.Future[None] | None = None
        self._population: int | None = None
        self._doubted: dict[Transition, bool] = {}
        """Absentees being confirmed -> whether they turned out to be pending after all."""
        self._contradictions = 0
        self._failures = 0
        self._rests_until = -math.inf

    def plan(self, situation: Situation, took: float = 0.0) -> None:
        """Set the time of the next sweep."""
        pause = sweep_pause(self._watching, situation, took)
        self.due_at = self._clock.now() + pause

    def stop(self) -> None:
        """Plan no further sweep; one that is running goes on."""
        self.due_at = None

    def cancel(self) -> None:
        """Plan no further sweep, and end one that is running."""
        self.stop()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def start(self, situation: Callable[[], Situation]) -> None:
        """Sweep now."""
        if self._task is None:
            self.due_at = None
            self._task = self._spawn(self._run(situation))

    @property
    def trusted(self) -> bool:
        """Whether a sweep may be tried."""
        return self._trusted and self._clock.now() >= self._rests_until

    @property
    def running(self) -> bool:
        """Whether a sweep is under way."""
        return self._task is not None

    async def _run(self, situation: Callable[[], Situation]) -> None:
        started = self._clock.now()
        self._weigh()
        try:
            if self.trusted:
                await self._sweep(started)
                self._failures = 0
        except AsyncSimError as error:
            self._failed(error)
        except Exception as error:
            self._stop_trusting(f"it broke down: {error!r}")  # ours to mend; nobody may hang on it
            raise
        finally:
            if self._task is asyncio.current_task():  # else it was cancelled
                self._task = None
                self.plan(situation(), self._clock.now() - started)

    def _failed(self, error: AsyncSimError) -> None:
        self._failures += 1
        product = self._kind.product
        if self._failures < _FAILURES:
            logger.warning("a sweep of %s failed, the next one may not: %s", product, error)
            return
        # It may be the list alone that fails; single reads tell, and cost something only if not.
        self._failures = 0
        self._rests_until = self._clock.now() + self._watching.longest
        logger.warning("sweeps of %s fail, single reads instead for a while: %s", product, error)

    async def _sweep(self, started: float) -> None:
        try:
            pages, seen = await self._pending()
        except BadRequest as error:
            if not _is_the_vendors(error):
                raise
            self._stop_trusting(f"the status filter was refused: {error}")
            return
        missing = [
            wait
            for wait in self._listed
            if wait.sid not in seen and wait not in self._reading and self._before(wait, started)
        ]
        if not missing and any(wait.sid in seen for wait in self._listed):
            self._contradictions = 0
        absent = {wait.sid: wait for wait in missing if wait.sid is not None}
        self._tell_finished(pages, len(seen), len(absent), walk=False)
        self._doubted = dict.fromkeys(absent.values(), False)
        for wait in missing:
            if wait.sid is None:  # known by name only, so no list can show it
                self._read(wait)
        if walk_instead(len(absent), self._population):
            await self._walk(absent)
        for wait in absent.values():
            if wait in self._listed:
                self._read(wait)

    async def _pending(self) -> tuple[int, set[str]]:
        """List the SIMs in a pending status; how many pages, and which SIDs."""
        pages, seen = 0, set[str]()
        for status in sorted(self._kind.pending):
            async with aclosing(self._rows(status)) as listed:
                async for page in listed:
                    pages += 1
                    seen.update(row.sid for row in page)
        return pages, seen

    def _before(self, wait: Transition, started: float) -> bool:
        """Whether the list was read after the change was accepted, so that it should show it."""
        return wait.answered_at is not None and wait.answered_at < started

    async def _walk(self, absent: dict[str, Transition]) -> None:
        """Confirm absentees off the unfiltered list; what it does not show stays in `absent`."""
        pages = rows = 0
        before = len(absent)
        complete = True
        async with aclosing(self._rows(None)) as listed:
            async for page in listed:
                pages += 1
                rows += len(page)
                self._confirm(absent, page)
                if not absent or pages > before:
                    complete = False
                    break
        self._population = rows if complete else max(self._population or 0, rows)
        self._tell_finished(pages, rows, before - len(absent), walk=True)

    def _confirm(self, absent: dict[str, Transition], page: Sequence[Row]) -> None:
        for row in page:
            if row.sid not in absent:
                continue
            try:
                record = row.record()
            except DecodeError:
                continue  # a single read of it will say what is wrong
            del absent[row.sid]
            self._take(record, "sweep", row.sid)

    def still_pending(self, wait: Transition) -> None:
        """Take note that a read found a wait pending which a sweep had not shown."""
        if wait in self._doubted:
            self._doubted[wait] = True

    def _weigh(self) -> None:
        """Judge the last sweep by what became of its absentees."""
        wrong, total = sum(self._doubted.values()), len(self._doubted)
        self._doubted = {}
        if total and wrong * 2 <= total:
            self._contradictions = 0
        elif total >= _SAMPLE:
            self._contradictions += 1
        if self._contradictions >= _CONTRADICTIONS:
            self._stop_trusting("SIMs missing in its answers turned out to be pending")

    def _stop_trusting(self, reason: str) -> None:
        if self._trusted:
            self._trusted, product = False, self._kind.product
            logger.warning("sweeping of %s stops, single reads go on: %s", product, reason)
            self._tell(SweepingStopped(product=product, reason=reason))

    def _tell_finished(self, pages: int, rows: int, settled: int, *, walk: bool) -> None:
        product = self._kind.product
        event = SweepFinished(product=product, pages=pages, rows=rows, settled=settled, walk=walk)
        self._tell(event)


def _is_the_vendors(refusal: BadRequest) -> bool:
    """Whether it will be the same next time; without a code it may be a proxy's on the way."""
    return refusal.status == 400 and refusal.code is not None

"""Asking about all pending SIMs at once: sweeps, and walks.

A sweep lists the SIMs in a pending status, 1,000 a request. Those that are missing, or that it
shows in another status, have probably settled: probably, because pages shift while they are read,
and filters may be ignored. A walk lists all SIMs and so shows
what the missing ones have become; where few are missing, single reads are cheaper. Where the
whole list is hardly longer than the pending part of it, a walk is all that is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Container,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from typing import Any

from asyncsim.clock import Clock
from asyncsim.core.polling import (
    ListRequest,
    ListSize,
    PollState,
    list_pause,
    next_list_request,
    scan_pays,
    should_scan,
)
from asyncsim.core.settings import Watching
from asyncsim.core.transition import REFUSALS, Transition
from asyncsim.errors import AsyncSimError, BadRequest, DecodeError
from asyncsim.events import Event, SettledBy, SweepFinished
from asyncsim.kind import Kind
from asyncsim.waiting.rows import RowPage, Rows
from asyncsim.waiting.spots import Spots
from asyncsim.waiting.trust import Trust
from asyncsim.waiting.waits import Register
from asyncsim.waiting.walk import Walk, answered


class Sweeper:
    """Sweeps and walks for one watcher."""

    def __init__(
        self,
        kind: Kind[Any],
        rows: Rows,
        *,
        clock: Clock,
        watching: Watching,
        listed: Collection[Transition],
        situation: Callable[[], PollState],
        wake: Callable[[], None],
        waits: Register,
        spawn: Callable[[Awaitable[None]], asyncio.Future[None]],
        take: Callable[[Any, SettledBy, float], None],
        read: Callable[[Transition], None],
        reading: Container[Transition],
        notify: Callable[[Event], None],
        refused: Callable[[Exception, float], None],
    ) -> None:
        self._kind = kind
        self._rows = rows
        self._clock = clock
        self._watching = watching
        self._listed = listed
        self._situation = situation
        self._wake = wake
        self._waits = waits
        self._spawn = spawn
        self._take = take
        self._read = read
        self._reading = reading
        self._notify = notify
        self._refused = refused
        self.trust = Trust(kind.product, clock, watching, notify)
        self.due_at: float | None = None
        """When the next look should start; None while one is running, or none is planned."""
        self._ended_at: float | None = None
        self._took = 0.0
        self._task: asyncio.Future[None] | None = None
        self._fleet = ListSize()
        self._found = 0
        self._spots = Spots(read)

    def plan(self) -> None:
        """Set the time of the next look; sooner, if it was planned for fewer waits."""
        if self._task is not None:
            return
        began = self._clock.now() if self._ended_at is None else self._ended_at
        self._ended_at = began
        now = self._situation()
        look = next_list_request(now, self._fleet, self._found)
        due = began + list_pause(self._watching, now, look.requests, self._took)
        self.due_at = due if self.due_at is None else min(self.due_at, due)

    def stop(self) -> None:
        """Plan no further look; one that is running goes on."""
        self.due_at = self._ended_at = None
        self._took = 0.0

    def cancel(self) -> None:
        """Plan no further look, and end one that is running."""
        self.stop()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def start(self) -> None:
        """Send a list request now."""
        if self._task is None:
            self.due_at = None
            self._task = self._spawn(self._run())

    async def _run(self) -> None:
        started = self._clock.now()
        self.trust.weigh()
        try:
            if self.trust:
                await self._look(
                    next_list_request(self._situation(), self._fleet, self._found), started
                )
                self.trust.worked()
        except AsyncSimError as error:
            self.trust.failed(error)
            if isinstance(error, REFUSALS):
                self._refused(error, started)
        except Exception as error:
            # Ours to mend; nobody may hang on it.
            self.trust.lose(f"it broke down: {error!r}")
            raise
        finally:
            if self._task is asyncio.current_task():  # else it was cancelled
                self._task = None
                self._ended_at = self._clock.now()
                self._took = self._ended_at - started
                self._wake()

    async def _look(self, look: ListRequest, started: float) -> None:
        self._spots.begin()
        if look.walk:
            await self._walk(self._answered_before(started), whole=True)
            return
        try:
            pages, seen = await self._pending()
        except BadRequest as error:
            if not _is_the_vendors(error):
                raise
            self.trust.lose(f"the status filter was refused: {error}")
            return
        await self._confirm(pages, seen, started)

    async def _pending(self) -> tuple[int, set[str]]:
        """List the SIMs in a pending status; how many pages, and which SIDs they show in one."""
        pages, rows, seen = 0, 0, set[str]()
        known = self._kind.pending
        for status in sorted(known):
            async with aclosing(self._rows(status)) as listed:
                async for page in listed:
                    pages += 1
                    rows += len(page.rows)
                    seen.update(row.sid for row in page.rows if row.status in known)
        self.trust.filtered(rows, len(seen))
        return pages, seen

    async def _confirm(self, pages: int, seen: set[str], started: float) -> None:
        """Find out what has become of those that a sweep did not show."""
        expected = self._answered_before(started)
        missing = [one for one in expected if one.sid not in seen and one not in self._reading]
        if not missing and any(one.sid in seen for one in self._listed):
            self.trust.confirm()
        absent = [one for one in missing if one.sid is not None]
        self._found = len(absent)
        self._tell_finished(pages, len(seen), len(absent), walk=False)
        self.trust.doubt(absent)
        self._check_spots(seen, expected)
        if should_scan(len(absent), self._situation(), self._fleet):
            await self._walk(missing, whole=False)
        else:
            self._read_all(missing)

    def _check_spots(self, pending: set[str], expected: Sequence[Transition]) -> None:
        """Find out whether the list lags: whom it calls pending, a read may have shown settled."""
        if self._spots.contradict(pending):
            self.trust.rest("they show SIMs as pending that had settled before")
        else:
            able = (one for one in expected if one in self._listed and one not in self._reading)
            self._spots.choose([one for one in able if one.sid in pending])

    def _answered_before(self, moment: float) -> list[Transition]:
        """Those whose change was accepted before a list was read, so that it must show them."""
        return [one for one in self._listed if answered(one, moment)]

    def _read_all(self, waits: Iterable[Transition]) -> None:
        for wait in waits:
            if wait in self._listed:
                self._read(wait)

    async def _walk(self, wanted: Sequence[Transition], *, whole: bool) -> None:
        """Take what the unfiltered list shows; read those of `wanted` whom it does not show.

        Unless the `whole` of it is to be walked, this ends early: when all have been seen, or
        when it turns out to be so long that reading those that are left is better.
        """
        now = self._clock.now()
        walk = Walk(now, len(self._answered_before(now)), dict.fromkeys(wanted))
        fleet = await self._pages_of(walk, whole)
        if fleet.whole or not self._fleet.whole:
            self._fleet = fleet
        if whole:
            self._found = walk.settled
            self._check_spots(walk.pending, wanted)
        self._tell_finished(walk.pages, walk.rows, walk.settled, walk=True)
        self._read_all(walk.unseen)  # pages shift, and some are known by their names only

    async def _pages_of(self, walk: Walk, whole: bool) -> ListSize:
        async with aclosing(self._rows(None)) as listed:
            async for page in listed:
                self._show(page, walk)
                walk.turn(len(page.rows), self._clock.now())
                left = len(walk.unseen)
                if not whole and not (left and scan_pays(left, self._situation(), walk.rest)):
                    return walk.fleet
        return walk.counted

    def _show(self, page: RowPage, walk: Walk) -> None:
        """Give the rows of a page to the waits that they are about."""
        known = self._waits.names
        # Most rows are nobody's, where the list holds many others: none of their time here.
        # One without a status tells nothing: it stays unseen, and is read singly.
        wanted = [
            (place, row)
            for place, row in enumerate(page.rows)
            if row.sid in known and row.status is not None
        ]
        for place, row in wanted:
            waits = [one for one in self._waits.of(row.sid) if self._is_told(one, walk.asked)]
            if waits and row.status in self._kind.pending:
                walk.shows(waits)
                walk.pending.add(row.sid)
                for wait in waits:
                    self.trust.contradict(wait)
            elif waits:
                self._settle(page, place, waits, walk)

    def _is_told(self, wait: Transition, asked: float) -> bool:
        return wait in self._listed and answered(wait, asked)

    def _settle(self, page: RowPage, place: int, waits: list[Transition], walk: Walk) -> None:
        try:
            record = page.record(place)
        except DecodeError:
            return  # a single read of it will say what is wrong
        walk.shows(waits)
        walk.settled += len(waits)
        self._take(record, "sweep", walk.asked)

    def _tell_finished(self, pages: int, rows: int, settled: int, *, walk: bool) -> None:
        product = self._kind.product
        event = SweepFinished(product=product, pages=pages, rows=rows, settled=settled, walk=walk)
        self._notify(event)


def _is_the_vendors(refusal: BadRequest) -> bool:
    """Whether it will be the same next time; without a code it may be a proxy's on the way."""
    return refusal.status == 400 and refusal.code is not None

"""Sweeps: list requests that cover all pending SIMs of a product at once.

A sweep lists the SIMs in a pending status, 1,000 a request. Those that are missing, or that it
shows in another status, have likely settled; pages can shift while they are read, and filters may
be ignored, so each is confirmed. A list scan reads the whole list, and so shows what the missing
ones have become; if few are missing, single reads are cheaper. If the whole list is hardly
longer than the pending part of it, a scan alone is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeAlias

from attrs import define, field

from asyncsim.calls import Call
from asyncsim.clock import Clock
from asyncsim.core.credentials import REJECTIONS, CredentialsBreaker
from asyncsim.core.polling import (
    ListRequest,
    ListSize,
    PollState,
    list_pause,
    next_list_request,
    project_size,
    scan_pays,
    should_scan,
    should_sweep,
)
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError, BadRequest, DecodeError
from asyncsim.events import Event, SettledBy, SweepFinished
from asyncsim.kind import Kind
from asyncsim.waiting.background import BackgroundTasks
from asyncsim.waiting.reads import SingleReads
from asyncsim.waiting.sweep_health import SpotChecks, SweepHealth
from asyncsim.waiting.waits import SweepSet, WaitIndex


class ListRow(Protocol):
    """The fields of a row that a sweep needs."""

    @property
    def sid(self) -> str:
        """SID of the SIM."""
        ...

    @property
    def status(self) -> str | None:
        """Its status; None if the vendor shows none."""
        ...


class ListPage(Protocol):
    """A page whose rows are decoded only if a wait needs the record.

    Decoding all 1,000 takes milliseconds (benchmarks/cases/pages.py), and most belong to no wait.
    """

    @property
    def rows(self) -> Sequence[ListRow]:
        """All rows, in the order in which they are listed."""
        ...

    def record(self, place: int, /) -> Any:
        """Decode the row at that index; `DecodeError` concerns this row only."""
        ...


ListRows: TypeAlias = Callable[[str | None], AsyncGenerator[ListPage, None]]
"""Lists the SIMs in a status page by page; all of them for None."""


@define(eq=False)
class ListScan:
    """A scan of the whole list: its progress, the waits found, the projected length."""

    started: float
    waits: int
    """Waits that the list must show: their changes were accepted before it was requested."""
    unseen: dict[Transition, None]
    """The waits that it is for, until they are found."""
    requested_at: float = field(init=False)
    """When the next page was requested."""
    pages: int = field(init=False, default=0)
    rows: int = field(init=False, default=0)
    pending: set[str] = field(init=False, factory=set)
    """SIDs of waits found in a pending status."""
    settled: int = field(init=False, default=0)
    _seen: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        """Begin."""
        self.requested_at = self.started

    def show(self, waits: Sequence[Transition]) -> None:
        """Process a row that belongs to these waits."""
        for wait in waits:
            self.unseen.pop(wait, None)
            self._seen += _accepted_before(wait, self.started)

    def turn_page(self, rows: int, now: float) -> None:
        """Record a page that was read, and that the next one is requested."""
        self.pages += 1
        self.rows += rows
        self.requested_at = now

    @property
    def projected(self) -> ListSize:
        """Project the length of the whole list from the part that was read."""
        took = self.requested_at - self.started
        return project_size(self.pages, took, self.waits, self._seen)

    @property
    def counted(self) -> ListSize:
        """The size of the list, once it was read completely."""
        took = self.requested_at - self.started
        return ListSize(pages=max(self.pages, 1), seconds=took, whole=True)

    @property
    def remaining(self) -> ListSize:
        """Project the length of the unread part."""
        whole, took = self.projected, self.requested_at - self.started
        return ListSize(pages=whole.pages - self.pages, seconds=whole.seconds - took)


class Sweeper:
    """Sends the sweeps and list scans of one watcher."""

    def __init__(
        self,
        kind: Kind[Any],
        rows: ListRows,
        *,
        vendor: str,
        call: Call,
        clock: Clock,
        watching: Watching,
        waits: WaitIndex,
        sweep_set: SweepSet,
        reads: SingleReads,
        tasks: BackgroundTasks,
        breaker: CredentialsBreaker,
        take: Callable[[Any, SettledBy, float], None],
        wake: Callable[[], None],
        notify: Callable[[Event], None],
    ) -> None:
        self._kind = kind
        self._rows = rows
        self._vendor = vendor
        self._call = call
        """The frame of each list request, one at a time."""
        self._clock = clock
        self._watching = watching
        self._waits = waits
        self._sweep_set = sweep_set
        self._reads = reads
        self._tasks = tasks
        self._breaker = breaker
        self._take = take
        """Called with a record, how it was found, and when its request began."""
        self._wake = wake
        self._notify = notify
        self.health = SweepHealth(kind.product, vendor, clock, watching, notify)
        self.active = False
        """Whether sweeps, rather than single reads, cover most waits."""
        self.due_at: float | None = None
        """When the next list is due; None while one is running, or none is planned."""
        self._ended_at: float | None = None
        self._took = 0.0
        """Seconds that the last list request took; a longer one is followed by a longer pause."""
        self._task: asyncio.Future[None] | None = None
        self._list_size = ListSize()
        self._found = 0
        """How many the last list request found settled."""
        self._spot_checks = SpotChecks(reads.request)

    def plan(self, now: float) -> None:
        """Choose between sweeps and single reads; start or plan the next sweep."""
        state = self._poll_state()
        self.active = should_sweep(self._watching, state)
        if not self.active:
            self.stop()
        elif self._task is None:
            began = now if self._ended_at is None else self._ended_at
            self._ended_at = began
            request = next_list_request(state, self._list_size, self._found)
            due = began + list_pause(self._watching, state, request.requests, self._took)
            # Sooner than planned for fewer waits.
            self.due_at = due if self.due_at is None else min(self.due_at, due)
            if self.due_at <= now:
                self.due_at = None
                self._task = self._tasks.spawn(self._run())

    def stop(self) -> None:
        """Switch to single reads; a running list request continues."""
        self.active = False
        self.due_at = self._ended_at = None
        self._took = 0.0

    def cancel(self) -> None:
        """Plan nothing, and cancel a running list request."""
        self.stop()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _poll_state(self) -> PollState:
        return PollState(
            pending=len(self._sweep_set),
            expecting=self._sweep_set.expecting,
            age=self._sweep_set.age(self._clock.now()),
            posts_pending=self._waits.posts_pending,
            lists=len(self._kind.pending),
            by_list=self.active,
            healthy=bool(self.health),
        )

    async def _run(self) -> None:
        started = self._clock.now()
        self.health.judge_last_sweep()
        try:
            if self.health:
                request = next_list_request(self._poll_state(), self._list_size, self._found)
                with self._call:
                    await self._request(request, started)
                self.health.succeeded()
        except AsyncSimError as error:
            self.health.failed(error)
            if isinstance(error, REJECTIONS):
                self._breaker.rejected(error, started)
        except Exception as error:
            # A bug: single reads must take over.
            self.health.stop(f"it failed: {error!r}")
            raise
        finally:
            # The driver may have ended meanwhile, and a new one may have started another.
            if self._task is asyncio.current_task():  # otherwise `cancel` has dropped this one
                self._task = None
                self._ended_at = self._clock.now()
                self._took = self._ended_at - started
                self._wake()

    async def _request(self, request: ListRequest, started: float) -> None:
        self._spot_checks.begin_list()
        if request.scan:
            await self._scan(self._must_show(started), whole=True)
            return
        try:
            pages, pending = await self._sweep()
        except BadRequest as error:
            # Without a code it may come from a proxy, and be temporary.
            if error.status != 400 or error.code is None:
                raise
            self.health.stop(f"the vendor rejected the status filter: {error}")
            return
        # Those whose change was accepted before the sweep began, so that it must show them.
        expected = self._must_show(started)
        missing = [w for w in expected if w.sid not in pending and w not in self._reads]
        if not missing and any(wait.sid in pending for wait in expected):
            self.health.confirmed()
        # A wait whose SID is not known yet is missing in every list: it is read, and says nothing
        # about the sweep.
        absent = [wait for wait in missing if wait.sid is not None]
        self._found = len(absent)
        self._finished(pages, len(pending), len(absent), scan=False)
        self.health.expect_settled(absent)
        self._spot_check(pending, expected)
        if should_scan(len(absent), self._poll_state(), self._list_size):
            await self._scan(missing, whole=False)
        else:
            self._read_all(missing)

    async def _sweep(self) -> tuple[int, set[str]]:
        """List the SIMs in a pending status; returns the number of pages, and the SIDs found."""
        pages, rows, seen = 0, 0, set[str]()
        known = self._kind.pending
        # A request per status, because the filter takes one: Programmable Wireless has two.
        for status in sorted(known):
            async with aclosing(self._rows(status)) as listed:
                async for page in listed:
                    pages += 1
                    rows += len(page.rows)
                    # By the row's own status: the filter may be ignored, or lag behind.
                    seen.update(row.sid for row in page.rows if row.status in known)
        self.health.check_filter(rows, len(seen))
        return pages, seen

    def _must_show(self, moment: float) -> list[Transition]:
        # A change accepted after the request may be missing without having settled.
        return [wait for wait in self._sweep_set if _accepted_before(wait, moment)]

    def _spot_check(self, pending: set[str], expected: Sequence[Transition]) -> None:
        if self._spot_checks.contradicts(pending):
            self.health.take_break("its responses show settled SIMs as pending")
        elif self._spot_checks.is_due():
            able = (wait for wait in expected if wait.in_sweep and wait not in self._reads)
            self._spot_checks.check_one_of([wait for wait in able if wait.sid in pending])

    def _read_all(self, waits: Iterable[Transition]) -> None:
        for wait in waits:
            if wait.in_sweep:
                self._reads.request(wait)

    async def _scan(self, wanted: Sequence[Transition], *, whole: bool) -> None:
        """Process the unfiltered list; read the `wanted` SIMs that it does not show.

        Unless `whole`, it ends early: when all have been found, or when
        the list turns out to be so long that reading the rest singly is cheaper.
        """
        # From now on, not since the sweep: more changes may have been accepted meanwhile.
        now = self._clock.now()
        scan = ListScan(now, len(self._must_show(now)), dict.fromkeys(wanted))
        async with aclosing(self._rows(None)) as listed:
            async for page in listed:
                self._show(page, scan)
                scan.turn_page(len(page.rows), self._clock.now())
                left = len(scan.unseen)
                if not whole and not (left and scan_pays(left, self._poll_state(), scan.remaining)):
                    size = scan.projected
                    break
            else:
                size = scan.counted
        # A counted length is more reliable than a projected one.
        if size.whole or not self._list_size.whole:
            self._list_size = size
        if whole:
            self._found = scan.settled
            self._spot_check(scan.pending, wanted)
        self._finished(scan.pages, scan.rows, scan.settled, scan=True)
        self._read_all(scan.unseen)  # pages shift, and some waits are known only by name

    def _show(self, page: ListPage, scan: ListScan) -> None:
        """Pass the rows of a page to the waits that they belong to."""
        known, pending = self._waits.names, self._kind.pending
        for place, row in enumerate(page.rows):
            # In a long list most rows belong to no wait: keep this check cheap.
            # A row without a status says nothing: its wait stays unseen, and is read singly.
            if row.sid not in known or row.status is None:
                continue
            waits = [
                wait
                for wait in self._waits.find(row.sid)
                if wait.in_sweep and _accepted_before(wait, scan.requested_at)
            ]
            if waits and row.status in pending:
                scan.show(waits)
                scan.pending.add(row.sid)
                for wait in waits:
                    self.health.saw_pending(wait)
            elif waits:
                try:
                    record = page.record(place)
                except DecodeError:
                    continue  # a single read will report the problem
                scan.show(waits)
                scan.settled += len(waits)
                self._take(record, "sweep", scan.requested_at)

    def _finished(self, pages: int, rows: int, settled: int, *, scan: bool) -> None:
        event = SweepFinished(
            vendor=self._vendor,
            product=self._kind.product,
            pages=pages,
            rows=rows,
            settled=settled,
            walk=scan,
        )
        self._notify(event)


def _accepted_before(wait: Transition, moment: float) -> bool:
    """Tell whether a list requested at that time must show its change."""
    return wait.accepted_at is not None and wait.accepted_at < moment

"""A vendor in simulated time: updates that settle later, single reads, and lists page by page."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

from attrs import define, field, frozen

from asyncsim.models.supersim.sims import Sim

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_PAGE = 1000

Slot = AbstractAsyncContextManager[object]


@frozen(kw_only=True)
class Costs:
    """Durations of requests and changes, in seconds."""

    single: float = 0.1
    page: float = 0.2
    row: float = 0.0004
    median: float = 20.0
    sigma: float = 0.8


@define
class Meter:
    """Requests to the vendor other than updates."""

    reads: int = 0
    pages: int = 0
    slot_seconds: float = 0.0

    @property
    def requests(self) -> int:
        """Reads and pages."""
        return self.reads + self.pages

    def read(self, seconds: float) -> None:
        """Count a single read."""
        self.reads += 1
        self.slot_seconds += seconds

    def page(self, seconds: float) -> None:
        """Count a page."""
        self.pages += 1
        self.slot_seconds += seconds


@frozen
class Row:
    """A row of a page, as of when the vendor started that page."""

    sid: str
    status: str
    _updated: float

    def record(self) -> Sim:
        """Decode it; dates have a resolution of one second, like the vendors'."""
        date = _EPOCH + timedelta(seconds=math.floor(self._updated))
        return Sim(sid=self.sid, status=self.status, date_updated=date)


@frozen
class Page:
    """A page as the watcher receives it."""

    rows: Sequence[Row]

    def record(self, index: int) -> Sim:
        """Decode one row."""
        return self.rows[index].record()


@define(eq=False)
class Vendor:
    """A fleet of `ours`, which are updated, and `others`, which only lengthen the list."""

    ours: int
    others: int
    slot: Callable[[bool], Slot]
    """Gives a slot for a request; takes whether it is urgent."""
    seed: int = 1
    costs: Costs = field(factory=Costs)
    meter: Meter = field(factory=Meter)
    settled: dict[str, float] = field(factory=dict)
    """When each SIM settles, set by its update."""
    _updated: dict[str, float] = field(factory=dict)
    _order: list[str] = field(init=False)
    _indexes: list[int] = field(init=False)
    """Positions of our SIMs in that order."""
    _draw: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Shuffle the list, so that its order differs from that of the updates."""
        self._draw = random.Random(self.seed)
        ours = self.sids()
        self._order = [*ours, *(f"HS9{number:031x}" for number in range(self.others))]
        self._draw.shuffle(self._order)
        mine = set(ours)
        self._indexes = [at for at, sid in enumerate(self._order) if sid in mine]

    def sids(self) -> list[str]:
        """The SIDs of our SIMs."""
        return [f"HS0{number:031x}" for number in range(self.ours)]

    def _row(self, sid: str) -> Row:
        ends = self.settled.get(sid)
        if ends is None:
            return Row(sid, "ready", -1.0)
        pending = _now() < ends
        return Row(sid, "scheduled", self._updated[sid]) if pending else Row(sid, "active", ends)

    async def update(self, sid: str) -> Sim:
        """Accept a change, which settles after a lognormal time."""
        async with self.slot(False):
            await asyncio.sleep(self.costs.single)
            takes = self._draw.lognormvariate(math.log(self.costs.median), self.costs.sigma)
            self._updated[sid] = _now()
            self.settled[sid] = _now() + takes
            return self._row(sid).record()

    async def fetch(self, sid: str) -> Sim:
        """Read one SIM."""
        async with self.slot(True):
            self.meter.read(self.costs.single)
            row = self._row(sid)
            await asyncio.sleep(self.costs.single)
            return row.record()

    async def rows(self, status: str | None) -> AsyncGenerator[Page, None]:
        """List SIMs in their order, page by page, all or those in one status."""
        start: int | None = 0
        while start is not None:
            async with self.slot(True):
                page, start = self._all(start) if status is None else self._pending(start)
                seconds = self.costs.page + self.costs.row * len(page)
                self.meter.page(seconds)
                await asyncio.sleep(seconds)
            yield Page(page)

    def _all(self, start: int) -> tuple[list[Row], int | None]:
        end = start + _PAGE
        page = [self._row(sid) for sid in self._order[start:end]]
        return page, end if end < len(self._order) else None

    def _pending(self, start: int) -> tuple[list[Row], int | None]:
        page: list[Row] = []
        now = _now()
        for at in range(start, len(self._indexes)):
            sid = self._order[self._indexes[at]]
            if self.settled.get(sid, -1.0) > now:
                if len(page) == _PAGE:
                    return page, at
                page.append(self._row(sid))
        return page, None


def _now() -> float:
    return asyncio.get_running_loop().time()

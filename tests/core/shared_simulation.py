"""A server with limited concurrency, and processes that share one limit, in simulated time."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Sequence
from functools import partial

from attrs import define, field

from asyncsim.core.concurrency import AdaptiveLimit
from asyncsim.core.settings import Throttle
from asyncsim.core.shared_limit import (
    LEASE,
    POLL,
    TICK,
    LeasedLimit,
    LimitGrant,
    LimitReport,
    SharedTotal,
)

Slots = Callable[[float], int]


@define(eq=False)
class Process:
    """One process: what it has to send, and how it reports."""

    name: str
    limit: LeasedLimit
    waiting: int
    sent: int = 0
    done_at: float = math.inf
    alive: bool = True
    reporting: bool = False
    last_report: float = -math.inf
    every: float = TICK
    due: float = 0.0
    opens_at: float = 0.0
    heard_at: float = -math.inf
    served: list[float] = field(factory=list)
    """When each of its requests was carried out."""


@define(eq=False)
class SharedWorld:
    """Runs the processes against the server."""

    slots: Slots
    requests: Sequence[int]
    seed: int = 1
    service: float = 0.05
    throttle: float = 0.005
    exchange: float = 0.004
    """Seconds of a report, there and back."""
    reachable: Callable[[float, str], bool] = lambda now, name: True
    settings: Throttle = field(factory=Throttle)
    tick: float = TICK
    now: float = 0.0
    busy: int = 0
    throttled: int = 0
    exchanges: int = 0
    wakes: int = 0
    highest: int = 0
    """The most permits held at once, relative to the total."""
    total: SharedTotal = field(init=False)
    processes: list[Process] = field(init=False)
    history: list[tuple[float, float, list[int]]] = field(factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(factory=list)
    _order: itertools.count[int] = field(factory=itertools.count)
    _draw: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start the processes."""
        self._draw = random.Random(self.seed)
        self.total = SharedTotal(float(self.settings.limit))
        self.processes = []
        for number, many in enumerate(self.requests):
            alone = AdaptiveLimit(self.settings, ceiling=math.inf)
            one = Process(f"p{number}", LeasedLimit(alone), many)
            one.limit.changed = partial(self._changed, one)
            self.processes.append(one)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call at that time."""
        heapq.heappush(self._events, (when, next(self._order), call))

    def run(self, until: float = math.inf) -> None:
        """Run until all is sent, or until that time."""
        for one in self.processes:
            self.at(self.now, partial(self._report, one))
            self.at(self.now, partial(self._send, one))
        while self._events and self._events[0][0] <= until:
            self.now, _, call = heapq.heappop(self._events)
            call()
            if all(not one.alive or one.done_at < math.inf for one in self.processes):
                return

    def kill(self, one: Process) -> None:
        """End a process; its requests in flight end at the server."""
        one.alive = False

    def _send(self, one: Process) -> None:
        while one.alive and one.waiting and self.now >= one.opens_at and one.limit.has_room:
            one.waiting -= 1
            one.limit.started()
            served = self.busy < self.slots(self.now)
            self.busy += served
            takes = (self.service if served else self.throttle) * self._draw.uniform(0.9, 1.1)
            self.at(self.now + takes, partial(self._ended, one, served, takes))
        if one.alive and one.waiting and self.now < one.opens_at:
            self.at(one.opens_at, partial(self._send, one))

    def _ended(self, one: Process, served: bool, takes: float) -> None:
        if served:
            self.busy -= 1
        if not one.alive:
            return
        if served:
            one.limit.accepted(self.now, takes)
            one.sent += 1
            one.served.append(self.now)
            if not one.waiting and not one.limit.in_flight:
                one.done_at = self.now
        else:
            self.throttled += 1
            one.waiting += 1
            one.opens_at = max(one.opens_at, self.now + one.limit.throttled(self.now))
        self._send(one)

    def _changed(self, one: Process) -> None:
        """When to report next, as the keeper decides it."""
        gap = self.tick / 4 if one.limit.fell else max(self.tick, one.every)
        self._plan(one, max(self.now, one.last_report + gap))

    def _plan(self, one: Process, when: float) -> None:
        if not one.reporting and when < one.due:
            one.due = when
            self.at(when, partial(self._report, one))

    def _report(self, one: Process) -> None:
        if not one.alive or one.reporting or self.now < one.due:
            return
        one.reporting, one.due, one.last_report = True, math.inf, self.now
        report = one.limit.report(one.waiting)
        half = self.exchange * self._draw.uniform(0.4, 0.6)
        if self.reachable(self.now, one.name):
            self.at(self.now + half, partial(self._arrive, one, report, half))
        else:
            self.at(self.now + half, partial(self._failed, one, report))

    def _arrive(self, one: Process, report: LimitReport, half: float) -> None:
        grant = self.total.exchange(one.name, report, self.now)
        self.exchanges += 1
        held = sum(member.permits for member in self.total.members.values())
        self.highest = max(self.highest, held - int(self.total.total))
        if grant.wake:
            self.wakes += 1
            for other in self.processes:
                if other is not one:
                    self.at(self.now + half, partial(self._woken, other))
        self.at(self.now + half, partial(self._granted, one, report, grant))

    def _woken(self, other: Process) -> None:
        self._plan(other, max(self.now, other.last_report + self.tick / 4))

    def _granted(self, one: Process, report: LimitReport, grant: LimitGrant) -> None:
        if not one.alive:
            return
        before = one.limit.share, report.demand
        one.reporting, one.every, one.heard_at = False, grant.every, self.now
        one.limit.granted(grant, self.now)
        for pause in (grant.pause, grant.vendor_pause):
            one.opens_at = max(one.opens_at, self.now + pause)
        self.history.append((self.now, self.total.total, [p.limit.share for p in self.processes]))
        lacking = report.demand >= one.limit.share or before[0] != one.limit.share
        self._plan(one, self.now + (max(self.tick, grant.every) if lacking else POLL))
        if one.limit.fell:
            self._changed(one)
        self._send(one)

    def _failed(self, one: Process, report: LimitReport) -> None:
        one.reporting = False
        one.limit.unreported(report)
        if self.now - one.heard_at >= LEASE:
            one.limit.expired()
        self._plan(one, self.now + 0.25)
        self._send(one)


def bound_of(requests: int, slots: Slots, service: float = 0.05) -> float:
    """Seconds for processes that always knew the limit."""
    step, now, done = 0.001, 0.0, 0.0
    while done < requests:
        done += slots(now) * step / service
        now += step
    return now

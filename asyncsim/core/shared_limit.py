"""Shared concurrency limit: one total per account, leased in shares to all processes that use it.

The total adapts as the limit of a single process does (`core.concurrency`). Each process reports
what it has learnt a few times a second, or at once after a 429, and is granted a share: the total
is divided by demand, max-min fair. Between two reports a process uses its share freely; a 429
lowers its own limit at once.

A process gets more permits only after others have returned them, so the shares add up to the total
at most, except for

- the standing share, half of an equal one: a process that needed less may use that much at once,
  so that its first requests after a quiet time need not wait. It counts from the next report on;
- the moment after a fall, until the other processes have reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from attrs import define, field, frozen

from asyncsim.core.concurrency import AdaptiveLimit

TICK = 0.1
"""Seconds between two reports of a process that needs more than its share, or whose need changes.
Simulated with four processes; at 0.5 it takes 1.26 times the bound and divides unevenly."""
POLL = 2.0
"""Seconds between two reports of any other process."""
LEASE = 5.0
"""Seconds after its last report in which a process may use its whole share."""
DEAD_AFTER = 5.5
"""Seconds after its last report until a process counts as dead, and its permits are free. More than
`LEASE`, because clocks do not run equally fast; less than 6, so that others use them by then."""
_TURN = 2.0
"""Seconds after which the permits that cannot be divided evenly go to other processes."""
_BUSY_TICKS = 100
"""Most reports a second of all processes of an account: beyond ten, each reports less often."""

_UNKNOWN = 8
"""Before its first grant a process may use `Throttle.limit`, divided by this."""

# As in `core.concurrency`, where the constants are explained. Growth accelerates a third as fast,
# because it is granted with a delay. Simulated, four processes and a limit of 100 that falls to 20
# and rises again: 1.13 times the bound and 1.7 % throttled; with 36, 1.10 times and 2.1 %.
_BACKOFF = 0.95
_CREEP, _ACCELERATION = 0.5, 12.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0


def divide(total: int, demands: Mapping[str, int], turn: int = 0) -> dict[str, int]:
    """Divide max-min fair: no process gets more than it demands, or than one that lacks permits.

    The remainder is handed out one each. `turn` says who is first, so that no process starves even
    if there are more processes than permits.
    """
    shares: dict[str, int] = {}
    left, lacking = total, sorted(demands, key=lambda name: (demands[name], name))
    while lacking and demands[lacking[0]] <= left // len(lacking):
        name = lacking.pop(0)
        shares[name] = demands[name]
        left -= demands[name]
    if lacking:
        level, over = divmod(left, len(lacking))
        lacking.sort()
        first = turn * max(over, 1) % len(lacking)
        order = lacking[first:] + lacking[:first]
        shares |= {name: level + (place < over) for place, name in enumerate(order)}
    return shares


@frozen(kw_only=True)
class LimitReport:
    """What a process has learnt since its last report."""

    demand: int
    """The requests that it would have in flight without a limit; 0: it is idle."""
    minimum: int = 1
    """The total never falls below this: `Throttle.minimum`."""
    start: float = 64.0
    """The total if no process of the account has reported yet: `Throttle.limit`."""
    accepted: bool = False
    """Whether a request was carried out."""
    earned: float = 0.0
    """The growth of the total that its responses have earned."""
    fell_to: int | None = None
    """After a 429: the fewest accepted requests that it had in flight; None: no 429."""
    falls: int = 0
    """The falls that it knew of at the 429."""
    retry_after: float = 0.0
    """Seconds for which the vendor still asks all to pause."""


@frozen(kw_only=True)
class LimitGrant:
    """What a process may do until its next report."""

    share: int
    """Requests that it may have in flight."""
    standing: int
    """The share that it keeps when it can no longer report."""
    total: float
    falls: int
    since_429: float | None
    """Seconds since the last 429 of any process; None: there was none yet."""
    pause: float
    """Seconds for which all pause because even the minimum was throttled."""
    vendor_pause: float
    """Seconds for which all pause because a Retry-After asked for it."""
    every: float
    """Seconds until the next report of a process that needs more."""
    wake: bool
    """Whether the others should report now."""


@define
class Member:
    """A process as of its last report."""

    demand: int = 0
    permits: int = 0
    """The part of the total that it holds."""
    seen_at: float = -math.inf
    """By the clock that all reports share, as all times here."""


@define
class SharedTotal:
    """One account's limit, and the processes that use it."""

    total: float
    falls: int = 0
    """How often a 429 has lowered it: reports of an older fall do not lower it twice."""
    throttled_at: float | None = None
    pauses: int = 0
    """Consecutive pauses because of 429s at the minimum."""
    paused_until: float = -math.inf
    vendor_paused_until: float = -math.inf
    woken_at: float = -math.inf
    members: dict[str, Member] = field(factory=dict)

    def exchange(self, name: str, report: LimitReport, now: float) -> LimitGrant:
        """Process a report, and grant a share."""
        self.members = {
            one: member
            for one, member in self.members.items()
            if one == name or now - member.seen_at < DEAD_AFTER
        }
        known = self.members.get(name)
        if known is None or now - known.seen_at >= DEAD_AFTER:  # others may have its permits
            known = Member()
        me = self.members[name] = known
        news = self._learn(me, report, now)
        # One that had all it needed has perhaps used its standing share, beyond what it held.
        at_rest = me.demand <= me.permits and report.fell_to is None
        me.demand, me.seen_at = report.demand, now
        standing = max(1, int(self.total / (2 * len(self.members))))
        demands = {one: member.demand for one, member in self.members.items()}
        fair = divide(int(self.total), demands, int(now / _TURN))[name]
        held = sum(member.permits for member in self.members.values())
        free = max(0, int(self.total) - held)
        me.permits = min(fair, max(me.permits + free, standing if at_rest else 0))
        wake = (news or me.permits < fair) and now - self.woken_at >= TICK
        if wake:
            self.woken_at = now
        return LimitGrant(
            share=me.permits if me.demand > me.permits else max(me.permits, standing),
            standing=standing,
            total=self.total,
            falls=self.falls,
            since_429=None if self.throttled_at is None else now - self.throttled_at,
            pause=max(0.0, self.paused_until - now),
            vendor_pause=max(0.0, self.vendor_paused_until - now),
            every=max(TICK, len(self.members) / _BUSY_TICKS),
            wake=wake,
        )

    def _learn(self, me: Member, report: LimitReport, now: float) -> bool:
        """Adjust the total; returns whether the others should report at once."""
        paused = now + report.retry_after > self.vendor_paused_until + TICK
        if report.retry_after and paused:
            self.vendor_paused_until = now + report.retry_after
        if report.accepted:
            self.pauses = 0
        if report.fell_to is not None:
            self._fall(me, report, report.fell_to, now)
            return True
        # Only a limit that was fully used has shown that it can grow.
        if sum(member.demand for member in self.members.values()) >= int(self.total):
            self.total += report.earned
        return bool(report.retry_after) and paused

    def _fall(self, me: Member, report: LimitReport, fell_to: int, now: float) -> None:
        if self.total <= report.minimum and now >= self.paused_until:
            pause = _FIRST_PAUSE * 2.0 ** min(self.pauses, 60)
            self.paused_until = now + min(_LONGEST_PAUSE, pause)
            self.pauses += 1
        others = sum(member.permits for member in self.members.values()) - me.permits
        me.permits = min(me.permits, fell_to)
        # One overshoot throttles several processes. The first report lowers the total to just below
        # what was accepted; the others, sent before they knew, only return what was not.
        new = report.falls == self.falls
        accepted = (fell_to + others) * (_BACKOFF if new else 1.0)
        self.falls += new
        self.throttled_at = now
        self.total = max(float(report.minimum), min(self.total, accepted))


class LeasedLimit(AdaptiveLimit):
    """A process's limit: its latest share. 429s lower it at once, only grants raise it.

    While it cannot report, it adapts within its last share; after `LEASE`, within the standing one.
    """

    __slots__ = (
        "_earned",
        "_falls",
        "_fell_knowing",
        "_fell_to",
        "_most",
        "_peak",
        "_peak_before",
        "_served",
        "_total",
        "changed",
        "hungry",
        "leased",
        "share",
        "standing",
    )

    def __init__(self, limit: AdaptiveLimit, changed: Callable[[], None] = lambda: None) -> None:
        """Take over from a limit, with its requests in flight."""
        self.minimum, self.slow = limit.minimum, limit.slow
        self.in_flight, self.throttled_at = limit.in_flight, limit.throttled_at
        self._pauses, self._paused_until = 0, -math.inf
        self._most = limit.ceiling
        """The ceiling without the share."""
        self.changed = changed
        """Called when it should report soon."""
        self.hungry = False
        """Whether it lacked room since its last report."""
        self.leased = False
        """Whether reports arrive: if not, it adapts alone."""
        self._total, self._falls = limit.value, 0
        # The number of processes is not known yet.
        self.share = self.standing = max(int(self.minimum), int(limit.value / _UNKNOWN))
        self.value = self.ceiling = min(self._most, float(self.share))
        self._earned, self._served = 0.0, False
        self._fell_to: int | None = None
        self._fell_knowing = 0
        self._peak, self._peak_before = self.in_flight, 0

    def cap(self, ceiling: float) -> None:
        """Lower the ceiling."""
        self._most = max(1.0, min(self._most, ceiling))
        super().cap(ceiling)

    @property
    def has_room(self) -> bool:
        """Whether one more request may start; if not, it asks for more."""
        if self.in_flight < int(self.value):
            return True
        if not self.hungry:
            self.hungry = True
            self.changed()
        return False

    @property
    def fell(self) -> bool:
        """Whether there was a 429 since the last report."""
        return self._fell_to is not None

    def started(self) -> None:
        """One more request is in flight."""
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)

    def accepted(self, now: float, seconds: float) -> None:
        """One request was carried out, in that many seconds."""
        self._served = True
        if not self.leased:
            super().accepted(now, seconds)
            return
        busy = self.in_flight + 1 >= int(self.value)
        self.in_flight -= 1
        self._pauses = 0
        # At most doubled by one report, however late the next one is.
        if not busy or seconds > self.slow or self._earned >= self.share:
            return
        step = 1.0
        if self.throttled_at is not None:
            since = now - self.throttled_at
            step = min(1.0, (_CREEP + _ACCELERATION * since * since) / self._total)
        self._earned += step

    def throttled(self, now: float) -> float:
        """One got a 429; pauses at the minimum are granted, because all processes keep them."""
        if not self.leased:
            return super().throttled(now)
        self.overloaded(now)
        return 0.0

    def overloaded(self, now: float) -> None:
        """Lower it at once after a 429, and report it."""
        super().overloaded(now)
        if self.leased:  # perhaps to 0: the next grant is due
            self.value = min(self.value, _BACKOFF * self.in_flight)
        if self._fell_to is None:
            self._fell_to, self._fell_knowing = self.in_flight, self._falls
            self.changed()
        self._fell_to = min(self._fell_to, self.in_flight)

    def report(self, queued: int, retry_after: float = 0.0) -> LimitReport:
        """Report what was learnt since the last report; `queued` requests wait for a slot."""
        # A quarter more than it has used, so that a growing need seldom waits for a report.
        used = math.ceil(1.25 * max(self._peak, self._peak_before))
        report = LimitReport(
            demand=int(min(self._most, max(used, self.in_flight + queued))),
            minimum=int(self.minimum),
            start=self._total,
            accepted=self._served,
            earned=self._earned,
            fell_to=self._fell_to,
            falls=self._fell_knowing,
            retry_after=retry_after,
        )
        self._peak_before, self._peak = self._peak, self.in_flight
        self._earned, self._served, self._fell_to, self.hungry = 0.0, False, None, False
        return report

    def granted(self, grant: LimitGrant, now: float) -> None:
        """Use this share from now on."""
        self.leased = True
        self.share, self.standing = grant.share, grant.standing
        self._total, self._falls = grant.total, grant.falls
        self.throttled_at = None if grant.since_429 is None else now - grant.since_429
        self.ceiling = min(self._most, float(grant.share))
        # A 429 that came after the report has lowered it since.
        self.value = min(self.ceiling, self.value) if self.fell else self.ceiling

    def unreported(self, report: LimitReport) -> None:
        """Adapt alone: this report did not arrive, so the next one includes it."""
        self.leased = False
        self._served |= report.accepted
        if report.fell_to is not None:
            known = report.fell_to if self._fell_to is None else min(report.fell_to, self._fell_to)
            self._fell_to, self._fell_knowing = known, report.falls

    def alone(self) -> None:
        """Adapt alone from now on, from where it is."""
        self.leased, self.ceiling, self.changed = False, self._most, lambda: None

    def expired(self) -> None:
        """Others may have the permits by now: keep the standing share only, and adapt alone."""
        self.leased = False
        self.share = max(int(self.minimum), min(self.share, self.standing))
        self.ceiling = min(self._most, float(self.share))
        self.value = max(self.minimum, min(self.value, self.ceiling))

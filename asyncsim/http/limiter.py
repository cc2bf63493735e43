"""The queue before the wire: who may send next.

One per `Throttle`, so clients that share the object share the limit. Urgent requests (sweeps, and
reads that unblock waits) go first, but never so many in a row that the others starve; a request
refused with 429 goes back to the front of its line.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeAlias
from weakref import WeakKeyDictionary

from asyncsim.clock import Clock, Timer
from asyncsim.core.concurrency import AdaptiveLimit
from asyncsim.core.settings import Throttle
from asyncsim.errors import ConfigurationError

try:
    import resource
except ImportError:  # pragma: no cover  # Windows has no such limit
    resource = None  # type: ignore[assignment]  # absent is a value here


_URGENT_IN_A_ROW = 4  # hundreds of reads may wait at once, and others have deadlines too

_Waiter: TypeAlias = asyncio.Future[None]
_Queue: TypeAlias = deque[_Waiter]


class SlotTimeout(Exception):  # a fact, not an error: the caller words it
    """No slot came free before the deadline."""


class PauseTooLong(SlotTimeout):
    """The vendor has asked everyone for a pause that ends after who queued would have left."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        """From now on, till the pause ends."""


def open_file_limit() -> float:
    """How many files this process may open."""
    if resource is None:  # pragma: no cover
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft


def _expire(slot: asyncio.Future[None]) -> None:
    if not slot.done():
        slot.set_exception(SlotTimeout())


def reject(waiters: Iterable[_Waiter]) -> None:
    """End the waiting of some with `SlotTimeout`."""
    for waiter in waiters:
        _expire(waiter)


class ConcurrencyLimiter:
    """Slots for requests in flight; fair, bounded in time, cancellable."""

    def __init__(self, settings: Throttle, clock: Clock, *, ceiling: float, slow: float) -> None:
        self.limit = AdaptiveLimit(settings, ceiling=min(ceiling, open_file_limit() / 4), slow=slow)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._queues: tuple[_Queue, _Queue] = (deque(), deque())
        self._urgent_in_a_row = 0
        self._paused_until = -math.inf
        self._told_until = -math.inf
        """As the vendor asked for; the other pauses are ours, and short."""
        self._latest: dict[_Waiter, float] = {}
        """Place -> when a pause must have ended for it to be worth while to queue."""
        self._spacing = 1.0 / settings.max_rps if settings.max_rps else 0.0
        self._next_start = -math.inf
        self._wake: tuple[float, Timer] | None = None

    def try_acquire(self) -> bool:
        """Take a slot if nobody waits and one is free."""
        urgent, others = self._queues
        if urgent or others or not self._may_start():
            return False
        self._start()
        return True

    async def acquire(
        self,
        deadline: float,
        *,
        urgent: bool = False,
        front: bool = False,
        group: set[_Waiter] | None = None,
        latest: float = math.inf,
    ) -> None:
        """Wait for a slot; `SlotTimeout` at the deadline (of the clock), or by `reject`.

        `PauseTooLong` at once when the vendor asks for a pause beyond the deadline, or `latest`.
        While it waits it is in `group`, which `reject` can end together.
        """
        now, latest = self._clock.now(), min(deadline, latest)
        if now >= deadline:
            raise SlotTimeout
        if self._told_until > max(latest, now):
            raise PauseTooLong(self._told_until - now)
        slot: _Waiter = self._loop.create_future()
        self._latest[slot] = latest
        group = set() if group is None else group
        group.add(slot)
        line = self._queues[0 if urgent else 1]
        (line.appendleft if front else line.append)(slot)
        self._admit()
        timer = self._clock.call_at(deadline, partial(_expire, slot))
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled() and not slot.exception():
                self.release()  # the slot had been given away in the same moment
            raise
        finally:
            timer.cancel()
            group.discard(slot)
            del self._latest[slot]
            self._tidy()

    def release(self, seconds: float | None = None, now: float | None = None) -> None:
        """Give a slot back; `seconds` if the request was carried out, by `now`."""
        if seconds is None:
            self.limit.abandoned()
        else:
            self.limit.accepted(self._clock.now() if now is None else now, seconds)
        if self._queues[0] or self._queues[1]:
            self._admit()

    def throttled(self, retry_after: float | None) -> None:
        """Give a slot back after a 429; all pause only on Retry-After or at the minimum."""
        now = self._clock.now()
        pause = max(self.limit.throttled(now), retry_after or 0.0)
        self._paused_until = max(self._paused_until, now + pause)
        if retry_after and now + retry_after > self._told_until:
            self._told_until = now + retry_after
            self._send_home(now)
        self._admit()

    def _send_home(self, now: float) -> None:
        """Do not keep those waiting whose time ends before the pause does."""
        for slot, latest in self._latest.items():
            if latest < self._told_until and not slot.done():
                slot.set_exception(PauseTooLong(self._told_until - now))

    def timed_out(self) -> None:
        """Give a slot back after an answer that did not come in time."""
        self.limit.overloaded(self._clock.now())
        self._admit()

    def _opens_at(self) -> float:
        return max(self._paused_until, self._next_start)

    def _may_start(self) -> bool:
        if not self.limit.has_room:
            return False
        held_up = self._spacing or self._paused_until > -math.inf
        return not held_up or self._clock.now() >= self._opens_at()

    def _start(self) -> None:
        self.limit.started()
        if self._spacing:
            now = self._clock.now()
            # What a timer was late is made up for; what nobody used is not.
            late = now - self._next_start < self._spacing
            self._next_start = (self._next_start if late else now) + self._spacing

    def _admit(self) -> None:
        while (line := self._next_line()) and self._may_start():
            self._urgent_in_a_row = self._urgent_in_a_row + 1 if line is self._queues[0] else 0
            self._start()
            line.popleft().set_result(None)
        if line and self.limit.has_room:
            self._wake_at(self._opens_at())

    def _next_line(self) -> _Queue:
        """Return the line whose turn it is; an empty one if nobody waits."""
        self._drop_those_gone()
        urgent, others = self._queues
        if not urgent or (others and self._urgent_in_a_row >= _URGENT_IN_A_ROW):
            return others
        return urgent

    def _drop_those_gone(self) -> None:
        for line in self._queues:
            while line and line[0].done():  # cancelled, or expired
                line.popleft()

    def _wake_at(self, moment: float) -> None:
        if self._wake is None or self._wake[0] != moment:
            self._sleep_on()
            self._wake = (moment, self._clock.call_at(moment, self._on_wake))

    def _on_wake(self) -> None:
        self._wake = None
        self._admit()

    def _sleep_on(self) -> None:
        if self._wake is not None:
            self._wake[1].cancel()
            self._wake = None

    def _tidy(self) -> None:
        """Leave neither a waiter nor a timer behind for those who have gone."""
        self._drop_those_gone()
        if not (self._queues[0] or self._queues[1]):
            self._sleep_on()

    def belongs_here(self) -> bool:
        """Whether the running loop is the one this limiter was made in."""
        return self._loop is asyncio.get_running_loop()

    @property
    def is_stranded(self) -> bool:
        """Whether the loop this limiter was made in is gone."""
        return self._loop.is_closed()


_limiters: WeakKeyDictionary[Throttle, ConcurrencyLimiter] = WeakKeyDictionary()


def limiter_of(
    settings: Throttle, make: Callable[[], ConcurrencyLimiter], *, ceiling: float = math.inf
) -> ConcurrencyLimiter:
    """Find the limiter of a Throttle, which all clients given that object share."""
    limiter = _limiters.get(settings)
    if limiter is None or limiter.is_stranded:
        limiter = _limiters[settings] = make()
    if not limiter.belongs_here():
        raise ConfigurationError(
            "this Throttle is in use in another event loop; give each loop a Throttle of its own"
        )
    limiter.limit.cap(ceiling)
    return limiter

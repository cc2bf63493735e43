"""The queue before the wire: who may send next.

One per `Throttle`, so clients that share the object share the limit. Urgent requests (sweeps, and
reads that unblock waits) go first; a request refused with 429 goes back to the front of its line.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

from attrs import define

from asyncsim.clock import Clock, Timer
from asyncsim.core.limit import Limit
from asyncsim.core.settings import Throttle
from asyncsim.errors import ConfigurationError

try:
    import resource
except ImportError:  # pragma: no cover  # Windows has no such limit
    resource = None  # type: ignore[assignment]  # absent is a value here


class GateClosed(Exception):  # a fact, not an error: the caller words it
    """No slot came free before the deadline."""


@define(eq=False)
class _Waiter:
    slot: asyncio.Future[None]
    deadline: float


def _open_files() -> float:
    if resource is None:  # pragma: no cover
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft


class Gate:
    """Slots for requests in flight; fair, bounded in time, cancellable."""

    def __init__(self, settings: Throttle, clock: Clock, *, ceiling: float, slow: float) -> None:
        self.limit = Limit(settings, ceiling=min(ceiling, max(1.0, _open_files() / 4)), slow=slow)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lines: tuple[deque[_Waiter], deque[_Waiter]] = (deque(), deque())
        self._paused_until = -math.inf
        self._spacing = 1.0 / settings.max_rps if settings.max_rps else 0.0
        self._next_start = -math.inf
        self._wake: tuple[float, Timer] | None = None

    def try_enter(self) -> bool:
        """Take a slot if nobody waits and one is free."""
        if self._lines[0] or self._lines[1] or not self._may_start():
            return False
        self._start()
        return True

    async def enter(self, deadline: float, *, urgent: bool = False, front: bool = False) -> None:
        """Wait for a slot; `GateClosed` at the deadline (of the clock)."""
        if not front and self.try_enter():
            return
        waiter = _Waiter(self._loop.create_future(), deadline)
        line = self._lines[0 if urgent else 1]
        (line.appendleft if front else line.append)(waiter)
        self._admit()
        self._wake_by(deadline)
        try:
            await waiter.slot
        except asyncio.CancelledError:
            if waiter.slot.done() and not waiter.slot.cancelled() and not waiter.slot.exception():
                self.left()  # the slot had been given away in the same moment
            raise

    def left(self, seconds: float | None = None) -> None:
        """Give a slot back; `seconds` if the request was carried out."""
        if seconds is None:
            self.limit.abandoned()
        else:
            self.limit.accepted(self._clock.now(), seconds)
        self._admit()

    def refused(self, retry_after: float | None) -> None:
        """Give a slot back after a 429; all pause only on Retry-After or at the minimum."""
        now = self._clock.now()
        pause = self.limit.refused(now)
        self._paused_until = max(
            self._paused_until, now + (pause if retry_after is None else retry_after)
        )
        self._admit()

    def timed_out(self) -> None:
        """Give a slot back after an answer that did not come in time."""
        self.limit.overloaded(self._clock.now())
        self._admit()

    def _opens_at(self) -> float:
        return max(self._paused_until, self._next_start)

    def _may_start(self) -> bool:
        return self.limit.has_room and self._clock.now() >= self._opens_at()

    def _start(self) -> None:
        self.limit.started()
        if self._spacing:
            self._next_start = (
                max(self._next_start, self._clock.now() - self._spacing) + self._spacing
            )

    def _waiting(self) -> Iterator[_Waiter]:
        for line in self._lines:
            yield from line

    def _admit(self) -> None:
        for line in self._lines:
            while line:
                if line[0].slot.done():  # cancelled, or expired
                    line.popleft()
                elif self._may_start():
                    self._start()
                    line.popleft().slot.set_result(None)
                else:
                    break
        if self.limit.has_room and (self._lines[0] or self._lines[1]):
            self._wake_by(self._opens_at())

    def _wake_by(self, moment: float) -> None:
        if self._wake is not None:
            if self._wake[0] <= moment:
                return
            self._wake[1].cancel()
        self._wake = (moment, self._clock.call_at(moment, self._on_wake))

    def _on_wake(self) -> None:
        self._wake = None
        now = self._clock.now()
        for waiter in self._waiting():
            if waiter.deadline <= now and not waiter.slot.done():
                waiter.slot.set_exception(GateClosed())
        self._admit()
        alive = [waiter.deadline for waiter in self._waiting() if not waiter.slot.done()]
        if alive:
            self._wake_by(min(alive))

    def close(self) -> None:
        """Forget the timer; what waits is the business of those who wait."""
        if self._wake is not None:
            self._wake[1].cancel()
            self._wake = None

    def belongs_here(self) -> bool:
        """Whether the running loop is the one this gate was made in."""
        return self._loop is asyncio.get_running_loop()

    @property
    def is_stranded(self) -> bool:
        """Whether the loop this gate was made in is gone."""
        return self._loop.is_closed()


_gates: WeakKeyDictionary[Throttle, Gate] = WeakKeyDictionary()


def gate_of(settings: Throttle, make: Callable[[], Gate]) -> Gate:
    """Find the gate of a Throttle, which all clients given that object share."""
    gate = _gates.get(settings)
    if gate is None or gate.is_stranded:
        gate = _gates[settings] = make()
    if not gate.belongs_here():
        raise ConfigurationError(
            "this Throttle is in use in another event loop; give each loop a Throttle of its own"
        )
    return gate

"""Lease: how long the owner of a chunk may send changes without hearing from the database.

An owner without a heartbeat for `claims.DEAD_AFTER` seconds counts as dead: another worker reads
the chunk's SIMs and sends what is still needed. An owner that is frozen, or cut off from the
database, does not learn of that. So it stops by its own clocks: once the lease has ended, nothing
is sent, and requests in flight are cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Self, TypeVar

from attrs import frozen

from asyncsim.bulk.errors import LeaseLost
from asyncsim.clock import Clock, Timer

T = TypeVar("T")

MARGIN = 0.5
"""Seconds by which a lease ends earlier: for a request that has just passed the check, and for
clocks that do not run equally fast."""


@frozen
class Moment:
    """A moment by both clocks of this machine.

    While a machine is suspended, its monotonic clock stops (CLOCK_MONOTONIC of Linux), but not its
    date. Setting the date forward only ends a lease too early.
    """

    monotonic: float
    date: datetime

    @classmethod
    def now(cls, clock: Clock) -> Self:
        """Read both."""
        return cls(clock.now(), clock.utcnow())

    def seconds_since(self, earlier: Moment) -> float:
        """Seconds between both, by the clock that shows more."""
        by_date = (self.date - earlier.date).total_seconds()
        return max(self.monotonic - earlier.monotonic, by_date)


class Lease:
    """Lasts for some seconds from the start of the latest confirmed heartbeat.

    Once it has ended, no heartbeat can renew it: the chunk has to be claimed again.
    """

    def __init__(
        self,
        clock: Clock,
        began: Moment | None = None,
        *,
        seconds: float,
        margin: float = MARGIN,
    ) -> None:
        self._clock = clock
        self._seconds = seconds - margin
        self._began = began or Moment.now(clock)
        """When the claim, or the latest confirmed heartbeat, was sent."""
        self._is_over = False
        self._timer: Timer | None = None
        self._running: dict[asyncio.Task[object], int] = {}
        """Task of an exchange in flight -> cancellation requests that it had before."""
        self._cut: set[asyncio.Task[object]] = set()
        self._on_end: list[Callable[[], object]] = []

    def renewed(self, began: Moment) -> None:
        """Extend it: a heartbeat that was sent at `began` has been confirmed."""
        # From its start, not from its response: the database counts from a time in between.
        if not self.ended and began.monotonic > self._began.monotonic:
            self._began = began

    def remaining(self) -> float:
        """Seconds until it ends; 0 once it has."""
        if self._is_over:
            return 0.0
        return max(self._seconds - Moment.now(self._clock).seconds_since(self._began), 0.0)

    @property
    def ended(self) -> bool:
        """Whether it has ended: from then on nothing may be sent."""
        return self.remaining() <= 0.0

    def check(self, operation: str = "lease") -> None:
        """Raise `LeaseLost` once it has ended."""
        if self.ended:
            raise self.error(operation, sent=False)

    def error(self, operation: str, *, sent: bool) -> LeaseLost:
        """Build the error of a request that it no longer permits."""
        return LeaseLost(operation, sent=sent)

    def on_end(self, callback: Callable[[], object]) -> None:
        """Call `callback` when it ends; a timer checks for that until `close`."""
        self._on_end.append(callback)
        self._watch()

    def end(self) -> None:
        """End it now, because another worker owns the chunk; cancels all exchanges in flight."""
        if self._is_over:
            return
        self._is_over = True
        self.close()
        for task in self._running:
            self._cut.add(task)
            task.cancel()
        for callback in self._on_end:
            callback()

    def close(self) -> None:
        """Stop its timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        # One timer for all exchanges, set again only when it fires: a heartbeat moves the end of
        # thousands of them every two seconds.
        if self._timer is None and not self._is_over:
            self._timer = self._clock.call_at(self._began.monotonic + self._seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.ended:
            self.end()
        else:
            self._watch()

    async def limit(self, operation: str, exchange: Awaitable[T]) -> T:
        """Await an exchange only while it lasts; then cancel it, and raise `LeaseLost`."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # only tasks can await
        self._running[task] = task.cancelling()
        self._watch()
        try:
            return await exchange
        except asyncio.CancelledError:
            # Cancelled by this lease alone, as `asyncio.timeout` decides it.
            if task in self._cut and task.uncancel() <= self._running[task]:
                raise self.error(operation, sent=True) from None
            raise
        finally:
            del self._running[task]
            self._cut.discard(task)

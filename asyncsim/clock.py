"""Clocks: time behind one small interface, so that tests can move it by hand.

Everything that waits for minutes or hours (deadlines of waits, polling, latencies of the
emulator) uses a `Clock`. Socket timeouts do not: those belong to the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """What `Clock.call_at` returns."""

    def cancel(self) -> None:
        """Cancel the call; does nothing if it has already run."""


class Clock(Protocol):
    """A monotonic time in seconds, and ways to wait for it."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def utcnow(self) -> datetime:
        """The date and time, aware, in UTC."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call once `now()` reaches `when`; from the event loop, never from inside this call."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once that many seconds have passed."""
        ...

    def working(self) -> AbstractContextManager[None]:
        """Mark work in flight (a request, a delivery); a manual clock waits for its end."""
        ...

    def resting(self) -> AbstractContextManager[None]:
        """Inside `working`: this work now only waits for time to pass."""
        ...


class SystemClock:
    """The running event loop's own time."""

    def now(self) -> float:
        """Seconds on the running loop's clock."""
        return asyncio.get_running_loop().time()

    def utcnow(self) -> datetime:
        """The system's date and time in UTC."""
        return datetime.now(UTC)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Schedule on the running loop."""
        return asyncio.get_running_loop().call_at(when, callback)

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`."""
        await asyncio.sleep(seconds)

    def working(self) -> AbstractContextManager[None]:
        """Nothing to mark: real time does not wait."""
        return _NOTHING

    def resting(self) -> AbstractContextManager[None]:
        """Nothing to mark."""
        return _NOTHING


_NOTHING: AbstractContextManager[None] = nullcontext()


class _ManualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """A clock that stands still until a test calls `advance`.

    Client and emulator of one test share one of these. Between two timers `advance`
    waits until no request and no delivery is in flight, so each step starts from a quiet state.
    """

    # A future's wake-up passes through a handful of loop turns before the work it causes
    # is marked; this many idle turns in a row mean that nothing more is coming.
    _IDLE_TURNS = 25

    def __init__(self, start: float = 0.0, *, epoch: datetime | None = None) -> None:
        self._now = start
        self._epoch = epoch or datetime(2026, 1, 1, tzinfo=UTC)
        self._timers: list[tuple[float, int, _ManualTimer]] = []
        self._order = itertools.count()
        self._busy = 0

    def now(self) -> float:
        """Seconds as last moved."""
        return self._now

    def utcnow(self) -> datetime:
        """The epoch plus the seconds moved."""
        return self._epoch + timedelta(seconds=self._now)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call when `advance` reaches `when`; at the next `advance` or `settle` if that is past."""
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` has moved that far; zero and less only yields."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        timer = self.call_at(self._now + seconds, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    @contextmanager
    def _shift(self, step: int) -> Iterator[None]:
        self._busy += step
        try:
            yield
        finally:
            self._busy -= step

    def working(self) -> AbstractContextManager[None]:
        """Mark work in flight."""
        return self._shift(1)

    def resting(self) -> AbstractContextManager[None]:
        """Inside `working`: waiting for time, so time may move."""
        return self._shift(-1)

    @property
    def next_timer(self) -> float | None:
        """When `advance` would fire the next timer; None if there is none."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def settle(self) -> None:
        """Return once nothing is in flight and the loop has nothing left to do now."""
        idle = 0
        while idle < self._IDLE_TURNS:
            # In flight means a real socket, so give the selector a moment instead of spinning.
            await asyncio.sleep(0.0005 if self._busy > 0 else 0)
            idle = 0 if self._busy > 0 or self._fire_due(self._now) else idle + 1

    async def advance(self, seconds: float) -> None:
        """Move time; each timer fires at its own time, its work ends before the next."""
        target = self._now + seconds
        await self.settle()
        while self._timers and self._timers[0][0] <= target:
            self._now = max(self._now, self._timers[0][0])
            self._fire_due(self._now)
            await self.settle()
        self._now = max(self._now, target)  # another task may have moved it further meanwhile

    def _fire_due(self, now: float) -> bool:
        fired = False
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()
                fired = True
        return fired


SYSTEM_CLOCK = SystemClock()

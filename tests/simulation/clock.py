"""The clock of one simulated process: the loop's virtual time, seen from another epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta

from asyncsim.clock import Timer

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class SkewedClock:
    """Runs as fast as the world, but shows another time.

    `start` is what `now()` said when the world began, as each process counts from a moment of its
    own; `skew` is how far its calendar is wrong. Both in seconds.
    """

    def __init__(self, start: float = 0.0, skew: float = 0.0) -> None:
        self._start = start
        self._skew = skew

    def now(self) -> float:
        """Seconds since this process' own epoch."""
        return asyncio.get_running_loop().time() + self._start

    def utcnow(self) -> datetime:
        """The date and time on its host."""
        seconds = asyncio.get_running_loop().time() + self._skew
        return EPOCH + timedelta(seconds=seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Schedule on the simulated loop."""
        return asyncio.get_running_loop().call_at(when - self._start, callback)

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`, in virtual time."""
        await asyncio.sleep(seconds)

    def working(self) -> AbstractContextManager[None]:
        """Nothing to mark: nobody moves this clock by hand."""
        return nullcontext()

    def resting(self) -> AbstractContextManager[None]:
        """Nothing to mark."""
        return nullcontext()

"""A clock that runs faster, so that minutes of waiting are measured in seconds, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from asyncsim.clock import SYSTEM_CLOCK, Timer


class FastClock:
    """The loop's own time, so many times as fast; an `asyncsim.clock.Clock`."""

    def __init__(self, times: float) -> None:
        self._times = times

    def now(self) -> float:
        """Seconds that have passed, of the fast ones."""
        return SYSTEM_CLOCK.now() * self._times

    def utcnow(self) -> datetime:
        """The date, which nobody here measures by."""
        return SYSTEM_CLOCK.utcnow()

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call once `now()` reaches `when`."""
        return SYSTEM_CLOCK.call_at(when / self._times, callback)

    async def sleep(self, seconds: float) -> None:
        """Return once so many fast seconds have passed."""
        await asyncio.sleep(seconds / self._times)

    def working(self) -> AbstractContextManager[None]:
        """Mark nothing: this time does not wait for anybody."""
        return SYSTEM_CLOCK.working()

    def resting(self) -> AbstractContextManager[None]:
        """Mark nothing."""
        return SYSTEM_CLOCK.resting()

"""A clock that runs faster than real time, to measure minutes of waiting in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncsim.clock import SystemClock, Timer


class FastClock(SystemClock):
    """The loop's time, sped up by a factor."""

    def __init__(self, times: float) -> None:
        self._times = times

    def now(self) -> float:
        """Fast seconds that have passed."""
        return super().now() * self._times

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call once `now()` reaches `when`."""
        return super().call_at(when / self._times, callback)

    async def sleep(self, seconds: float) -> None:
        """Return once that many fast seconds have passed."""
        await asyncio.sleep(seconds / self._times)

"""One deadline for many requests: of equal length, so they end in the order in which they began.

Then a dict and one timer do. A timer for each request, as aiohttp's `total` has it, is a heap whose
comparisons run in Python: 5 % of a GET (benchmarks/cases/requests.py).
"""

from __future__ import annotations

import asyncio
from typing import Any


class Deadlines:
    """Cancels the task of a request that has not ended in time, as aiohttp's own timer does."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[asyncio.Task[Any], float] = {}
        """Task -> when its request must have ended; the oldest first."""
        self._expired: dict[asyncio.Task[Any], int] = {}
        """Task cancelled by us -> how many others had asked for that before."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """Start the time of a request that the running task is about to send."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101  # only tasks can await
        self._running[task] = when = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(when, self._on_time)
        return task

    def end(self, task: asyncio.Task[Any]) -> bool:
        """Stop it; tells whether time had run out, and nobody else wanted the task cancelled."""
        if self._running.pop(task, None) is not None:
            return False
        return task.uncancel() <= self._expired.pop(task)

    def _on_time(self) -> None:
        self._timer, loop = None, asyncio.get_running_loop()
        now = loop.time()
        while self._running:
            task, when = next(iter(self._running.items()))
            if when > now:
                self._timer = loop.call_at(when, self._on_time)
                return
            del self._running[task]
            self._expired[task] = task.cancelling()
            task.cancel()

    def close(self) -> None:
        """Let no timer outlive the requests."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

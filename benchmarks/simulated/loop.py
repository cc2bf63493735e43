"""An event loop whose time jumps to the next timer, so that only work takes time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Never waits: what would have been waited for is added to `now`."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Let the time pass, and report no socket: there are none."""
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self.now += max(timeout, 0.0)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop for `asyncio.Runner`; its time begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds of simulated time."""
        return self._jumping.now + 0.0  # an object of its own, as of any clock: some weigh them


def simulate(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, in simulated time."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)

"""An event loop whose time jumps to the next timer, so that only work takes time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Never waits: adds the timeout to `now` instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Advance the time and report no socket events."""
        if timeout is None:
            raise RuntimeError("deadlock: no timer is set and no task can run")
        self.now += max(timeout, 0.0)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop for `asyncio.Runner`; its time begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds of simulated time."""
        return (
            self._jumping.now + 0.0
        )  # a new float object, as from any clock, since some benchmarks measure memory


def simulate(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in simulated time."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)

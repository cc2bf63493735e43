"""Background tasks with an owner: none outlives it, and every failure is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any


class BackgroundTasks:
    """The running ones."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[None]] = set()

    def __bool__(self) -> bool:
        return bool(self._running)

    def spawn(
        self, work: Coroutine[Any, Any, None], context: Context | None = None
    ) -> asyncio.Task[None]:
        """Start one, in a copy of this context; by default of the current one."""
        task = asyncio.create_task(work, context=context and context.copy())
        self._running.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.result()  # a bug is raised here, and reaches the loop's exception handler

    async def cancel(self) -> None:
        """Cancel them all, and return once they have ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

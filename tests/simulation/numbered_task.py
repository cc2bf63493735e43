"""Tasks whose order in a set is the same in each run."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_numbers = itertools.count()


class NumberedTask(asyncio.Task[T]):
    """A task with its number as hash: those of asyncio have their address in memory.

    A task group cancels its tasks in the order of a set, so addresses would decide what runs first.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **keywords: Any
    ) -> None:
        self._number = next(_numbers)  # first: asyncio puts the task into a set at once
        super().__init__(work, loop=loop, **keywords)

    def __hash__(self) -> int:
        return self._number

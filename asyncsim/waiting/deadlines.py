"""When to give up on whom: very many moments, most of which nobody ever sees come."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from asyncsim.core.transition import Transition
from asyncsim.waiting.timers import Timetable

_WIDTH = 1.0  # seconds that share a shelf
_SLACK = 1000  # ended waits that may lie on shelves before they are cleared


class Deadlines:
    """Waits on shelves by the second; only what is about to come is put in order.

    So a deadline that is far away takes one place in a list, and whoever ends before it is not
    looked for there: it is left out when its shelf comes, or when too many have gone.
    """

    def __init__(self) -> None:
        self._near = Timetable()
        self._shelves: dict[int, list[Transition]] = {}
        self._order: list[int] = []
        """The shelves, as a heap."""
        self._size = 0
        self._gone = 0

    def add(self, wait: Transition, now: float) -> None:
        """Keep a wait until its deadline; without one it is due at once."""
        deadline = now if wait.deadline is None else wait.deadline
        shelf = int(deadline // _WIDTH)
        if shelf * _WIDTH <= now:
            self._near.set(wait, deadline)
            return
        if shelf not in self._shelves:
            self._shelves[shelf] = []
            heapq.heappush(self._order, shelf)
        self._shelves[shelf].append(wait)
        self._size += 1

    def extend(self, wait: Transition, moment: float) -> None:
        """Give a wait whose deadline has come a little more time."""
        self._near.set(wait, moment)

    def forget(self, wait: Transition) -> None:
        """Drop a wait that has ended."""
        if not self._near.forget(wait) and wait.deadline is not None:
            self._gone += 1
            if self._gone * 2 > self._size + _SLACK or self._gone >= self._size:
                self._clear()

    def _clear(self) -> None:
        for shelf, waits in self._shelves.items():
            self._shelves[shelf] = [wait for wait in waits if not wait.done]
        self._size = sum(map(len, self._shelves.values()))
        self._gone = 0

    def due(self, now: float) -> Iterator[Transition]:
        """Take out all waits whose deadline has come, earliest first."""
        while self._order and self._order[0] * _WIDTH <= now:
            for wait in self._take(heapq.heappop(self._order)):
                if not wait.done and wait.deadline is not None:
                    self._near.set(wait, wait.deadline)
        return self._near.due(now)

    def _take(self, shelf: int) -> list[Transition]:
        waits = self._shelves.pop(shelf)
        self._size -= len(waits)
        self._gone -= sum(wait.done for wait in waits)
        return waits

    @property
    def next(self) -> float | None:
        """When to look again: at the earliest deadline, or when the next shelf comes."""
        while self._order and not self._shelves[self._order[0]]:
            del self._shelves[heapq.heappop(self._order)]
        moments = [self._order[0] * _WIDTH] if self._order else []
        if self._near.next is not None:
            moments.append(self._near.next)
        return min(moments, default=None)

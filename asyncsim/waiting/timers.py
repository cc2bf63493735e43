"""When whose turn is: one moment per wait, found in order."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from asyncsim.core.transition import Transition

_SLACK = 1000  # moments that may be outdated before the heap is built anew


class Timetable:
    """At most one moment per wait; setting another replaces it, so that turns never multiply."""

    def __init__(self) -> None:
        self._moments: dict[Transition, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Transition]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._moments)

    def set(self, wait: Transition, moment: float) -> None:
        """Give a wait its turn at a moment, instead of when it had it before."""
        order = next(self._order)
        self._moments[wait] = (moment, order)
        heapq.heappush(self._heap, (moment, order, wait))
        if len(self._heap) > 2 * len(self._moments) + _SLACK:
            self._heap = [one for one in self._heap if self._is_valid(one)]
            heapq.heapify(self._heap)

    def forget(self, wait: Transition) -> bool:
        """Take a wait's turn away; False when it had none."""
        had = self._moments.pop(wait, None) is not None
        if not self._moments:
            self._heap.clear()  # outdated moments would keep their waits alive
        return had

    def due(self, now: float) -> Iterator[Transition]:
        """Take out all waits whose moment has come, earliest first."""
        while (moment := self.next) is not None and moment <= now:
            wait = heapq.heappop(self._heap)[2]
            del self._moments[wait]
            yield wait

    @property
    def next(self) -> float | None:
        """The earliest moment."""
        while self._heap and not self._is_valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _is_valid(self, entry: tuple[float, int, Transition]) -> bool:
        moment, order, wait = entry
        return self._moments.get(wait) == (moment, order)

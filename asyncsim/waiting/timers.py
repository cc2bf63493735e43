"""Timers: when a wait is read next, and when it times out."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from asyncsim.core.transition import Transition

_SLACK = 1000  # stale entries below which rebuilding is not worth it


class Timers:
    """A timing wheel: a heap of near timers, and distant deadlines by the second.

    The waits themselves determine which entries are valid: one is stale once its wait has ended, or
    is due at another time. Removing it at once would cost a search, so it is skipped
    when it is reached. A distant deadline takes 8 bytes in a list; a heap entry
    takes 120, and nearly all waits end before they need one.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Transition]] = []
        self._order = itertools.count()  # breaks ties: waits cannot be compared
        self._distant: dict[int, list[Transition]] = {}
        self._seconds: list[int] = []
        """The seconds in `_distant`, as a heap."""
        self._near_until = 0
        """The first second whose deadlines are not in the heap."""
        self._size = 0
        self._outdated = 0
        """Approximate number of stale entries."""

    def __len__(self) -> int:
        return self._size

    def set_read(self, wait: Transition, moment: float) -> None:
        """Schedule the next read of a wait, replacing an earlier schedule."""
        self._outdated += wait.read_at is not None
        wait.schedule_read(moment)
        self._push(moment, wait)
        self._tidy()

    def cancel_read(self, wait: Transition) -> None:
        """Cancel the next read of a wait; its deadline stays."""
        if wait.read_at is not None:
            wait.schedule_read(None)
            self._outdated += 1
            self._tidy()

    def set_deadline(self, wait: Transition) -> None:
        """Schedule the deadline of a wait."""
        if wait.deadline is None:
            return
        second = int(wait.deadline)
        if second < self._near_until:
            self._push(wait.deadline, wait)
            return
        if second not in self._distant:
            self._distant[second] = []
            heapq.heappush(self._seconds, second)
        self._distant[second].append(wait)
        self._size += 1

    def discard(self, wait: Transition) -> None:
        """Drop the timers of a wait that has ended."""
        self._outdated += (wait.read_at is not None) + (wait.deadline is not None)
        wait.schedule_read(None)
        self._tidy()

    def due(self, now: float) -> Iterator[Transition]:
        """Yield and remove all due waits, earliest first."""
        while self._seconds and self._seconds[0] <= now:
            for wait in self._distant.pop(heapq.heappop(self._seconds)):
                self._size -= 1
                if not wait.done and wait.deadline is not None:
                    self._push(wait.deadline, wait)
        self._near_until = max(self._near_until, int(now) + 1)
        # One by one, because processing a wait may reschedule or end others.
        while (moment := self._first()) is not None and moment <= now:
            wait = self._pop()
            if moment == wait.read_at:
                wait.schedule_read(None)
            yield wait

    @property
    def next(self) -> float | None:
        """When the next timer is due, or the next second's deadlines."""
        first = self._first()
        second = float(self._seconds[0]) if self._seconds else None
        return second if first is None else first if second is None else min(first, second)

    def _first(self) -> float | None:
        while self._heap and not _is_valid(self._heap[0]):
            self._pop()
            self._outdated -= 1
        return self._heap[0][0] if self._heap else None

    def _push(self, moment: float, wait: Transition) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), wait))
        self._size += 1

    def _pop(self) -> Transition:
        self._size -= 1
        return heapq.heappop(self._heap)[2]

    def _tidy(self) -> None:
        """Rebuild when most entries are stale, so that ended waits can be freed."""
        # Amortized constant time: at least half as many entries were added since the last rebuild.
        if self._outdated < self._size and self._outdated * 2 <= self._size + _SLACK:
            return
        self._heap = [entry for entry in self._heap if _is_valid(entry)]
        heapq.heapify(self._heap)
        pending = {
            second: left
            for second, waits in self._distant.items()
            if (left := [wait for wait in waits if not wait.done])
        }
        self._distant, self._seconds = pending, sorted(pending)
        self._size = len(self._heap) + sum(map(len, pending.values()))
        self._outdated = 0


def _is_valid(entry: tuple[float, int, Transition]) -> bool:
    moment, _, wait = entry
    return not wait.done and (moment == wait.read_at or moment == wait.deadline)

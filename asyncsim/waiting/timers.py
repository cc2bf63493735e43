"""Timers: when a wait is read next, and when it times out."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from asyncsim.core.transition import Transition

_SLACK = 1000  # outdated entries that are not worth building the heap anew


class Timers:
    """A heap of moments, two for each wait at most; the waits themselves say which are valid.

    An entry is outdated once its wait has ended, or is to be read at another moment. To take it
    out of the heap at once would cost a search, so it is skipped when it comes up.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Transition]] = []
        self._order = itertools.count()  # breaks ties, as waits cannot be compared
        self._outdated = 0
        """Entries that are not valid any more; about, as it need not be exact."""

    def __len__(self) -> int:
        return len(self._heap)

    def set_read(self, wait: Transition, moment: float) -> None:
        """Have a wait read at a moment, instead of when it was to be read before."""
        self._outdated += wait.read_at is not None
        wait.schedule_read(moment)
        self._push(moment, wait)
        self._tidy()

    def cancel_read(self, wait: Transition) -> None:
        """Have a wait not read; its deadline stays."""
        if wait.read_at is not None:
            wait.schedule_read(None)
            self._outdated += 1
            self._tidy()

    def set_deadline(self, wait: Transition) -> None:
        """Have a wait time out at its deadline."""
        if wait.deadline is not None:
            self._push(wait.deadline, wait)

    def discard(self, wait: Transition) -> None:
        """Drop the timers of a wait that has ended."""
        self._outdated += (wait.read_at is not None) + (wait.deadline is not None)
        wait.schedule_read(None)
        self._tidy()

    def due(self, now: float) -> Iterator[Transition]:
        """Take out all waits whose moment has come, earliest first."""
        # One by one, as what is done about a wait may set or end others.
        while (moment := self.next) is not None and moment <= now:
            wait = heapq.heappop(self._heap)[2]
            if moment == wait.read_at:
                wait.schedule_read(None)
            yield wait

    @property
    def next(self) -> float | None:
        """The earliest moment; None without any."""
        while self._heap and not _is_valid(self._heap[0]):
            heapq.heappop(self._heap)
            self._outdated -= 1
        return self._heap[0][0] if self._heap else None

    def _push(self, moment: float, wait: Transition) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), wait))

    def _tidy(self) -> None:
        """Build the heap anew when most of it is outdated, so that ended waits can be freed."""
        # In constant time on average: at least half as many entries were added since the last time.
        size = len(self._heap)
        if size and (self._outdated >= size or self._outdated * 2 > size + _SLACK):
            self._heap = [entry for entry in self._heap if _is_valid(entry)]
            heapq.heapify(self._heap)
            self._outdated = 0


def _is_valid(entry: tuple[float, int, Transition]) -> bool:
    moment, _, wait = entry
    return not wait.done and (moment == wait.read_at or moment == wait.deadline)

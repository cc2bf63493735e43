"""Waits of a fan-out whose jobs have been dropped: all that is kept of a pending SIM."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from asyncsim.clock import Clock
from asyncsim.core.transition import Transition, interned
from asyncsim.resources.outcome import Outcome

if TYPE_CHECKING:  # imported on first use
    from asyncsim.waiting import Watcher

# Start times of detached waits are rounded to this part of a second: many share one object
# then, and of a hundred thousand pending SIMs each byte counts (benchmarks/cases/waiters.py).
_GRAIN = 16

RequestedOf = Callable[[Transition], Mapping[str, Any]]
"""Returns the change requested for a wait, from its `owner_data`; called when the wait ends."""


class DetachedWaits:
    """The waits of one fan-out whose jobs have been dropped.

    They are stored only in the watcher's index; their common `on_done` marks them as this
    fan-out's.
    """

    def __init__(
        self, settle: Callable[[Outcome[Any]], None], requested_of: RequestedOf, clock: Clock
    ) -> None:
        self._settle = settle
        self._requested_of = requested_of
        self._clock = clock
        self.watcher: Watcher | None = None
        self._on_done = self._ended  # bound once: each access to a method creates another object
        self._count = 0

    def add(self, wait: Transition, owner_data: Any, started: float) -> None:
        """Add a wait."""
        began: float = interned(math.floor(started * _GRAIN) / _GRAIN)
        wait.hand_over(owner_data, self._on_done, began)
        self._count += 1

    def _ended(self, wait: Transition) -> None:
        self._count -= 1
        outcome = Outcome[Any](
            sid=wait.name,
            requested=self._requested_of(wait),
            sim=wait.last,
            error=wait.error,
            settled_by=wait.settled_by,
            confirmed=wait.confirmed,
            requests=wait.requests,
            seconds=self._clock.now() - wait.started,
        )
        self._settle(outcome)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, name: object) -> bool:
        if self.watcher is None or not isinstance(name, str):
            return False
        waits = self.watcher.find(name)
        return any(wait.on_done is self._on_done and wait.name == name for wait in waits)

    def __iter__(self) -> Iterator[Transition]:
        # Not the waits of all the others, if none is ours: a worker's chunks end one after another.
        waits = self.watcher if self._count else None
        return (wait for wait in waits or () if wait.on_done is self._on_done)

    def requested(self) -> dict[str, Mapping[str, Any]]:
        """The requested changes, by name."""
        return {wait.name: self._requested_of(wait) for wait in self}

    def abandon(self) -> dict[str, Mapping[str, Any]]:
        """Drop them all; returns the requested changes, by name."""
        left = {}
        for wait in self:
            left[wait.name] = self._requested_of(wait)
            if self.watcher is not None:
                self.watcher.abandon(wait)
        self._count = 0
        return left

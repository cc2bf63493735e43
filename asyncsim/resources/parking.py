"""Waits that are nothing but waits: what sent their changes is done and gone.

Of a hundred thousand pending SIMs each byte counts (benchmarks/cases/waiters.py). So for each of
them there is its wait, found in the watcher's register and there alone, and a mark on it that
tells whose it is: the sink that all of them share.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from asyncsim.clock import Clock
from asyncsim.core.transition import Transition, shared
from asyncsim.resources.outcome import Outcome

if TYPE_CHECKING:  # not every program waits
    from asyncsim.waiting import Watcher

_GRAIN = 16  # beginnings are kept to such a part of a second: many share one number then

Recall = Callable[[Transition], Mapping[str, Any]]
"""Tells what was asked for by a wait whose `tag` is its owner's; called when it ends."""
Ready = Callable[[], Awaitable["Watcher"]]
"""Returns the watcher, which is made on first use."""


class Parking:
    """Those of one fan-out."""

    def __init__(
        self, settle: Callable[[Outcome[Any]], None], recall: Recall, clock: Clock
    ) -> None:
        self._settle = settle
        self._recall = recall
        self._clock = clock
        self._watcher: Watcher | None = None
        self._sink = self._ended  # made once; each look at a method makes another
        self._count = 0

    def open(self, watcher: Watcher) -> None:
        """Take the watcher whose waits these are."""
        self._watcher = watcher

    def park(self, wait: Transition, tag: Any, started: float) -> None:
        """Take over a wait; what sent its change is not needed any more."""
        wait.owner_data, wait.on_done = tag, self._sink
        wait.started = shared(math.floor(started * _GRAIN) / _GRAIN)
        self._count += 1

    def _ended(self, wait: Transition) -> None:
        self._count -= 1
        outcome = Outcome[Any](
            sid=wait.name,
            requested=self._recall(wait),
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
        if self._watcher is None or not isinstance(name, str):
            return False
        return any(self._is_ours(wait) and wait.name == name for wait in self._watcher.find(name))

    def __iter__(self) -> Iterator[Transition]:
        return filter(self._is_ours, self._watcher or ())

    def _is_ours(self, wait: Transition) -> bool:
        return wait.on_done is self._sink

    def asked(self) -> dict[str, Mapping[str, Any]]:
        """What was asked for, by name."""
        return {wait.name: self._recall(wait) for wait in self}

    def abandon(self) -> None:
        """Forget them all."""
        for wait in self:
            if self._watcher is not None:
                self._watcher.abandon(wait)
        self._count = 0

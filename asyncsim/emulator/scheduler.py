"""Errands: things to do later, that survive a restart.

Settling a change, activating a SIM after three months, delivering a callback: all are errands. An
errand is dropped by whoever has carried it out, so one that was interrupted is carried out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict, frozen

from asyncsim.clock import Clock, Timer
from asyncsim.emulator.persistence import State

ROOM = "errands"

# Dates of the clock count microseconds, timers do not.
_ROUNDING = 0.001


@frozen
class Errand:
    """What is to be done, for whom, when."""

    what: str
    key: str
    due: float
    """Seconds since 1970, so that it means the same after a restart."""
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Unique: a key has at most one errand of a sort."""
        return f"{self.what} {self.key}"


class Agenda:
    """All errands that are not done yet; one timer each, never a task."""

    def __init__(self, clock: Clock, state: State) -> None:
        self._clock = clock
        self._state = state
        self._handlers: dict[str, Callable[[Errand], None]] = {}
        self._errands: dict[str, Errand] = {}
        self._timers: dict[str, Timer] = {}

    def handle(self, what: str, handler: Callable[[Errand], None]) -> None:
        """Name who carries out errands of a sort."""
        self._handlers[what] = handler

    def put(self, what: str, key: str, seconds: float, body: Mapping[str, Any]) -> Errand:
        """Note something to do in so many seconds; replaces what was noted under the same name."""
        errand = Errand(what, key, self._now() + seconds, body)
        self._schedule(errand, seconds)
        if self._state.keeps:
            self._state.put(ROOM, errand.name, asdict(errand))
        return errand

    def get(self, what: str, key: str) -> Errand | None:
        """What is noted under this name."""
        return self._errands.get(f"{what} {key}")

    def is_due(self, errand: Errand) -> bool:
        """Tell whether its moment has passed."""
        return errand.due <= self._now() + _ROUNDING

    def drop(self, what: str, key: str) -> None:
        """Forget an errand: done, or no longer wanted."""
        name = f"{what} {key}"
        if self._errands.pop(name, None) is None:
            return
        if timer := self._timers.pop(name, None):
            timer.cancel()
        self._state.drop(ROOM, name)

    def load(self) -> None:
        """Take up what an earlier run left; `resume` begins to carry it out."""
        for _, plain in self._state.all(ROOM):
            errand = Errand(**plain)
            self._errands[errand.name] = errand

    def resume(self) -> None:
        """Carry out what was loaded, each when it is due, and at once what is overdue."""
        for errand in list(self._errands.values()):
            self._schedule(errand, errand.due - self._now())

    def commit(self) -> None:
        """Make what was done lasting; needed only outside a handler."""
        self._state.commit()

    def close(self) -> None:
        """Stop all timers; what is noted stays in the state."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _now(self) -> float:
        return self._clock.utcnow().timestamp()

    def _schedule(self, errand: Errand, seconds: float) -> None:
        if timer := self._timers.pop(errand.name, None):
            timer.cancel()
        self._errands[errand.name] = errand
        when = self._clock.now() + max(seconds, 0.0)
        self._timers[errand.name] = self._clock.call_at(when, lambda: self._fire(errand))

    def _fire(self, errand: Errand) -> None:
        self._timers.pop(errand.name, None)
        self._handlers[errand.what](errand)
        self._state.commit()

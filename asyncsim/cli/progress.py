"""How far a job is, counted from its events; what progress is drawn from."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import singledispatchmethod

from attrs import frozen

from asyncsim import events
from asyncsim.bulk.records import IN_DOUBT, State

Clock = Callable[[], float]

_SPAN = 15.0  # seconds over which the rate is taken: it follows changes, and does not jitter
_STEP = 0.5
_NOT_BEGUN = frozenset({State.READ, State.READY})


@frozen(kw_only=True)
class Phase:
    """One phase of a run: reading, planning, sending, verifying."""

    name: str
    began: float
    done: int = 0
    total: int | None = None


class Rate:
    """Rows per second, over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, done: int) -> None:
        """Take note of how many were done."""
        if not self._seen or now - self._seen[-1][0] >= _STEP:
            self._seen.append((now, done))
        while now - self._seen[0][0] > _SPAN and len(self._seen) > 1:
            self._seen.popleft()

    def at(self, now: float, done: int) -> float:
        """Rows per second; 0 while nothing can be said."""
        if not self._seen:
            return 0.0
        since, then = self._seen[0]
        return (done - then) / (now - since) if now - since >= _STEP else 0.0


class Standing:
    """An observer that knows where the job is now; it keeps only the rows that may yet move."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self.now = now
        self.phase: Phase | None = None
        self.refused = 0
        """Requests refused with 429."""
        self._states: dict[str, int] = dict.fromkeys(State, 0)
        self._open: dict[int, str] = {}
        self._rate = Rate()
        self._told: list[Callable[[str], object]] = []

    def tell(self, listener: Callable[[str], object]) -> None:
        """Call the listener with a line at the end of each phase."""
        self._told.append(listener)

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self._rate.at(self.now(), self.phase.done) if self.phase else 0.0

    @property
    def left(self) -> float | None:
        """Seconds that the phase still takes; None while nobody can say."""
        phase, rate = self.phase, self.rate
        if phase is None or phase.total is None or rate <= 0 or phase.done >= phase.total:
            return None
        return (phase.total - phase.done) / rate

    def counts(self) -> Iterator[tuple[str, int]]:
        """Rows that this run has moved, by state; none that are zero."""
        # A copy: a terminal is drawn by another thread.
        yield from ((state, number) for state, number in list(self._states.items()) if number)

    def __call__(self, event: events.Event, /) -> None:
        """Take note of one event."""
        self._take(event)

    @singledispatchmethod
    def _take(self, event: object) -> None:
        pass  # the others say nothing of how far the job is

    @_take.register
    def _(self, event: events.RequestFinished) -> None:
        self.refused += event.status == 429

    @_take.register
    def _(self, event: events.JobProgressed) -> None:
        now = self.now()
        if self.phase is None or self.phase.name != event.phase:
            self._close()
            self._rate = Rate()
            self.phase = Phase(name=event.phase, began=now)
        began = self.phase.began
        self.phase = Phase(name=event.phase, began=began, done=event.done, total=event.total)
        self._rate.note(now, event.done)

    @_take.register
    def _(self, event: events.JobPlanned) -> None:
        verdicts = ", ".join(f"{name} {count:,}" for name, count in event.verdicts.items())
        self._close(f": {verdicts}" if verdicts else "")

    @_take.register
    def _(self, event: events.RowMoved) -> None:
        before = self._open.pop(event.row, None)
        if before is not None:
            self._states[before] -= 1
        if event.state in IN_DOUBT:
            self._open[event.row] = event.state
        if event.state not in _NOT_BEGUN:
            self._states[event.state] += 1

    @_take.register
    def _(self, event: events.JobEnded) -> None:
        self._close()

    def _close(self, more: str = "") -> None:
        if self.phase is None:
            return
        phase, self.phase = self.phase, None
        seconds = self.now() - phase.began
        for listener in self._told:
            listener(f"{phase.name}: {phase.done:,} SIMs in {seconds:.1f} s{more}")

"""The progress of a running job, from its events: figures for any display."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import singledispatchmethod

from asyncsim import events
from asyncsim.bulk.records import IN_DOUBT, SUCCEEDED, State
from asyncsim.displays.figures import Count, Figures, Load, Phase, Tone, load_counts

_NOT_SENT = frozenset({State.READ, State.READY})
_TONES: dict[str, Tone] = {
    State.DONE: "good",
    State.FAILED: "bad",
    State.UNKNOWN: "bad",
    State.TIMED_OUT: "bad",
}


class JobProgress:
    """An observer that counts the rows of a job by state; it stores only unfinished rows."""

    def __init__(self, load: Load, journal: str, now: Callable[[], float] = time.monotonic) -> None:
        self.phase: Phase | None = None
        self._load = load
        self._throttled_before = load.throttled
        self._journal = journal
        self._now = now
        self._began = now()
        self._states: dict[str, int] = dict.fromkeys(State, 0)
        self._open: dict[int, str] = {}
        self._end: events.JobEnded | None = None
        self._listeners: list[Callable[[str], object]] = []

    def on_line(self, listener: Callable[[str], object]) -> None:
        """Call the listener with a line at the end of each phase."""
        self._listeners.append(listener)

    def figures(self) -> Figures:
        """The phase, the rows by state, the concurrency limit, and throttled requests."""
        phase = self.phase
        # A copy, because rich draws in another thread.
        counts = [
            Count(state, number, _TONES.get(state, "plain"))
            for state, number in list(self._states.items())
            if number
        ]
        if phase is None or phase.name != "reading":  # no requests while a file is read
            counts += load_counts(self._load, self._throttled_before)
        return Figures.of(phase, tuple(counts))

    def ending(self, error: BaseException | None) -> str:
        """How the run ended, and how the job goes on."""
        resume = f"run it again with the journal {self._journal} to continue"
        seconds = f"after {self._now() - self._began:.1f} s"
        if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
            return f"interrupted {seconds}: {resume}"
        if error is not None or self._end is None:
            return f"ended {seconds} by {type(error).__name__}"
        done = sum(self._end.states.get(state, 0) for state in SUCCEEDED)
        there = f"{done:,} of {sum(self._end.states.values()):,} SIMs are at their target"
        if self._end.reason is None:
            return f"ended {seconds}: {there}"
        return f"stopped early {seconds} ({self._end.reason}): {there}; {resume}"

    def __call__(self, event: events.Event, /) -> None:
        """Process one event."""
        self._take(event)

    @singledispatchmethod
    def _take(self, event: object) -> None:
        pass  # other events say nothing about progress

    @_take.register
    def _(self, event: events.JobProgressed) -> None:
        if self.phase is None or self.phase.name != event.phase:
            self._end_phase()
            self.phase = Phase(event.phase, self._now)
        self.phase.advance(event.done, event.total)

    @_take.register
    def _(self, event: events.JobPlanned) -> None:
        parts = [f"{name} {count:,}" for name, count in event.verdicts.items()]
        parts += [f"become billable {event.billable:,}"] if event.billable else []
        self._end_phase(f": {', '.join(parts)}" if parts else "")

    @_take.register
    def _(self, event: events.RowMoved) -> None:
        before = self._open.pop(event.row, None)
        if before is not None:
            self._states[before] -= 1
        if event.state in IN_DOUBT:
            self._open[event.row] = event.state
        if event.state not in _NOT_SENT:
            self._states[event.state] += 1

    @_take.register
    def _(self, event: events.JobEnded) -> None:
        self._end_phase()
        self._end = event
        self._states.update(event.states)  # of the whole job, earlier runs included

    def _end_phase(self, more: str = "") -> None:
        if self.phase is None:
            return
        phase, self.phase = self.phase, None
        for listener in self._listeners:
            listener(f"{phase.name}: {phase.done:,} SIMs in {phase.seconds:.1f} s{more}")

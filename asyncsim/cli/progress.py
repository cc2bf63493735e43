"""The progress of a job on stderr: live on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import singledispatchmethod
from typing import Protocol

from attrs import frozen
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from asyncsim import events
from asyncsim.bulk.records import IN_DOUBT, State
from asyncsim.cli import output

Clock = Callable[[], float]

_SPAN = 15.0  # seconds over which the rate is averaged: it follows changes, and does not jitter
_STEP = 0.5
_NOT_SENT = frozenset({State.READ, State.READY})

_LINE_EVERY = 5.0  # seconds between plain lines
_REFRESHES = 8  # per second, of live lines
_LONGEST_BAR = 60  # columns; a bar as wide as the terminal is hard to read
_SHORTEST_BAR = 8
# No bright or pale colours: each must be readable on black and on white.
_STYLES: dict[str, str] = {
    State.DONE: "green",
    State.FAILED: "red",
    State.UNKNOWN: "red",
    State.TIMED_OUT: "red",
}


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
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """Add a sample: how many rows were done by now."""
        if not self._samples or now - self._samples[-1][0] >= _STEP:
            self._samples.append((now, done))
        while now - self._samples[0][0] > _SPAN and len(self._samples) > 1:
            self._samples.popleft()

    def at(self, now: float, done: int) -> float:
        """Return rows per second; 0 while it is unknown."""
        if not self._samples:
            return 0.0
        since, then = self._samples[0]
        return (done - then) / (now - since) if now - since >= _STEP else 0.0


class JobProgress:
    """An observer that counts the rows of a job by state; it stores only unfinished rows."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self.now = now
        self.phase: Phase | None = None
        self.throttled = 0
        """Requests throttled with 429."""
        self._states: dict[str, int] = dict.fromkeys(State, 0)
        self._open: dict[int, str] = {}
        self._rate = Rate()
        self._listeners: list[Callable[[str], object]] = []

    def on_phase_end(self, listener: Callable[[str], object]) -> None:
        """Call the listener with a line at the end of each phase."""
        self._listeners.append(listener)

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self._rate.at(self.now(), self.phase.done) if self.phase else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Remaining seconds of the phase; None while they are unknown."""
        phase, rate = self.phase, self.rate
        if phase is None or phase.total is None or rate <= 0 or phase.done >= phase.total:
            return None
        return (phase.total - phase.done) / rate

    def counts(self) -> Iterator[tuple[str, int]]:
        """Rows that this run has moved, by state; without zeros."""
        # A copy, because rich draws in another thread.
        yield from ((state, number) for state, number in list(self._states.items()) if number)

    def __call__(self, event: events.Event, /) -> None:
        """Process one event."""
        self._take(event)

    @singledispatchmethod
    def _take(self, event: object) -> None:
        pass  # other events say nothing about progress

    @_take.register
    def _(self, event: events.RequestFinished) -> None:
        self.throttled += event.status == 429

    @_take.register
    def _(self, event: events.JobProgressed) -> None:
        now = self.now()
        if self.phase is None or self.phase.name != event.phase:
            self._end_phase()
            self._rate = Rate()
            self.phase = Phase(name=event.phase, began=now)
        began = self.phase.began
        self.phase = Phase(name=event.phase, began=began, done=event.done, total=event.total)
        self._rate.add(now, event.done)

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

    def _end_phase(self, more: str = "") -> None:
        if self.phase is None:
            return
        phase, self.phase = self.phase, None
        seconds = self.now() - phase.began
        for listener in self._listeners:
            listener(f"{phase.name}: {phase.done:,} SIMs in {seconds:.1f} s{more}")


class ProgressView:
    """A bar with figures, and the rows by state below it; redrawn whenever rich asks."""

    def __init__(self, progress: JobProgress, limit: Callable[[], float]) -> None:
        self._progress = progress
        self._limit = limit

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        if (phase := self._progress.phase) is None:
            return
        text = "  ".join(_figures(self._progress, phase))
        cells: list[RenderableType] = [Text(phase.name, style="bold")]
        width = min(_LONGEST_BAR, options.max_width - len(phase.name) - len(text) - 4)
        if phase.total and width >= _SHORTEST_BAR:
            cells.append(
                ProgressBar(
                    total=phase.total,
                    completed=phase.done,
                    width=width,
                    style="bright_black",
                    complete_style="green",
                    finished_style="green",
                )
            )
        grid = Table.grid(*([""] * (len(cells) + 1)), padding=(0, 2, 0, 0))
        grid.add_row(*cells, Text(text, no_wrap=True))
        yield grid
        items = Text("  ").join(_counts(self._progress, self._limit()))
        if options.ascii_only:  # ASCII has no non-breaking space
            items.plain = items.plain.replace("\N{NO-BREAK SPACE}", " ")
        yield items


def _figures(progress: JobProgress, phase: Phase) -> Iterator[str]:
    """The figures of a phase: `312/1,000`, `31%`, `40/s`, `0:00:17 left`."""
    yield f"{phase.done:,}/{phase.total:,}" if phase.total else f"{phase.done:,}"
    if phase.total:
        yield f"{100 * phase.done // phase.total}%"  # never 100 before the last row
    if rate := progress.rate:
        yield f"{rate:,.0f}/s"
    if (left := progress.seconds_left) is not None:
        yield f"{timedelta(seconds=round(left))} left"


def _counts(progress: JobProgress, limit: float) -> Iterator[Text]:
    """Rows by state, the concurrency limit, and throttled requests."""
    for name, number in progress.counts():
        yield _count(name, f"{number:,}", _STYLES.get(name, ""))
    if progress.phase is not None and progress.phase.name == "reading":
        return  # a file is being read: there are no requests
    yield _count("limit", f"{limit:,.0f}")
    yield _count("429s", f"{progress.throttled:,}", "red" if progress.throttled else "")


def _count(name: str, number: str, style: str = "") -> Text:
    # Lines are broken between counts, never inside one.
    return Text(f"{name} {number}".replace(" ", "\N{NO-BREAK SPACE}"), style=style)


class Display(Protocol):
    """A display of progress."""

    def say(self, text: str) -> None:
        """Write a line that stays."""

    def pause(self) -> None:
        """Leave the terminal to a question."""

    def resume(self) -> None:
        """Continue after a question."""

    def __call__(self, event: events.Event, /) -> None:
        """Process an event."""


@contextmanager
def display(progress: JobProgress, limit: Callable[[], float], *, quiet: bool) -> Iterator[Display]:
    """Display the progress inside the context; what it yields must observe the job."""
    console = output.stderr_console()
    shown: Display = QuietDisplay()
    if not quiet:
        if console.is_terminal:
            shown = LiveDisplay(console, ProgressView(progress, limit))
        else:
            shown = LineDisplay(console, progress, limit)
        progress.on_phase_end(shown.say)
    shown.resume()
    try:
        yield shown
    finally:
        shown.pause()


class QuietDisplay:
    """`--quiet`: only essential messages."""

    def say(self, text: str) -> None:
        """Write a line."""
        output.say(text)

    def pause(self) -> None:
        """Do nothing: no lines are live."""

    def resume(self) -> None:
        """Do nothing: no lines are live."""

    def __call__(self, event: events.Event, /) -> None:
        """Ignore an event."""


class LiveDisplay:
    """Live lines, drawn by a thread of rich's, so that the job never waits for the terminal."""

    def __init__(self, console: Console, view: ProgressView) -> None:
        self._console = console
        self._live = Live(
            view, console=console, refresh_per_second=_REFRESHES, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def say(self, text: str) -> None:
        """Write a line above the live ones."""
        self._console.print(output.message(text), soft_wrap=True)

    def pause(self) -> None:
        """Remove the live lines."""
        self._live.stop()

    def resume(self) -> None:
        """Draw the live lines."""
        self._live.start()

    def __call__(self, event: events.Event, /) -> None:
        """Ignore an event: the view reads the progress when it is drawn."""


class LineDisplay:
    """A line every few seconds, and one at the end of each phase."""

    def __init__(self, console: Console, progress: JobProgress, limit: Callable[[], float]) -> None:
        self._console = console
        self._progress = progress
        self._limit = limit
        self._next = progress.now() + _LINE_EVERY

    def say(self, text: str) -> None:
        """Write a line."""
        self._console.print(output.message(text), soft_wrap=True)

    def pause(self) -> None:
        """Do nothing: no lines are live."""

    def resume(self) -> None:
        """Do nothing: no lines are live."""

    def __call__(self, event: events.Event, /) -> None:
        """Write a line if it is time for one."""
        progress = self._progress
        if progress.phase is None or progress.now() < self._next:
            return
        self._next = progress.now() + _LINE_EVERY
        counts = (
            one.plain.replace("\N{NO-BREAK SPACE}", " ") for one in _counts(progress, self._limit())
        )
        figures = _figures(progress, progress.phase)
        self.say("  ".join([f"{progress.phase.name}:", *figures, *counts]))

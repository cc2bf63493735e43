"""How far a job is, on stderr: live lines on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from asyncsim import events
from asyncsim.cli import terminal
from asyncsim.cli.drawing import Drawing, counts, figures
from asyncsim.cli.progress import Standing

_EVERY = 5.0  # seconds of work between plain lines
_A_SECOND = 8  # times that live lines are drawn anew


class Shown(Protocol):
    """A display of progress, while it lasts."""

    def say(self, text: str) -> None:
        """Write a line that stays."""

    def pause(self) -> None:
        """Leave the terminal to a question."""

    def go_on(self) -> None:
        """Take it back."""

    def __call__(self, event: events.Event, /) -> None:
        """Take note of an event."""


@contextmanager
def progress(standing: Standing, limit: Callable[[], float], *, quiet: bool) -> Iterator[Shown]:
    """Show the standing while the context lasts; what it yields is to observe the job."""
    console = terminal.stderr()
    shown = _Silent() if quiet else _choose(console, standing, limit)
    if not quiet:
        standing.tell(shown.say)
    shown.go_on()
    try:
        yield shown
    finally:
        shown.pause()


def _choose(console: Console, standing: Standing, limit: Callable[[], float]) -> Shown:
    if console.is_terminal:
        return _Lively(console, Drawing(standing, limit))
    return _Lines(console, standing, limit)


class _Silent:
    def say(self, text: str) -> None:
        terminal.say(text)

    def pause(self) -> None:
        pass

    def go_on(self) -> None:
        pass

    def __call__(self, event: events.Event, /) -> None:
        pass


class _Lively:
    """Lines that are drawn again and again, by a thread of rich's: the job never waits for it."""

    def __init__(self, console: Console, drawing: Drawing) -> None:
        self._console = console
        self._live = Live(
            drawing, console=console, refresh_per_second=_A_SECOND, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def say(self, text: str) -> None:
        self._console.print(terminal.line(text), soft_wrap=True)

    def pause(self) -> None:
        self._live.stop()

    def go_on(self) -> None:
        self._live.start()

    def __call__(self, event: events.Event, /) -> None:
        pass


class _Lines:
    """Every few seconds of work a line, and one as each phase ends."""

    def __init__(self, console: Console, standing: Standing, limit: Callable[[], float]) -> None:
        self._console = console
        self._standing = standing
        self._limit = limit
        self._next = standing.now() + _EVERY

    def say(self, text: str) -> None:
        self._console.print(terminal.line(text), soft_wrap=True)

    def pause(self) -> None:
        pass

    def go_on(self) -> None:
        pass

    def __call__(self, event: events.Event, /) -> None:
        standing = self._standing
        if standing.phase is not None and standing.now() >= self._next:
            self._next = standing.now() + _EVERY
            self.say("  ".join(self._parts()))

    def _parts(self) -> Iterator[str]:
        if (phase := self._standing.phase) is not None:
            yield f"{phase.name}:"
            yield from figures(self._standing, phase)
            yield from (
                item.plain.replace("\N{NO-BREAK SPACE}", " ")
                for item in counts(self._standing, self._limit())
            )

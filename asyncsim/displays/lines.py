"""A display of plain lines: for a log, or where nothing better is available."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from asyncsim.displays.show import Work

_EVERY = 5.0  # seconds between lines


def write_line(text: str) -> None:
    """Write a line to stderr."""
    print(text, file=sys.stderr, flush=True)


class LineDisplay:
    """A line every few seconds, and those that the work says."""

    def __init__(
        self,
        work: Work,
        write: Callable[[str], object] = write_line,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._write = write
        self._now = now
        self._next = now() + _EVERY

    def start(self) -> None:
        """Do nothing: no lines are live."""

    def draw(self) -> None:
        """Write a line if it is time for one."""
        figures = self._work.figures()
        if figures.phase is not None and self._now() >= self._next:
            self._next = self._now() + _EVERY
            self._write(figures.line())

    def say(self, text: str) -> None:
        """Write a line."""
        self._write(text)

    def stop(self) -> None:
        """Do nothing: no lines are live."""

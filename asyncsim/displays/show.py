"""Showing the figures of some work while it runs: one task draws them, a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from asyncsim.displays.figures import Figures

logger = logging.getLogger("asyncsim")

_EVERY = 0.25  # seconds between two drawings: a notebook's server stores and forwards each of them


class Work(Protocol):
    """Work that is shown."""

    def figures(self) -> Figures:
        """The figures now; also called by another thread."""
        ...

    def on_line(self, listener: Callable[[str], object]) -> None:
        """Call the listener with each line that is to stay, such as one at the end of a phase."""

    def ending(self, error: BaseException | None) -> str:
        """How it ended, and how it goes on."""
        ...


class Display(Protocol):
    """Where it is shown; every method returns at once."""

    def start(self) -> None:
        """Show the figures; also again after `stop`."""

    def draw(self) -> None:
        """Replace what is shown by the present figures."""

    def say(self, text: str) -> None:
        """Write a line that stays."""

    def stop(self) -> None:
        """Draw no more: what is shown stays, or the terminal is left to others."""


@contextlib.asynccontextmanager
async def drawn(work: Work, display: Display) -> AsyncGenerator[Display, None]:
    """Draw the display while the block runs; a display that fails never ends the work."""
    shown = _Guarded(display)
    work.on_line(shown.say)
    shown.start()
    drawing = asyncio.create_task(_draw(shown), name="asyncsim-display")
    try:
        yield shown
    finally:
        drawing.cancel()
        shown.draw()
        shown.stop()
        await asyncio.gather(drawing, return_exceptions=True)


@contextlib.asynccontextmanager
async def show(work: Work, display: Display) -> AsyncGenerator[None, None]:
    """Draw the display while the block runs; its last line says how the block ended."""
    async with drawn(work, display) as shown:
        try:
            yield
        except BaseException as error:  # an interrupt, too
            shown.say(work.ending(error))
            raise
        shown.say(work.ending(None))


async def _draw(display: Display) -> None:
    while True:
        await asyncio.sleep(_EVERY)
        display.draw()


class _Guarded:
    """A display until it fails: the failure is logged once."""

    def __init__(self, display: Display) -> None:
        self._display: Display | None = display

    def _call(self, method: Callable[[Display], None]) -> None:
        if self._display is None:
            return
        try:
            method(self._display)
        except Exception:
            self._display = None
            logger.exception("progress can no longer be displayed; the work continues")

    def start(self) -> None:
        self._call(lambda display: display.start())

    def draw(self) -> None:
        self._call(lambda display: display.draw())

    def say(self, text: str) -> None:
        self._call(lambda display: display.say(text))

    def stop(self) -> None:
        self._call(lambda display: display.stop())

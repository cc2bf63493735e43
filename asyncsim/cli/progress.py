"""The progress of a job on stderr: live on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext

from asyncsim.bulk.progress import JobProgress
from asyncsim.cli import output
from asyncsim.displays import Display, drawn
from asyncsim.displays.lines import LineDisplay
from asyncsim.displays.terminal import LiveDisplay


def displayed(progress: JobProgress, *, quiet: bool) -> AbstractAsyncContextManager[Display]:
    """Display the progress inside the context; the display also takes messages."""
    if quiet:
        return nullcontext(QuietDisplay())
    console = output.stderr_console()
    if console.is_terminal:
        return drawn(progress, LiveDisplay(progress, console))
    return drawn(progress, LineDisplay(progress, output.say))


class QuietDisplay:
    """`--quiet`: only essential messages."""

    def start(self) -> None:
        """Do nothing: no figures are shown."""

    def draw(self) -> None:
        """Do nothing: no figures are shown."""

    def say(self, text: str) -> None:
        """Write a line."""
        output.say(text)

    def stop(self) -> None:
        """Do nothing: no figures are shown."""

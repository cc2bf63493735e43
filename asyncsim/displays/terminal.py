"""A display on a terminal: live lines, drawn by rich (extra `cli`)."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from asyncsim.displays.figures import Count, Tone
from asyncsim.displays.show import Work

_REFRESHES = 8  # per second
_LONGEST_BAR = 60  # columns; a bar as wide as the terminal is hard to read
_SHORTEST_BAR = 8
# No bright or pale colours: each must be readable on black and on white.
_STYLES: dict[Tone, str] = {"good": "green", "bad": "red", "plain": ""}


def stderr_console() -> Console:
    """Return a console that writes texts as they are."""
    # Names may contain [brackets] and :colons:, which are no markup here.
    return Console(stderr=True, markup=False, emoji=False, highlight=False)


class LiveView:
    """A bar with figures, and the counts below it; redrawn whenever rich asks."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        figures = self._work.figures()
        if figures.phase is None:
            return
        text = "  ".join(figures.words())
        cells: list[RenderableType] = [Text(figures.phase, style="bold")]
        width = min(_LONGEST_BAR, options.max_width - len(figures.phase) - len(text) - 4)
        if figures.total and width >= _SHORTEST_BAR:
            cells.append(
                ProgressBar(
                    total=figures.total,
                    completed=figures.done,
                    width=width,
                    style="bright_black",
                    complete_style="green",
                    finished_style="green",
                )
            )
        grid = Table.grid(*([""] * (len(cells) + 1)), padding=(0, 2, 0, 0))
        grid.add_row(*cells, Text(text, no_wrap=True))
        yield grid
        counts = Text("  ").join(map(_count, figures.counts))
        if options.ascii_only:  # ASCII has no non-breaking space
            counts.plain = counts.plain.replace("\N{NO-BREAK SPACE}", " ")
        yield counts


def _count(count: Count) -> Text:
    # Lines are broken between counts, never inside one.
    return Text(str(count).replace(" ", "\N{NO-BREAK SPACE}"), style=_STYLES[count.tone])


class LiveDisplay:
    """Live lines, drawn by a thread of rich's, so that the work never waits for the terminal."""

    def __init__(self, work: Work, console: Console) -> None:
        self._console = console
        self._live = Live(
            LiveView(work), console=console, refresh_per_second=_REFRESHES, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def start(self) -> None:
        """Draw the live lines."""
        self._live.start()

    def draw(self) -> None:
        """Do nothing: the thread draws."""

    def say(self, text: str) -> None:
        """Write a line above the live ones; it stays one line on any terminal."""
        self._console.print(Text(text, no_wrap=True, overflow="ignore"), soft_wrap=True)

    def stop(self) -> None:
        """Remove the live lines."""
        self._live.stop()

"""The lines in which a job's standing is drawn, on a terminal of any width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from asyncsim.bulk.records import State
from asyncsim.cli.progress import Phase, Standing

_LONGEST = 60  # columns; a bar as long as a wide terminal is hard to follow
_SHORTEST = 8
# No bright or pale colours: each must be readable on black and on white.
_STYLES: dict[str, str] = {
    State.DONE: "green",
    State.FAILED: "red",
    State.UNKNOWN: "red",
    State.TIMED_OUT: "red",
}


class Drawing:
    """A bar with figures, and the counts below it; drawn anew whenever rich asks."""

    def __init__(self, standing: Standing, limit: Callable[[], float]) -> None:
        self._standing = standing
        self._limit = limit

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        if (phase := self._standing.phase) is not None:
            yield _first_line(phase, "  ".join(figures(self._standing, phase)), options.max_width)
            items = Text("  ").join(counts(self._standing, self._limit()))
            if options.ascii_only:  # it has no space that lines are not broken at
                items.plain = items.plain.replace("\N{NO-BREAK SPACE}", " ")
            yield items


def _first_line(phase: Phase, text: str, width: int) -> Table:
    cells: list[RenderableType] = [Text(phase.name, style="bold")]
    room = min(_LONGEST, width - len(phase.name) - len(text) - 4)
    if phase.total and room >= _SHORTEST:
        cells.append(_bar(phase, room))
    grid = Table.grid(*([""] * (len(cells) + 1)), padding=(0, 2, 0, 0))
    grid.add_row(*cells, Text(text, no_wrap=True))
    return grid


def _bar(phase: Phase, width: int) -> ProgressBar:
    return ProgressBar(
        total=phase.total,
        completed=phase.done,
        width=width,
        style="bright_black",
        complete_style="green",
        finished_style="green",
    )


def figures(standing: Standing, phase: Phase) -> Iterator[str]:
    """How far the phase is: `312/1,000`, `31%`, `40/s`, `0:00:17 left`."""
    yield f"{phase.done:,}/{phase.total:,}" if phase.total else f"{phase.done:,}"
    if phase.total:
        yield f"{100 * phase.done // phase.total}%"  # never 100 before the last
    if rate := standing.rate:
        yield f"{rate:,.0f}/s"
    if (left := standing.left) is not None:
        yield f"{timedelta(seconds=round(left))} left"


def counts(standing: Standing, limit: float) -> Iterator[Text]:
    """How many rows are in which state, the limit of requests at once, and the refusals."""
    for name, number in standing.counts():
        yield _item(name, f"{number:,}", _STYLES.get(name, ""))
    if standing.phase is not None and standing.phase.name == "reading":
        return  # from a file: there are no requests
    yield _item("limit", f"{limit:,.0f}")
    yield _item("429s", f"{standing.refused:,}", "red" if standing.refused else "")


def _item(name: str, number: str, style: str = "") -> Text:
    # Lines are broken between items, never inside one.
    return Text(f"{name} {number}".replace(" ", "\N{NO-BREAK SPACE}"), style=style)

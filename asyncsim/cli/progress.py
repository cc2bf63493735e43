"""How far a run is, on stderr: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from asyncsim import Outcome
from asyncsim.cli import terminal

_WIDE = 120  # columns; on a wider terminal a bar as long as the line is hard to follow
_BAR = 60


class Shown(Protocol):
    """Takes outcomes as they come."""

    def __call__(self, outcome: Outcome[Any], /) -> None:
        """Take one."""


@contextmanager
def progress(verb: str, total: int) -> Iterator[Shown]:
    """Show the progress of `total` SIMs while the context lasts."""
    console = terminal.stderr()
    if not console.is_terminal:
        yield _Lines(console, verb, total)
        return
    wide = console.width > _WIDE
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=_BAR if wide else None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[how]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, expand=not wide) as bar:
        yield _Bar(bar, verb, total)


class _Bar:
    def __init__(self, bar: Progress, verb: str, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task(verb, total=total, how="")
        self._how: Counter[str] = Counter()

    def __call__(self, outcome: Outcome[Any]) -> None:
        self._how[_how(outcome)] += 1
        self._bar.update(self._task, advance=1, how=worded(self._how))


class _Lines:
    """A line for each tenth: a log is read afterwards."""

    def __init__(self, console: Console, verb: str, total: int) -> None:
        self._console = console
        self._verb = verb
        self._total = total
        self._step = max(1, total // 10)
        self._how: Counter[str] = Counter()

    def __call__(self, outcome: Outcome[Any]) -> None:
        self._how[_how(outcome)] += 1
        done = self._how.total()
        if done % self._step == 0 or done == self._total:
            text = f"{self._verb} {done:,}/{self._total:,}  {worded(self._how)}"
            self._console.print(text, markup=False)


def _how(outcome: Outcome[Any]) -> str:
    return (outcome.settled_by or "unknown") if outcome.ok else "failed"


def worded(counts: Counter[str]) -> str:
    """Counts in prose, the greatest first."""
    return ", ".join(f"{name} {number:,}" for name, number in counts.most_common())

"""The plan of a job, to be read before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from asyncsim.bulk import Plan
from asyncsim.bulk.records import HOPELESS, Entry
from asyncsim.cli.terminal import printable


def hopeless(plan: Plan) -> int:
    """How many rows no request would help."""
    return sum(count for verdict, count in plan.verdicts.items() if verdict in HOPELESS)


def told(plan: Plan, about: Iterable[tuple[str, Text]] = ()) -> Table:
    """What a job asks for; then verdicts, how many rows each has, and the first of them."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for name, text in about:
        table.add_row(name, "", text)
    for verdict, count in plan.verdicts.items():
        _add(table, verdict, count, map(_sample, plan.samples.get(verdict, ())))
    if plan.irreversible:
        table.add_row("for ever", f"{plan.irreversible:,}", "cannot be taken back once sent")
    table.add_row("requests", f"{plan.requests:,}", "that this look took")
    for note in plan.notes:
        table.add_row("note", "", Text(printable(note)))
    return table


def _add(table: Table, name: str, count: int, samples: Iterable[Text]) -> None:
    table.add_row(name, f"{count:,}", Text("\n").join(samples))


def _sample(entry: Entry) -> Text:
    status = f" ({entry.before})" if entry.before else ""
    return Text(printable(f"line {entry.line}: {entry.name}{status}"))

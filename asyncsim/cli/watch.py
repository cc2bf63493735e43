"""A list that is read again and again: drawn in place on a terminal, changes as lines elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Group
from rich.live import Live
from rich.text import Text

from asyncsim import Pager, QueueTimeout, RateLimited, ServerError, TransportError
from asyncsim.cli.listing import Listed, View
from asyncsim.cli.output import (
    Row,
    add_row,
    cell_text,
    new_table,
    printable,
    printer,
    say,
    stdout_console,
)
from asyncsim.cli.signals import ended_by_interrupt

_TRANSIENT = (TransportError, ServerError, RateLimited, QueueTimeout)
_AROUND = 3  # lines of a screen that are not rows: the heading, the caption, the cursor's

Rows = Mapping[str, Row]
"""The rows of one read, by SID."""


async def watch_list(
    list_: Callable[..., Pager[Any]],
    filters: Row,
    view: View,
    limit: int | None,
    interval: float,
) -> None:
    """Read a list every `interval` seconds and show it, until Ctrl-C."""
    drawn = view.format == "table" and sys.stdout.isatty()
    shown: Shown = Screen(view, interval) if drawn else Lines(view)
    with ended_by_interrupt(), shown:
        while True:
            try:
                listed = Listed(list_, filters, view, limit)
                async with aclosing(listed.rows()) as rows:
                    shown.show({sid: row async for sid, row in rows})
            except _TRANSIENT as error:  # the client has retried; the next read may succeed
                say(printable(f"read failed: {error}"))
            await asyncio.sleep(interval)


class Shown(Protocol):
    """Where the rows of each read are shown."""

    def __enter__(self) -> object:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End; what was shown last stays."""

    def show(self, rows: Rows) -> None:
        """Show the rows of one read."""


class Screen:
    """A table that is drawn in place; rows that changed since the last read are bold."""

    def __init__(self, view: View, interval: float) -> None:
        self._columns = view.in_table
        self._interval = interval
        self._console = stdout_console()
        self._live = Live(
            console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._before: Rows | None = None

    def __enter__(self) -> object:
        return self._live.__enter__()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, rows: Rows) -> None:
        """Draw the rows that fit on the screen."""
        fitting = max(self._console.size.height - _AROUND, 1)
        table = new_table(self._columns)
        changed = 0
        for number, (sid, row) in enumerate(rows.items()):
            is_new = self._before is not None and self._before.get(sid) != row
            changed += is_new
            if number < fitting:
                add_row(table, self._columns, row, "bold" if is_new else None)
        more = len(rows) - fitting
        parts = [
            f"{len(rows):,} SIMs" + (f", {more:,} not shown" if more > 0 else ""),
            f"{changed:,} changed",
            f"{datetime.now(UTC):%H:%M:%S} UTC, every {self._interval:g} s",
            "Ctrl-C stops",
        ]
        caption = Text("; ".join(parts), style="dim", no_wrap=True, overflow="ellipsis")
        self._live.update(Group(table, caption), refresh=True)
        self._before = rows


class Lines:
    """A line for each row at first, then one for each that has changed, appeared or gone."""

    def __init__(self, view: View) -> None:
        self._columns = view.in_table if view.format == "table" else view.fields
        self._printer = None
        if view.format != "table":
            self._printer = printer(view.format, ["at", "seen", *view.fields])
        self._before: Rows | None = None

    def __enter__(self) -> object:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def show(self, rows: Rows) -> None:
        """Print what is different now."""
        at, before = datetime.now(UTC).replace(microsecond=0), self._before
        for sid, row in rows.items():
            if before is None or sid not in before:
                self._print(at, "listed", row)
            elif before[sid] != row:
                self._print(at, "changed", row)
        for sid, row in (before or {}).items():
            if sid not in rows:
                self._print(at, "gone", row)
        sys.stdout.flush()
        self._before = rows

    def _print(self, at: datetime, seen: str, row: Row) -> None:
        if self._printer is not None:
            self._printer.row({"at": at, "seen": seen, **row})
            return
        cells = (printable(cell_text(row.get(name))) for name in self._columns)
        sys.stdout.write("  ".join([cell_text(at), f"{seen:7}", *cells]).rstrip() + "\n")

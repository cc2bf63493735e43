"""Rows on stdout: as a table to read, as JSON, or as CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from rich.table import Table
from rich.text import Text

from asyncsim.cli import terminal

Format = Literal["table", "json", "csv"]
Value = object
Row = Mapping[str, Value]


class Printer(Protocol):
    """Takes rows, one by one."""

    def row(self, row: Row) -> None:
        """Take a row."""

    def close(self) -> None:
        """Write what is still to be written."""


def printer(format: Format, columns: Sequence[str], table: Sequence[str] | None = None) -> Printer:
    """Make a printer of rows with these columns; `table` names those a table has room for."""
    if format == "json":
        return _Json()
    return _Csv(columns) if format == "csv" else _Table(table or columns)


def print_one(format: Format, record: Row) -> None:
    """Print a single record; as a table it stands upright."""
    if format == "json":
        text = json.dumps(record, indent=2, default=_text, ensure_ascii=False)
        terminal.data().write(text + "\n")
        return
    if format == "csv":
        printed = printer(format, list(record))
        printed.row(record)
        printed.close()
        return
    grid = Table.grid(padding=(0, 2))
    for name, value in record.items():
        grid.add_row(Text(name, style="bold"), Text(terminal.printable(_text(value))))
    terminal.show(grid)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)


class _Csv:
    def __init__(self, columns: Sequence[str]) -> None:
        self._writer = csv.writer(terminal.data(), lineterminator="\n")
        self._columns = columns
        self._writer.writerow(columns)

    def row(self, row: Row) -> None:
        self._writer.writerow([_text(row.get(name)) for name in self._columns])

    def close(self) -> None:
        sys.stdout.flush()


class _Json:
    """One array, written row by row: a long list needs no memory."""

    def __init__(self) -> None:
        self._out = terminal.data()
        self._before = "[\n  "

    def row(self, row: Row) -> None:
        self._out.write(self._before + json.dumps(row, default=_text, ensure_ascii=False))
        self._before = ",\n  "

    def close(self) -> None:
        self._out.write("[]\n" if self._before.startswith("[") else "\n]\n")
        self._out.flush()


class _Table:
    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._table = Table(box=None, padding=(0, 1), pad_edge=False)
        for name in columns:
            # The others are of no use when cut, and fit into 80 columns together.
            self._table.add_column(name, no_wrap=name != "unique_name", overflow="fold")

    def row(self, row: Row) -> None:
        texts = (terminal.printable(_text(row.get(name))) for name in self._columns)
        self._table.add_row(*map(Text, texts))

    def close(self) -> None:
        terminal.show(self._table)

"""Output: data to stdout, everything else to stderr.

No background colour is set, so that light and dark terminals both stay readable. rich is imported
when something is printed: `--version` and `--help` do without it.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TextIO

from asyncsim.cli.streams import ReaderLeft

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_SHOWN_PROBLEMS = 50
"""With more problems than this, a file is corrected in the tool that it came from."""
_UNBOUNDED = 1000  # columns: a file or a pipe has no width at which text must be cut
_CONTROLLING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of Unicode: control, format (which can reverse the direction of text), surrogates,
line and paragraph separators."""
_JOINERS = "\u200c\u200d"  # format characters that names and emoji are written with
_WRAPPED = frozenset({"change", "command", "payload", "unique_name", "wanted"})
"""Columns of tables that may be broken; the others are useless when truncated."""

Format = Literal["table", "json", "csv"]
RowFormat = Literal["table", "json", "ndjson", "csv"]
Value = object
Row = Mapping[str, Value]


# Messages, on stderr.


def stderr_console() -> Console:
    """Return the console for progress, reports and messages."""
    return _console(sys.stderr)


def stdout_console() -> Console:
    """Return the console for data that is drawn more than once."""
    return _console(sys.stdout)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    # Names may contain [brackets] and :colons:, which are no markup here.
    return Console(file=stream, markup=False, emoji=False, highlight=False)


def message(text: str) -> Text:
    """Make a message that stays one line on any terminal, so that a command in it can be copied."""
    from rich.text import Text

    return Text(printable(text), no_wrap=True, overflow="ignore")


def say(text: str) -> None:
    """Write a message to stderr."""
    stderr_console().print(message(text), soft_wrap=True)


def fail(text: str) -> None:
    """Write why a command ended, on one line, whatever the text of the error looks like."""
    say("asyncsim: " + re.sub(r"\s*[\r\n]+\s*", " ", text.strip()))


def fail_all(text: str, problems: Sequence[str]) -> None:
    """Write why a command ended, and each of its problems on a line of its own."""
    fail(text)
    for problem in problems[:_SHOWN_PROBLEMS]:
        say(f"  {problem}")
    if len(problems) > _SHOWN_PROBLEMS:
        say(f"  ... and {len(problems) - _SHOWN_PROBLEMS:,} more")


class LogHandler(logging.Handler):
    """Writes warnings of the library as messages, because a vendor's text may be among them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one; a traceback keeps its lines."""
        for one in self.format(record).splitlines():
            say(one)


def printable(text: str) -> str:
    r"""Escape every character that could control the terminal: `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        one.encode("unicode_escape").decode() if is_controlling(one) else one for one in text
    )


def is_controlling(one: str) -> bool:
    """Tell whether a character has an effect on a terminal, or on the text next to it."""
    return unicodedata.category(one) in _CONTROLLING and one not in _JOINERS


# Data, on stdout.


def data_stream() -> TextIO:
    """Return stdout for programs: UTF-8 whatever its encoding was, and unchanged line ends."""
    if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        # A lone surrogate, which a vendor's JSON may hold, is escaped as in JSON.
        reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    return sys.stdout


@contextlib.contextmanager
def until_reader_leaves() -> Iterator[None]:
    """Print the output of a command; a reader that leaves does not change the exit code."""
    with contextlib.suppress(ReaderLeft):
        yield
        sys.stdout.flush()


def show_table(table: Table, *, on_stderr: bool = False) -> None:
    """Print a table; in a pipe it is never truncated, and lines have no trailing padding."""
    from rich.console import Console

    stream = sys.stderr if on_stderr else sys.stdout
    if stream.isatty():
        _console(stream).print(table)
        return
    console = Console(
        file=io.StringIO(), width=_UNBOUNDED, color_system=None,
        markup=False, emoji=False, highlight=False,
    )  # fmt: skip
    with console.capture() as captured:
        console.print(table)
    stream.writelines(line.rstrip() + "\n" for line in captured.get().split("\n")[:-1])
    stream.flush()


def show_rows(rows: Sequence[tuple[str, Text]], *, on_stderr: bool = False) -> None:
    """Print labelled texts; lines are never broken, so that commands and paths can be copied."""
    from rich.text import Text

    console = _console(sys.stderr if on_stderr else sys.stdout)
    width = max(len(label) for label, _ in rows) + 2
    for label, text in rows:
        for number, part in enumerate(text.split("\n")):
            start = ("" if number else label).ljust(width)
            console.print(Text.assemble((start, "bold"), part), soft_wrap=True)


def print_one(format: RowFormat, record: Row) -> None:
    """Print a single record; a table has one row per field."""
    if format == "ndjson":
        data_stream().write(ndjson_line(record))
        return
    if format == "json":
        text = json.dumps(record, indent=2, default=cell_text, ensure_ascii=False)
        data_stream().write(text + "\n")
        return
    if format == "csv":
        printed = printer(format, list(record))
        printed.row(record)
        printed.close()
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for name, value in record.items():
        grid.add_row(Text(name, style="bold"), Text(printable(cell_text(value))))
    show_table(grid)


def ndjson_line(record: Row) -> str:
    """Return a record as one line of JSON, which no reader takes for two."""
    text = json.dumps(record, default=cell_text, ensure_ascii=False)
    if not text.isprintable():
        text = "".join(json.dumps(one)[1:-1] if is_controlling(one) else one for one in text)
    return text + "\n"


def cell_text(value: Value) -> str:
    """Return a value as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    return str(value)


class Printer(Protocol):
    """Prints rows one by one."""

    def row(self, row: Row) -> None:
        """Print a row."""

    def close(self) -> None:
        """Write the rest."""


def printer(
    format: RowFormat, columns: Sequence[str], table: Sequence[str] | None = None
) -> Printer:
    """Create a printer of rows with these columns; a table shows only the columns in `table`."""
    if format == "json":
        return _JsonPrinter()
    if format == "ndjson":
        return _NdjsonPrinter()
    return _CsvPrinter(columns) if format == "csv" else _TablePrinter(table or columns)


class _CsvPrinter:
    def __init__(self, columns: Sequence[str]) -> None:
        self._writer = csv.writer(data_stream(), lineterminator="\n")
        self._columns = columns
        self._writer.writerow(columns)

    def row(self, row: Row) -> None:
        self._writer.writerow([cell_text(row.get(name)) for name in self._columns])

    def close(self) -> None:
        sys.stdout.flush()


class _JsonPrinter:
    """One array, written row by row: a long list needs no memory."""

    def __init__(self) -> None:
        self._out = data_stream()
        self._before = "[\n  "

    def row(self, row: Row) -> None:
        self._out.write(self._before + json.dumps(row, default=cell_text, ensure_ascii=False))
        self._before = ",\n  "

    def close(self) -> None:
        self._out.write("[]\n" if self._before.startswith("[") else "\n]\n")
        self._out.flush()


class _NdjsonPrinter:
    """One object per line."""

    def __init__(self) -> None:
        self._out = data_stream()

    def row(self, row: Row) -> None:
        self._out.write(ndjson_line(row))

    def close(self) -> None:
        self._out.flush()


def new_table(columns: Sequence[str]) -> Table:
    """Return an empty table with these columns."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name in columns:
        no_wrap = name not in _WRAPPED
        table.add_column(name, no_wrap=no_wrap, overflow="ellipsis" if no_wrap else "fold")
    return table


def fitting_table(
    console: Console,
    columns: Sequence[str],
    expendable: Sequence[str],
    rows: Sequence[tuple[Row, str | None]],
) -> Table:
    """Return a table of rows and their styles, without expendable columns that have no room."""
    from rich.measure import Measurement

    unbounded = console.options.update(width=_UNBOUNDED)
    left = [*expendable]
    while True:
        table = new_table(columns)
        for row, style in rows:
            add_row(table, columns, row, style)
        if not left or Measurement.get(console, unbounded, table).maximum <= console.width:
            return table
        columns = [name for name in columns if name != left[0]]
        del left[0]


def add_row(table: Table, columns: Sequence[str], row: Row, style: str | None = None) -> None:
    """Add a row to a table with these columns."""
    from rich.text import Text

    texts = (printable(cell_text(row.get(name))) for name in columns)
    table.add_row(*map(Text, texts), style=style)


class _TablePrinter:
    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._table = new_table(columns)

    def row(self, row: Row) -> None:
        add_row(self._table, self._columns, row)

    def close(self) -> None:
        show_table(self._table)

"""CSV files: header or none, comma, semicolon or tab, quotes, line numbers."""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from os import PathLike, fspath
from pathlib import Path
from typing import Protocol, TypeVar

from attrs import field, frozen

from asyncsim.bulk.input.headings import squeezed
from asyncsim.bulk.input.names import looks_like_a_name
from asyncsim.bulk.input.problems import Problems
from asyncsim.bulk.input.sources import CHUNK, Make, Record, Shape
from asyncsim.bulk.input.texts import STANDARD_INPUT, Text
from asyncsim.bulk.records import Row
from asyncsim.errors import JobError

T = TypeVar("T")
_DELIMITERS = ";\t,"
_TALLEST = 100  # lines of a header; with more, a quote was never closed
_DECLARED = re.compile(r'"?sep=(.)"?\s*')  # what Excel understands as a first line


class _Reader(Protocol):
    """What `csv.reader` makes; its class has no public name."""

    line_num: int

    def __next__(self) -> list[str]: ...


@frozen(kw_only=True)
class CsvSource:
    """A CSV file, or standard input."""

    target: str | PathLike[str]
    known: Callable[[str], bool]
    """Tells whether a squeezed heading is one that is looked for."""
    _taken: list[bool] = field(factory=list, init=False, repr=False, eq=False)

    @property
    def label(self) -> str:
        """Name of the file."""
        if self.target == STANDARD_INPUT:
            return "standard input"
        return Path(fspath(self.target)).name

    @property
    def path(self) -> str | None:
        """Where the file lies; None for standard input."""
        return None if self.target == STANDARD_INPUT else str(Path(fspath(self.target)).resolve())

    @property
    def unit(self) -> str:
        """Files have lines."""
        return "line"

    def open(self, problems: Problems) -> CsvFeed:
        """Begin a pass; standard input has only one."""
        if self.target == STANDARD_INPUT and self._taken:
            raise JobError("standard input can be read only once; save it to a file first")
        self._taken.append(True)
        return CsvFeed(self, problems)


class CsvFeed:
    """One pass over a file, in a thread, a chunk at a time."""

    def __init__(self, source: CsvSource, problems: Problems) -> None:
        self._known = source.known
        self._problems = problems
        self._text = Text(source.target, source.label, problems)
        self._records = self._read()
        self._shape = Shape(header=None, only_sure=True)

    async def take(self, make: Make) -> list[Row] | None:
        """Make rows of the next chunk; None at the end."""
        return await _in_thread(partial(self._take, make), self._text.halt)

    def _take(self, make: Make) -> list[Row] | None:
        chunk = list(islice(self._records, CHUNK))
        return make(chunk, self._shape) if chunk else None

    def close(self) -> None:
        """Close the file."""
        self._text.close()

    # In the thread.

    def _read(self) -> Iterator[Record]:
        lines = self._text.lines()
        first = next((line for line in lines if line.strip()), None)
        declared = _DECLARED.fullmatch(first or "")
        if declared:
            first = next((line for line in lines if line.strip()), None)
        if first is None:
            return
        before = self._text.line - 1
        start = [first, *_rest_of_record(first, lines)]
        delimiter = declared[1] if declared else _delimiter("".join(start), self._known)
        reader = csv.reader(chain(start, lines), delimiter=delimiter, strict=True)
        records = self._parsed(reader, before)
        for line, cells in records:
            if line == 1 and not looks_like_a_name(cells[0]):
                self._shape = Shape(header=tuple(cells))
            elif (fitting := self._fitting(before + line, cells)) is not None:
                yield Record(before + line, fitting)

    def _parsed(self, reader: _Reader, before: int) -> Iterator[tuple[int, list[str]]]:
        """Give the records that are not blank, with the lines in which they begin."""
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._problems.add(_explained(error), before + line)
                if "field limit" in str(error):
                    return  # who knows where the next record begins
                continue
            if any(cells) and "".join(cells).strip():
                yield line, cells

    def _fitting(self, line: int, cells: list[str]) -> list[str] | None:
        """Give a record the width of the header; None if it has cells that would be lost."""
        if self._shape.header is None or len(cells) == (width := len(self._shape.header)):
            return cells
        if any(cell.strip() for cell in cells[width:]):
            text = f"{len(cells)} cells under a header of {width}; is a delimiter not in quotes?"
            self._problems.add(text, line)
            return None
        return [*cells[:width], *[""] * (width - len(cells))]


def _rest_of_record(first: str, lines: Iterator[str]) -> Iterator[str]:
    """Give the lines that belong to a first one, whose cells may hold line breaks in quotes."""
    quotes = first.count('"')
    for line in islice(lines, _TALLEST if quotes % 2 else 0):
        yield line
        quotes += line.count('"')
        if quotes % 2 == 0:
            return


def _delimiter(first: str, known: Callable[[str], bool]) -> str:
    """Guess by the first line: what gives the most names of columns, or of SIMs."""
    # A bare list; and where commas are decimal, 8,99E+19 is one cell, not two.
    if looks_like_a_name(first):
        return ";"
    return max(_DELIMITERS, key=lambda delimiter: _score(first, delimiter, known))


def _score(first: str, delimiter: str, known: Callable[[str], bool]) -> tuple[int, int]:
    cells = next(csv.reader(first.splitlines(keepends=True), delimiter=delimiter))
    named = looks_like_a_name(cells[0]) if cells else False
    return sum(known(squeezed(cell)) for cell in cells) + named, len(cells)


def _explained(error: csv.Error) -> str:
    text = str(error)
    if "end of data" in text:
        return "a quote that is opened here is never closed"
    if "field limit" in text:
        return f"a cell of more than {csv.field_size_limit():,} characters; is a quote not closed?"
    return f"quotes that do not fit ({text}); a quote inside a cell must be doubled"


async def _in_thread(work: Callable[[], T], halt: Callable[[], None]) -> T:
    """Run in a thread; if cancelled, let it come to its end first: it uses what is closed next."""
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        halt()
        await asyncio.wait([running])
        raise

"""Input sources: records in chunks, and the problems found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from attrs import frozen

from asyncsim.bulk.records import Row

CHUNK = 1000
"""Records read at once, and thus rows in the largest batch. It makes a thread switch and a
transaction per chunk cheap, and a million rows are never in memory."""
ABSENT = ""
"""Value of a column that a record leaves out: it changes nothing."""
_KEPT_PROBLEMS = 1000
"""A file with a million wrong rows must not fill the memory with messages."""


_SHOWN_LINES = 5  # enough to see a pattern; a message with all of them would be unreadable


class Record(NamedTuple):
    """One record of an input."""

    line: int
    """Line on which it begins; its number if the input has no lines."""
    values: Sequence[Any]
    """Values in the order of the header; without a header, the SIM's name comes first."""


@frozen(kw_only=True)
class Shape:
    """The common form of all records, known from the first one."""

    header: tuple[str, ...] | None
    """None: every record begins with a bare name."""
    vendor_columns: bool = False
    """The columns are those of the vendor's own records, so no one has chosen them."""
    strict_names: bool = False
    """A bare name must be a SID or an ICCID."""


BuildRows = Callable[[list[Record], Shape], list[Row]]
"""Turns records into rows; may be called in another thread."""


class SourceReader(Protocol):
    """One pass over a source."""

    async def read(self, build: BuildRows) -> list[Row] | None:
        """Build rows from the next chunk; None at the end."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class Source(Protocol):
    """An input that can be read."""

    @property
    def label(self) -> str:
        """Its name in messages."""
        ...

    @property
    def path(self) -> str | None:
        """Absolute path, if it is a file."""
        ...

    @property
    def unit(self) -> str:
        """The unit of a position in messages: `line` or `row`."""
        ...

    def open(self, problems: Problems) -> SourceReader:
        """Start a pass; JobError if it can be read only once and has been."""
        ...


class Problems:
    """Texts such as `line 5: status cannot be 'actve'`, in input order, and their count.

    Collected, so that all problems of a file can be fixed at once.
    """

    def __init__(self, unit: str = "line", most: int = _KEPT_PROBLEMS) -> None:
        self.unit = unit
        """The unit of a position in the input: `line` or `row`."""
        self.count = 0
        """The number of all problems, including those whose text is not kept."""
        self._most = most
        self._texts: list[tuple[int, str]] = []

    @property
    def texts(self) -> tuple[str, ...]:
        """The first ones, by line; those about the whole input come first."""
        return tuple(text for _, text in sorted(self._texts, key=lambda one: one[0]))

    def add(self, text: str, line: int | None = None) -> None:
        """Add a problem of one line, or of the whole input."""
        self.count += 1
        if len(self._texts) < self._most:
            place = "" if line is None else f"{self.unit} {line}: "
            self._texts.append((line or 0, f"{place}{text}"))

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[str]:
        """Iterate over the texts; the last one says how many more there are."""
        yield from self.texts
        if more := self.count - len(self._texts):
            yield f"and {more:,} more"

    def __repr__(self) -> str:
        return f"<Problems: {self.count:,}>"


class LineNumbers:
    """The first lines on which something occurs, and how many there are."""

    def __init__(self, unit: str) -> None:
        self.count = 0
        self._unit = unit
        self._first: list[int] = []

    def add(self, line: int) -> None:
        """Add a line."""
        self.count += 1
        if len(self._first) < _SHOWN_LINES:
            self._first.append(line)

    def __str__(self) -> str:
        return format_lines(self._first, self.count, self._unit)


def format_lines(lines: Sequence[int], count: int | None = None, unit: str = "line") -> str:
    """Return `lines 3, 4, 7`; `count` where `lines` holds only the first of them."""
    shown = lines[:_SHOWN_LINES]
    left = (count or len(lines)) - len(shown)
    more = f" and {left:,} more" if left else ""
    return f"{unit}{'s' if len(lines) > 1 else ''} {', '.join(map(str, shown))}{more}"

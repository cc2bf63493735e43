"""What every sort of input gives: one shape, then records in chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from attrs import frozen

from asyncsim.bulk.input.problems import Problems
from asyncsim.bulk.records import Row

CHUNK = 1000
"""Records that are taken at once, and so rows in the largest batch."""


ABSENT = ""
"""Value of a column that a record leaves out: nothing is asked."""


class Record(NamedTuple):
    """One record of an input."""

    line: int
    """Where it begins; of other input than files, its number."""
    values: Sequence[Any]
    """In the order of the header; of input without one, the name comes first."""


@frozen(kw_only=True)
class Shape:
    """What the first record says about all."""

    header: tuple[str, ...] | None
    """None: every record begins with a bare name."""
    shy: bool = False
    """Whether its columns are those of the vendor, so that nobody asked for them yet."""
    only_sure: bool = False
    """Whether a bare name must be a SID or an ICCID."""


Make = Callable[[list[Record], Shape], list[Row]]
"""Turns records into rows; may run in another thread."""


class Feed(Protocol):
    """One pass over an input."""

    async def take(self, make: Make) -> list[Row] | None:
        """Make rows of the next chunk; None at the end."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class Source(Protocol):
    """An input, and how to read it."""

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    @property
    def path(self) -> str | None:
        """Where it lies, if it is a file."""
        ...

    @property
    def unit(self) -> str:
        """What they call a place in it: `line` or `row`."""
        ...

    def open(self, problems: Problems) -> Feed:
        """Begin a pass; JobError if it can be read only once and has been."""
        ...

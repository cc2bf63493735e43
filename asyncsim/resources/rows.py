"""Rows of a page of which no more is read than SID and status, until somebody wants the record.

A sweep asks which SIMs are still pending, and of most rows nothing else
(benchmarks/cases/pages.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from attrs import define, frozen

from asyncsim.wire.pages import RawPage


@frozen(slots=False)
class Later:
    """What becomes of a page when the first of its records is wanted."""

    at_once: Callable[[], RawPage | None]
    """All records, if all rows are as documented: a walk mostly wants many of them."""
    plain: Callable[[], RawPage]
    """Else the rows as they came, so that a bad one spoils no other."""
    decode: Callable[[Any], Any]

    @cached_property
    def _records(self) -> Sequence[Any] | None:
        page = self.at_once()
        return None if page is None else page.rows

    @cached_property
    def _rows(self) -> Sequence[Any]:
        return self.plain().rows

    def record(self, place: int) -> Any:
        """Decode one row."""
        records = self._records
        return self.decode(self._rows[place]) if records is None else records[place]


@define(eq=False)  # not frozen: a sweep makes thousands of them
class NamedRow:
    """A row of which only the SID and the status have been read."""

    sid: str
    status: str
    _place: int
    _page: Later

    def record(self) -> Any:
        """Decode the rest."""
        return self._page.record(self._place)


def named_page(found: RawPage, later: Later) -> RawPage:
    """Name the rows of a page of which `straight.states_reader` has read the states."""
    rows = [NamedRow(row.sid, row.status, place, later) for place, row in enumerate(found.rows)]
    return RawPage(rows, found.next_page_url)

"""Rows of a page of which no more than the SID is read, until somebody wants the record.

A sweep asks which SIMs are still pending, and of most rows nothing else
(benchmarks/cases/pages.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from attrs import frozen

from asyncsim.wire import straight
from asyncsim.wire.pages import RawPage


class _Later:
    """A page to be decoded when the first of its records is wanted."""

    def __init__(self, decode: Callable[[], RawPage]) -> None:
        self._decode = decode

    @cached_property
    def records(self) -> list[Any]:
        return list(self._decode().rows)


@frozen
class NamedRow:
    """A row of which only the SID has been read."""

    sid: str
    _place: int
    _page: _Later

    def record(self) -> Any:
        """Decode it, and its whole page the first time: a walk mostly wants more of it."""
        return self._page.records[self._place]


def named_page(key: str, body: bytes, decode: Callable[[], RawPage]) -> RawPage | None:
    """Read a page's SIDs; `decode` makes records of the page. None if it cannot be read so."""
    found = straight.sids_reader(key)(body)
    if found is None:
        return None
    later = _Later(decode)
    rows = [NamedRow(row.sid, place, later) for place, row in enumerate(found.rows)]
    return RawPage(rows, found.next_page_url)

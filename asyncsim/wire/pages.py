"""List envelopes: `{"<key>": [...], "meta": {...}}`. The same in all four OpenAPI documents."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from textwrap import shorten
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from asyncsim.errors import DecodeError


@frozen(eq=False, repr=False)
class BadRecord:
    """A row of a page that cannot be read."""

    index: int
    """Its place in the page, from 0."""
    raw: Any
    """The row as the vendor sent it: the JSON object, or whatever stood in its place."""
    error: DecodeError
    """What is wrong with it; `error.sid` is its SID, None where it names none."""

    def __repr__(self) -> str:
        return f"<BadRecord {self.index}: {shorten(str(self.error), 120, placeholder='...')}>"


@frozen
class RawPage:
    """A page; what its rows are, who asked for it knows."""

    rows: Sequence[Any]
    next_page_url: str | None
    """Opaque; only its query is ever used."""
    bad: tuple[BadRecord, ...] = ()
    """Rows that are not among `rows`, because they cannot be read."""

    @property
    def next_query(self) -> str | None:
        """Query of the next page, exactly as sent; None on the last page."""
        return urlsplit(self.next_page_url).query if self.next_page_url else None

    @property
    def next_origin(self) -> str | None:
        """Scheme and host which the next page's URL names."""
        if not self.next_page_url:
            return None
        parts = urlsplit(self.next_page_url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}" if host else None


def _splits(url: object) -> bool:
    try:
        return isinstance(url, str) and bool(urlsplit(url))
    except ValueError:  # half an IPv6 address
        return False


def decode_page(value: Any, key: str) -> RawPage:
    """Read an envelope whose rows stand under `key`, or under what its meta names."""
    if not isinstance(value, Mapping):
        raise DecodeError(f"page of {key}", f"an object was expected, not {type(value).__name__}")
    meta = value.get("meta") or {}
    if not isinstance(meta, Mapping):
        raise DecodeError(f"page of {key}", f"its meta is a {type(meta).__name__}")
    name = key if key in value else str(meta.get("key"))
    rows = value.get(name)
    if rows is None and name in value:
        rows = []  # null for an empty list, as Go writes it
    if not isinstance(rows, list):
        raise DecodeError(f"page of {key}", f"it has no list under {key!r}")
    return page_of(rows, meta.get("next_page_url"), key)


def page_of(rows: Sequence[Any], following: object, key: str) -> RawPage:
    """Make a page; `DecodeError` for a URL of the next one that is none."""
    if following is not None and not _splits(following):
        raise DecodeError(f"page of {key}", f"next_page_url is {reprlib.repr(following)}")
    return RawPage(rows, str(following) if following else None)


def read_rows(page: RawPage, read: Callable[[Any], Any]) -> RawPage:
    """Make records of a page's rows; one that cannot be read spoils no other."""
    good, bad = [], []
    for index, row in enumerate(page.rows):
        try:
            good.append(read(row))
        except DecodeError as error:
            bad.append(BadRecord(index, row, error))
    return RawPage(good, page.next_page_url, tuple(bad))

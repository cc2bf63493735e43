"""List envelopes: `{"<key>": [...], "meta": {...}}`. The same in all four OpenAPI documents."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from textwrap import shorten
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from attrs import frozen

from asyncsim.errors import DecodeError


@frozen(eq=False, repr=False)
class BadRecord:
    """An unreadable row of a page."""

    index: int
    """Its index in the page, from 0."""
    raw: Any
    """The row as the vendor sent it: the JSON object, or any other value in its place."""
    error: DecodeError
    """What is wrong with it; `error.sid` is its SID, None if there is no SID."""

    def __repr__(self) -> str:
        return f"<BadRecord {self.index}: {shorten(str(self.error), 120, placeholder='...')}>"


_UNQUOTED = re.compile(r"[^\x21-\x7e]+")


@frozen
class RawPage:
    """A page of rows: JSON objects or records, depending on its decoder."""

    rows: Sequence[Any]
    next_page_url: object
    """Opaque: only its query is used, and only parsed when the next page is requested."""
    bad: tuple[BadRecord, ...] = ()
    """Unreadable rows, which are not among `rows`."""

    @property
    def next_query(self) -> str | None:
        """Query of the next page, as sent; None on the last one. DecodeError if it is not a URL."""
        return self._next.query if self.next_page_url else None

    @property
    def next_origin(self) -> str | None:
        """Scheme and host in the next page's URL."""
        if not self.next_page_url:
            return None
        host = self._next.netloc.rpartition("@")[2]
        return f"{self._next.scheme}://{host}" if host else None

    @property
    def _next(self) -> SplitResult:
        try:
            if isinstance(self.next_page_url, str):
                # Invalid characters are percent-encoded; `urlsplit` would drop some of them.
                url = self.next_page_url.strip()
                return urlsplit(_UNQUOTED.sub(lambda one: quote(one[0], errors="replace"), url))
        except ValueError:  # a broken IPv6 address
            pass
        reason = f"its next_page_url is {reprlib.repr(self.next_page_url)}"
        raise DecodeError("next page of a list", reason)


def decode_page(value: Any, key: str) -> RawPage:
    """Read an envelope with its rows under `key`, or under the key that its meta names."""
    if not isinstance(value, Mapping):
        raise DecodeError(f"page of {key}", f"expected an object, got {type(value).__name__}")
    meta = value.get("meta") or {}
    if not isinstance(meta, Mapping):
        raise DecodeError(f"page of {key}", f"its meta is a {type(meta).__name__}")
    name = key if key in value else str(meta.get("key"))
    rows = value.get(name)
    if rows is None and name in value:
        rows = []  # null for an empty list, as Go writes it
    if not isinstance(rows, list):
        raise DecodeError(f"page of {key}", f"it has no list under {key!r}")
    return RawPage(rows, meta.get("next_page_url") or None)


def read_rows(page: RawPage, read: Callable[[Any], Any]) -> RawPage:
    """Read rows into records; an unreadable one goes to `bad` and does not affect others."""
    good, bad = [], []
    for index, row in enumerate(page.rows):
        try:
            good.append(read(row))
        except DecodeError as error:
            bad.append(BadRecord(index, row, error))
    return RawPage(good, page.next_page_url, tuple(bad))

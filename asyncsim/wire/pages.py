"""List envelopes: `{"<key>": [...], "meta": {...}}`. The same in all four OpenAPI documents."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from asyncsim.errors import DecodeError


@frozen
class RawPage:
    """A page; what its rows are, who asked for it knows."""

    rows: Sequence[Any]
    next_page_url: str | None
    """Opaque; only its query is ever used."""

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

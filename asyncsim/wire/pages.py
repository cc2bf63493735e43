"""List envelopes: `{"<key>": [...], "meta": {...}}`. Source: API facts, section 6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from asyncsim.errors import DecodeError


@frozen
class RawPage:
    """A page before its rows are records."""

    rows: list[Any]
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
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None


def decode_page(value: Any, key: str) -> RawPage:
    """Read an envelope whose rows stand under `key`, or under what its meta names."""
    if not isinstance(value, Mapping):
        raise DecodeError(f"page of {key}", f"an object was expected, not {type(value).__name__}")
    meta = value.get("meta") or {}
    rows = value.get(key, value.get(meta.get("key", key)))
    if not isinstance(rows, list):
        raise DecodeError(f"page of {key}", f"it has no list under {key!r}")
    following = meta.get("next_page_url")
    if following is not None and not isinstance(following, str):
        raise DecodeError(f"page of {key}", f"next_page_url is {following!r}")
    return RawPage(rows, following or None)

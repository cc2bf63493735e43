"""What the records and keywords of several kinds share."""

from __future__ import annotations

from typing import Literal, TypedDict

HttpMethod = Literal["GET", "POST"]


class PageParams(TypedDict, total=False):
    """Keywords of every list."""

    page_size: int
    """Rows in a page, 1 to 1000; 50 unless given."""
    page: int
    """Page index; for the client's own book-keeping only, the token decides."""
    page_token: str
    """Opaque token from a `next_page_url`."""


class VendorRecord:
    """Base of all records: how a notebook shows them."""

    __slots__ = ()  # else every record would have a __dict__

    def _repr_html_(self) -> str:
        from asyncsim import reprs

        return reprs.record_html(self)

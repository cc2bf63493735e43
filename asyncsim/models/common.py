"""Keywords shared by several kinds."""

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

"""Lists, as the watcher is given them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol


class Row(Protocol):
    """What a sweep needs of a row."""

    @property
    def sid(self) -> str:
        """Whose row it is."""
        ...

    @property
    def status(self) -> str | None:
        """What it is in; None where the vendor shows none."""
        ...


class RowPage(Protocol):
    """A page whose rows are decoded only if somebody wants them."""

    @property
    def rows(self) -> Sequence[Row]:
        """All rows, in the order in which they are listed."""
        ...

    def record(self, place: int, /) -> Any:
        """Decode the row at that place; `DecodeError` spoils this one only."""
        ...


class Rows(Protocol):
    """Lists rows page by page, with an optional status filter."""

    def __call__(self, status: str | None, /) -> AsyncGenerator[RowPage, None]:
        """Iterate over pages of rows."""
        ...

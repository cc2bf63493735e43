"""Lists, as the watcher is given them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol


class Row(Protocol):
    """One row of a list, decoded only if somebody wants it."""

    @property
    def sid(self) -> str:
        """Whose row it is."""
        ...

    @property
    def status(self) -> str:
        """What it is in."""
        ...

    def record(self) -> Any:
        """Decode the row."""
        ...


class Rows(Protocol):
    """Lists rows page by page, with an optional status filter."""

    def __call__(self, status: str | None, /) -> AsyncGenerator[Sequence[Row], None]:
        """Iterate over pages of rows."""
        ...

"""Pages of which no more is read than each row's SID and status, until somebody wants a record.

A sweep asks which SIMs are still pending, and of most rows nothing else; a walk through a large
list wants few of its records (benchmarks/cases/pages.py, benchmarks/cases/growth.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from attrs import field, frozen

from asyncsim.wire.pages import RawPage


@frozen
class State:
    """What a sweep needs of a row."""

    sid: str
    """Empty where the row names none: then it is nobody's."""
    status: str | None


@frozen
class StatePage(RawPage):
    """A page whose rows have a `sid` and a `status`, and what makes records of them."""

    # Each by itself: before attrs 25.4, `kw_only` of a class is also that of what it inherits.
    sources: Callable[[], Sequence[Any]] = field(kw_only=True)
    """All rows, as `decode` reads them; asked for once, when the first record is wanted."""
    decode: Callable[[Any], Any] = field(kw_only=True)

    @cached_property
    def _sources(self) -> Sequence[Any]:
        return self.sources()

    def record(self, place: int) -> Any:
        """Decode one row; a bad one spoils no other."""
        return self.decode(self._sources[place])

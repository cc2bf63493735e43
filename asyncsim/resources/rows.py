"""Pages of which no more is read than each row's SID and status, until somebody wants a record.

A sweep asks which SIMs are still pending, and of most rows nothing else; a walk through a large
list wants few of its records (benchmarks/cases/pages.py, benchmarks/cases/growth.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from attrs import frozen

from asyncsim.wire.pages import RawPage


@frozen
class State:
    """What a sweep needs of a row."""

    sid: str
    """Empty where the row names none: then it is nobody's."""
    status: str | None


@frozen(kw_only=True)
class StatePage(RawPage):
    """A page whose rows have a `sid` and a `status`, and what makes records of them."""

    sources: Callable[[], Sequence[Any]]
    """All rows, as `decode` reads them; asked for once, when the first record is wanted."""
    decode: Callable[[Any], Any]

    @cached_property
    def _sources(self) -> Sequence[Any]:
        return self.sources()

    def record(self, place: int) -> Any:
        """Decode one row; a bad one spoils no other."""
        return self.decode(self._sources[place])

"""How one SIM of many ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from attrs import frozen

from asyncsim.events import SettledBy

T = TypeVar("T")


@frozen(kw_only=True)
class Outcome(Generic[T]):
    """The end of one SIM's change in `update_many`; `error` is None when it reached its target."""

    sid: str
    """As it was addressed: SID or unique name."""
    requested: Mapping[str, Any]
    """The change as it was given."""
    sim: T | None
    """The record as last seen. None when no response ever came; or, with an error, when no read
    has succeeded since: the records of pending SIMs are not kept."""
    error: Exception | None
    settled_by: SettledBy | None = None
    """How the end became known; None when the change was rejected or never sent."""
    confirmed: bool = False
    """Whether a read or a list row showed it; False: a signed callback alone said so."""
    requests: int = 0
    """POSTs and single reads for this SIM; sweeps are shared by all and not counted here."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the target was reached."""
        return self.error is None

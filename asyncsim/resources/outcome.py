"""Outcome of one SIM's change in a fan-out."""

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
    """The addressed name: SID or unique name."""
    requested: Mapping[str, Any]
    """The requested change."""
    sim: T | None
    """The record last seen. None if no response ever came; or, with an error, if no read
    has succeeded since: the records of pending SIMs are not kept."""
    error: Exception | None
    settled_by: SettledBy | None = None
    """How the end was detected; None if the change was rejected or never sent."""
    confirmed: bool = False
    """Whether a read or a list row confirmed it; False: only a signed callback did."""
    requests: int = 0
    """POSTs and single reads for this SIM; sweeps are shared by all and not counted here."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the target was reached."""
        return self.error is None

    def _repr_html_(self) -> str:
        from asyncsim import reprs

        return reprs.outcome_html(self)

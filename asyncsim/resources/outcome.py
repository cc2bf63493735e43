"""How one SIM of many ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from attrs import frozen

from asyncsim.events import SettledBy

T = TypeVar("T")


@frozen(kw_only=True)
class Outcome(Generic[T]):
    """The end of one SIM's change in `update_many`; `error` is None when it reached its goal."""

    sid: str
    """As it was addressed: SID or unique name."""
    requested: Mapping[str, Any]
    """The change as it was given."""
    sim: T | None
    """The record as last seen; None when there never was an answer, or, beside an error, when no
    read has succeeded since: of pending SIMs the records are not kept."""
    error: Exception | None
    settled_by: SettledBy | None
    """What told of the end; None when the change was refused or never sent."""
    confirmed: bool
    """Whether a read or a list row showed it; False: a signed callback alone said so."""
    requests: int
    """POSTs and single reads for this SIM; sweeps are shared by all and counted nowhere here."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the goal was reached."""
        return self.error is None


def refused(sid: str, requested: Mapping[str, Any], error: Exception) -> Outcome[Any]:
    """Make the outcome of a change for which nothing was sent."""
    return Outcome(
        sid=sid,
        requested=requested,
        sim=None,
        error=error,
        settled_by=None,
        confirmed=False,
        requests=0,
        seconds=0.0,
    )

"""History of a world: everything that the auditor judges by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from tests.simulation.gateway import Exchange


@define
class Attempt:
    """One attempt of a process to reach a goal."""

    began: float
    ended: float | None = None
    error: Exception | None = None
    ok: bool = False
    resumed: bool = False
    """Whether it only resumed the wait of an earlier process, from its token."""


@define(eq=False)
class Goal:
    """What is wanted for one SIM: a change, a text, a registration (by ICCID), a deletion."""

    sid: str
    change: Mapping[str, Any]
    attempts: list[Attempt] = field(factory=list)
    state: str | None = None
    """Its final state in a job's journal."""
    error: str | None = None
    """Class name of its error in the journal."""
    reported: list[tuple[float, str]] = field(factory=list)
    """Times and states that a job reported."""
    token: str | None = None
    """The stored token of a prepared update whose outcome is unknown."""

    @property
    def is_over(self) -> bool:
        """Whether no further attempt is made: it is reached, or was finally rejected."""
        return self.is_reached or bool(self.attempts and _is_final(self.attempts[-1].error))

    @property
    def is_reached(self) -> bool:
        """Whether the last attempt reported success."""
        return bool(self.attempts and self.attempts[-1].ok)


def _is_final(error: Exception | None) -> bool:
    """Whether a user who reads the error would not simply retry."""
    return type(error).__name__ in ("TransitionFailed", "BadRequest", "NotFound", "OutcomeUnknown")


@define
class StateChange:
    """A change of a SIM at the vendor."""

    time: float
    sid: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


@define
class History:
    """Everything that happened in one world."""

    exchanges: list[Exchange] = field(factory=list)
    state_changes: list[StateChange] = field(factory=list)
    goals: list[Goal] = field(factory=list)
    names: dict[str, str] = field(factory=dict)
    """Name of a Fleet or RatePlan to its SID."""
    changed_by_others: set[str] = field(factory=set)
    """SIDs of SIMs that the other user has changed."""
    disturbed: bool = False
    """Whether a partition, a reset or a kill of the vendor may have lost a request."""
    kills: list[float] = field(factory=list)
    """Times at which the client's process was killed."""
    vendor_kills: int = 0
    errors: list[str] = field(factory=list)
    """Exceptions that a process should not have ended with."""
    lines: list[str] = field(factory=list)
    """The log in words, for a world that is printed."""
    ended: float | None = None
    """When all work was done."""
    existing: set[str] = field(factory=set)
    """SIDs and ICCIDs of all SIMs that exist in the end."""

    def changes_of(self, sid: str) -> list[StateChange]:
        """The state changes of a SIM, oldest first."""
        return [change for change in self.state_changes if change.sid == sid]

    def at(self, sid: str, moment: float) -> Mapping[str, Any] | None:
        """The state of a SIM at a time; None before it existed."""
        found = None
        for change in self.state_changes:
            if change.sid == sid and (change.time <= moment or found is None):
                found = change.after
            elif change.time > moment and found is not None:
                break
        return found

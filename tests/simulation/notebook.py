"""What the world writes down while it runs: all that the auditor is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from tests.simulation.edge import Exchange


@define
class Try:
    """One time that a process set out to fulfil a wish."""

    began: float
    ended: float | None = None
    error: Exception | None = None
    ok: bool = False


@define(eq=False)
class Wish:
    """What somebody wants for one SIM: a change, a text, a registration (by ICCID), a deletion."""

    sid: str
    change: Mapping[str, Any]
    tries: list[Try] = field(factory=list)
    state: str | None = None
    """In which a job's journal has it in the end."""
    error: str | None = None
    """Class name of the error that the journal has of it."""
    told: list[tuple[float, str]] = field(factory=list)
    """When a job told of which state."""

    @property
    def is_over(self) -> bool:
        """Whether nobody tries any more: fulfilled, or refused for good."""
        return self.is_fulfilled or bool(self.tries and _is_final(self.tries[-1].error))

    @property
    def is_fulfilled(self) -> bool:
        """Whether the last that was heard of it is that it is fulfilled."""
        return bool(self.tries and self.tries[-1].ok)


def _is_final(error: Exception | None) -> bool:
    """Whether a user who reads the error would not simply run it again."""
    return type(error).__name__ in ("TransitionFailed", "BadRequest", "NotFound", "OutcomeUnknown")


@define
class Move:
    """A SIM has changed at the vendor."""

    time: float
    sid: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


@define
class Notebook:
    """The whole story of one world."""

    exchanges: list[Exchange] = field(factory=list)
    moves: list[Move] = field(factory=list)
    wishes: list[Wish] = field(factory=list)
    names: dict[str, str] = field(factory=dict)
    """SIDs of Fleets and RatePlans by their names."""
    touched: set[str] = field(factory=set)
    """SIMs that somebody else has changed."""
    disturbed: bool = False
    """Whether a partition, a reset or the vendor's death may have lost what was sent."""
    deaths: list[float] = field(factory=list)
    vendor_deaths: int = 0
    complaints: list[str] = field(factory=list)
    """What a process ended with that it should not end with."""
    lines: list[str] = field(factory=list)
    """The story in words; kept only where somebody reads it."""
    ended: float | None = None
    """When all work was done."""
    there: set[str] = field(factory=set)
    """SIDs and ICCIDs of all SIMs that there are in the end."""

    def history(self, sid: str) -> list[Move]:
        """What a SIM went through, oldest first."""
        return [move for move in self.moves if move.sid == sid]

    def at(self, sid: str, moment: float) -> Mapping[str, Any] | None:
        """What a SIM was at a moment; None before it was there."""
        found = None
        for move in self.moves:
            if move.sid == sid and (move.time <= moment or found is None):
                found = move.after
            elif move.time > moment and found is not None:
                break
        return found

"""What a wait waits for, and what a record says about it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from attrs import Factory, field, frozen

from asyncsim.core.graph import follows_by_itself, has_passed, leads_through
from asyncsim.kind import Kind


class GoalStatus(enum.Enum):
    """Where a record stands relative to the goal."""

    PENDING = "pending"
    """The vendor is still at it."""
    REACHED = "reached"
    INTERMEDIATE = "intermediate"
    """Settled on the way: the vendor goes on to the goal by itself."""
    OFF_TARGET = "off target"
    """Settled, and not at the goal."""
    FAILED = "failed"
    """Settled in a status that says that it did not work out."""


def _expected(goal: Goal) -> Mapping[str, Any]:
    compared = goal.kind.compared
    return {
        compared[keyword]: value
        for keyword, value in goal.requested.items()
        if keyword in compared and not (keyword == "status" and goal.until is not None)
    }


def _resets(goal: Goal) -> bool:
    return "reset_status" in goal.requested


@frozen(eq=False)
class Goal:
    """The end of a transition; shared by all waits that want the same."""

    kind: Kind[Any]
    requested: Mapping[str, Any] = field(factory=dict)
    """Keywords as sent, with names of Fleets and RatePlans already replaced by their SIDs."""
    until: frozenset[str] | None = None
    """Statuses to go on to, instead of the one requested."""
    expected: Mapping[str, Any] = field(init=False, default=Factory(_expected, takes_self=True))
    resets: bool = field(init=False, default=Factory(_resets, takes_self=True))

    @cached_property
    def status_only(self) -> bool:
        """Whether a status alone tells that it is reached, so that a callback can."""
        return set(self.expected) <= {"status"} and self.wants_status and not self.resets

    @property
    def wants_status(self) -> bool:
        """Whether some status in particular is asked for."""
        return self.until is not None or "status" in self.expected

    @property
    def moves(self) -> bool:
        """Whether it asks for another account, where this one can no longer read it."""
        return "account_sid" in self.requested

    @cached_property
    def targets(self) -> frozenset[str]:
        """The statuses that would do; empty: any settled one."""
        if self.until is not None:
            return self.until
        return frozenset({self.expected["status"]}) if "status" in self.expected else frozenset()

    @property
    def described(self) -> Mapping[str, Any]:
        """What was asked for, for messages and outcomes."""
        if self.until is None:
            return self.requested
        return {**self.requested, "until": ", ".join(sorted(self.until))}

    def is_pending(self, record: Any) -> bool:
        """Whether the vendor is still working on it, as far as anybody can tell.

        A status that is neither known to be pending nor to be final tells of no settled SIM, and
        nor does null, which KORE's documents allow.
        """
        return not self.kind.is_final(record.status) or self._is_resetting(record)

    def is_swept_for(self, record: Any) -> bool:
        """Whether a list of the known pending statuses would show it."""
        return record.status in self.kind.pending or self.kind.is_final(record.status)

    def _is_resetting(self, record: Any) -> bool:
        return self.resets and record.reset_status == "resetting"

    def judge(self, record: Any) -> GoalStatus:
        """Tell where a record stands."""
        if self.until is not None and record.status in self.until:
            pass  # a goal may name a pending status
        elif self.is_pending(record):
            return GoalStatus.PENDING
        elif record.status in self.kind.failures:
            return GoalStatus.FAILED
        elif self.until is not None:
            return self._beside(record.status, self.until)
        elif leads_through(self.kind, record.status, self.expected.get("status")):
            return GoalStatus.INTERMEDIATE
        return GoalStatus.REACHED if self._shows(record, self.expected) else GoalStatus.OFF_TARGET

    def _beside(self, status: str, until: frozenset[str]) -> GoalStatus:
        """Judge a settled status that is not in `until`."""
        if has_passed(self.kind, status, until):
            return GoalStatus.REACHED
        onward = follows_by_itself(self.kind, status, until)
        return GoalStatus.INTERMEDIATE if onward else GoalStatus.OFF_TARGET

    def is_taken_up(self, record: Any) -> bool:
        """Whether a record shows that what was requested was accepted: pending, or applied.

        Whatever `until` says: that comes after. False where a record cannot show it.
        """
        compared = self.kind.compared
        shown = {compared[key]: value for key, value in self.requested.items() if key in compared}
        return self.is_pending(record) or (bool(shown) and self._shows(record, shown))

    def _shows(self, record: Any, expected: Mapping[str, Any]) -> bool:
        return all(
            _same(getattr(record, name), value)
            or (name == "status" and self._went_on(value, record.status))
            for name, value in expected.items()
        )

    def _went_on(self, asked: str, shown: str) -> bool:
        # `ready` was reached and has already become `active` by itself: not a failure.
        return follows_by_itself(self.kind, asked, {shown})


def _same(shown: Any, asked: Any) -> bool:
    # Clearing is asked for with None or ""; the vendors show either (Twilio's own examples do).
    return shown == asked or (shown in (None, "") and asked in (None, ""))

"""Wait for a prepared update, of which it may be unknown whether it was ever sent.

Another process may have died before it sent the change, while the request was in flight, or
afterwards; it may also be alive and about to send it. So a SIM that is not at the target proves
nothing, not even if it has changed since: another client may have done that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from asyncsim.core.goal import GoalStatus
from asyncsim.core.transition import LONGEST_HOLD, SOON, NextStep, Transition
from asyncsim.events import SettledBy
from asyncsim.wait_errors import PerhapsNeverSent


@frozen
class Before:
    """A SIM as it was when the change was prepared."""

    status: str | None
    date_updated: datetime | None

    def differs(self, record: Any) -> bool:
        """Tell whether a record shows any change since then; an older one shows none."""
        before, shown = self.date_updated, record.date_updated
        if before is None or shown is None or before == shown:  # dates have whole seconds
            return bool(record.status != self.status)
        return bool(shown > before)


@define(eq=False, repr=False, kw_only=True, weakref_slot=False)
class PreparedTransition(Transition):
    """A wait for a prepared update.

    Until it is `proven` that the change was accepted, only the target, or the deadline, ends it.
    """

    before: Before
    proven: bool = False
    """Whether the change is known to have been accepted: by its response, or by its callback."""
    on_seen: Callable[[Any], None] | None = None
    """Called with each record, in the order in which they are learnt."""
    traced: bool = field(init=False, default=False)
    """Whether the SIM has changed since the update was prepared."""

    def callback_received(
        self, status: str | None, now: float, *, current: bool = True, **more: Any
    ) -> NextStep:
        """Process a callback: one with the ticket of this change proves that it was accepted."""
        self.proven |= current and self.nonce is not None
        return super().callback_received(status, now, current=current, **more)

    def _take(self, record: Any, now: float, source: SettledBy) -> NextStep:
        resetting = self.goal.resets_connectivity and self.goal.is_pending(record)
        self.traced |= resetting or self.before.differs(record)
        if self.on_seen is not None:
            self.on_seen(record)
        shows_nothing = not self.goal.expected and self.goal.until is None
        if (
            shows_nothing
            and not (self.proven or self.traced)
            and self.goal.evaluate(record) is GoalStatus.REACHED
        ):
            # Such as a connectivity reset: the SIM looks the same before and after it.
            self.last, self.status = record, record.status
            return self._look_again(now)
        return super()._take(record, now, source)

    def _missed(self, record: Any, now: float, source: SettledBy) -> NextStep:
        if self.proven:
            return super()._missed(record, now, source)
        return self._look_again(now)

    def _look_again(self, now: float) -> NextStep:
        """Read it later: in half the time since the change was prepared, as for a stale copy."""
        self.evidence = None
        age = 0.0 if self.accepted_at is None else now - self.accepted_at
        return self._hold(now + max(SOON, min(age / 2, LONGEST_HOLD)))

    def time_out(self, now: float, cause: Exception | None = None) -> None:
        """End at the deadline; without any trace of the change it was perhaps never sent."""
        # Without a successful last read, or with a stale copy, its state by now is unknown.
        known = self.last is not None and self.last_error is None and self._moved(self.last) >= 0
        if not known or cause is not None or self.traced or self.proven:
            super().time_out(now, cause)
            return
        error = PerhapsNeverSent(
            self.label,
            self.goal.description,
            self.last,
            now - self.started,
            status_before=self.before.status,
            date_before=self.before.date_updated,
        )
        self.abort(error)


def unproven(wait: Transition) -> Before | None:
    """Return how the SIM was before a change that may never have been sent; else None."""
    if not isinstance(wait, PreparedTransition) or wait.proven:
        return None
    # Not `done`: a wait that was cancelled is, too.
    return None if wait.settled_by is not None else wait.before

"""What was last accepted for each SIM, so that a later `await_transition` knows its target."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from attrs import define, field

from asyncsim.core.goal import Goal

# More than anybody changes within the hour that one is kept; what is forgotten has no target left.
_MOST = 100_000
_SECONDS = 3600.0


@define(eq=False)  # one for each change: to freeze it would take longer than to make it
class Accepted:
    """An accepted change; `answered_at` is the clock's, `answer_date` the vendor's."""

    goal: Goal
    answered_at: float
    answer_date: datetime | None
    nonce: str | None = field(repr=False)
    addressed: str | None = None
    """The name in its ticket: kept callbacks are found under it."""


class Memory:
    """Bounded and expiring; keyed by SID, and by the name that was used."""

    def __init__(self) -> None:
        self._accepted: OrderedDict[str, Accepted] = OrderedDict()

    def keep(self, accepted: Accepted, *names: str) -> None:
        """Remember a change under each name, in place of what was remembered before."""
        for name in names:
            self._accepted.pop(name, None)
            self._accepted[name] = accepted
        while len(self._accepted) > _MOST:
            self._accepted.popitem(last=False)

    def find(self, name: str, now: float) -> Accepted | None:
        """Recall a change that was accepted within the last hour."""
        found = self._accepted.get(name)
        if found is not None and now - found.answered_at > _SECONDS:
            del self._accepted[name]
            return None
        return found

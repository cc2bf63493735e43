"""What was last accepted for each SIM, so that a later `await_transition` knows its target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from attrs import define, field

from asyncsim.core.goal import Goal

_MOST = 100_000  # names; the last half of them at least
_BITS = 1 << 23  # a megabyte: of a million names, 2 % of others look as if they were among them
_PLACES = 5
_MOST_SEEN = 50_000


@define  # one for each change: to freeze it would take longer than to make it
class AcceptedChange:
    """An accepted change; `accepted_at` is the clock's, `response_date` the vendor's."""

    goal: Goal
    accepted_at: float
    response_date: datetime | None
    nonce: str | None = field(repr=False)
    ticket_name: str | None = None
    """The name in its ticket: kept callbacks are found under it."""
    sid: str | None = None
    """Whose change it is, whoever has the name by now."""


@define
class _Generation:
    """What is remembered of some names, a dictionary for each part of it.

    The garbage collector goes through all objects of ours there are, again and again. These
    values are none of its business, so that 100,000 of them cost no later update any time
    (benchmarks/cases/growth.py).
    """

    goals: dict[str, Goal] = field(factory=dict)
    accepted_at: dict[str, float] = field(factory=dict)
    response_dates: dict[str, datetime | None] = field(factory=dict)
    nonces: dict[str, str | None] = field(factory=dict, repr=False)
    ticket_name: dict[str, str | None] = field(factory=dict)
    sids: dict[str, str | None] = field(factory=dict)

    def remember(self, name: str, accepted: AcceptedChange) -> None:
        """Remember a change."""
        self.goals[name] = accepted.goal
        self.accepted_at[name] = accepted.accepted_at
        self.response_dates[name] = accepted.response_date
        self.nonces[name] = accepted.nonce
        self.ticket_name[name] = accepted.ticket_name
        self.sids[name] = accepted.sid

    def find(self, name: str) -> AcceptedChange | None:
        """Recall a change."""
        if name not in self.goals:
            return None
        return AcceptedChange(
            self.goals[name],
            self.accepted_at[name],
            self.response_dates[name],
            self.nonces[name],
            self.ticket_name[name],
            self.sids[name],
        )


class _Forgotten:
    """Names whose changes are not remembered any more: a Bloom filter.

    It says yes to all of them, and to few others. Who is taken for one of them by mistake has to
    say what to wait for; who was one of them never gets "any settled status" for an answer.
    """

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, names: Iterable[str]) -> None:
        """Take note of names."""
        if not self._bits:
            self._bits = bytearray(_BITS // 8)
        for name in names:
            for place in _places(name):
                self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, name: str) -> bool:
        return bool(self._bits) and all(
            self._bits[place >> 3] >> (place & 7) & 1 for place in _places(name)
        )


def _places(name: str) -> Iterator[int]:
    first, step = divmod(hash(name) & (1 << 62) - 1, 1 << 31)
    return ((first + number * (step | 1)) % _BITS for number in range(_PLACES))


class AcceptedChanges:
    """Bounded by number, never by time; keyed by SID, and by the name that was used."""

    def __init__(self) -> None:
        self._young = _Generation()
        self._old = _Generation()
        self._forgotten = _Forgotten()

    def __len__(self) -> int:
        """How many changes there may be at most, each counted for each of its names."""
        return len(self._young.goals) + len(self._old.goals)

    def remember(self, accepted: AcceptedChange, *names: str) -> None:
        """Remember a change under each name, in place of what was remembered before."""
        for name in names:
            self._young.remember(name, accepted)
        if len(self._young.goals) >= _MOST // 2:
            # The older half is forgotten in one go: one by one would keep an order of all.
            self._forgotten.add(name for name in self._old.goals if name not in self._young.goals)
            self._old, self._young = self._young, _Generation()

    def find(self, name: str) -> AcceptedChange | None:
        """Recall a change; whoever asks for one that is old has it remembered for longer."""
        found = self._young.find(name)
        if found is None and (found := self._old.find(name)) is not None:
            self.remember(found, name)
        return found

    def update_date(self, name: str, date: datetime | None) -> None:
        """Take note that what a change has led to bears this date: what is older is a copy."""
        for generation in (self._young, self._old):
            if name in generation.goals:
                known = generation.response_dates[name]
                if date is not None and (known is None or known < date):
                    generation.response_dates[name] = date
                return

    def may_have_forgotten(self, name: str) -> bool:
        """Whether a change of this name may have been remembered once."""
        return name in self._forgotten


class SeenRecords:
    """Which records this client has seen, by SID and unique name; bounded, the latest ones.

    Kept as hashes, a fifth of what the names would weigh. Should two share one, a 404 is believed
    some seconds later.
    """

    def __init__(self) -> None:
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, record: Any) -> None:
        """Take note of a record out of a response of success."""
        self._young.add(hash(record.sid))
        name = getattr(record, "unique_name", None)
        if name:
            self._young.add(hash(name))
        if len(self._young) >= _MOST_SEEN:
            self._old, self._young = self._young, set()

    def __contains__(self, name: str) -> bool:
        return hash(name) in self._young or hash(name) in self._old

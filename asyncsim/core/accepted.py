"""Cache of accepted changes: how a later `await_transition` knows what to wait for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from attrs import define, field

from asyncsim.core.goal import Goal

_CAPACITY = 100_000  # names; at least the newer half of them is kept
_BLOOM_BITS = 1 << 23  # 1 MB: with a million names in it, 2 % of others are taken for one of them
_BLOOM_HASHES = 5
_SEEN_CAPACITY = 50_000  # records, of which the newer half at least is known


@define  # not frozen: one is made for each update, and freezing would double its cost
class AcceptedChange:
    """An accepted change; `accepted_at` is the clock's, `response_date` the vendor's."""

    goal: Goal
    accepted_at: float
    response_date: datetime | None
    nonce: str | None = field(repr=False)
    ticket_name: str | None = None
    """The name in its ticket: callbacks that arrived before a wait are kept under it."""
    sid: str | None = None
    """The SIM that was changed, whichever SIM has the name by now."""


@define
class _Generation:
    """The changes of some names, a dictionary for each attribute.

    The garbage collector visits every object of ours that is alive, again and again. Values of
    plain dictionaries it does not: so 100,000 of them slow no later update down
    (benchmarks/cases/growth.py).
    """

    goals: dict[str, Goal] = field(factory=dict)
    accepted_at: dict[str, float] = field(factory=dict)
    response_dates: dict[str, datetime | None] = field(factory=dict)
    nonces: dict[str, str | None] = field(factory=dict, repr=False)
    ticket_names: dict[str, str | None] = field(factory=dict)
    sids: dict[str, str | None] = field(factory=dict)

    def remember(self, name: str, change: AcceptedChange) -> None:
        """Remember a change."""
        self.goals[name] = change.goal
        self.accepted_at[name] = change.accepted_at
        self.response_dates[name] = change.response_date
        self.nonces[name] = change.nonce
        self.ticket_names[name] = change.ticket_name
        self.sids[name] = change.sid

    def find(self, name: str) -> AcceptedChange | None:
        """Recall a change."""
        if name not in self.goals:
            return None
        return AcceptedChange(
            self.goals[name],
            self.accepted_at[name],
            self.response_dates[name],
            self.nonces[name],
            self.ticket_names[name],
            self.sids[name],
        )


class _BloomFilter:
    """Names whose changes were dropped: all of them, and few others.

    A name that is taken for one of them by mistake raises and asks for `until`. The other error,
    "any settled status will do" for a change that was dropped, would report failures as successes.
    """

    def __init__(self) -> None:
        self._bits = bytearray()  # most clients never drop a change, and need no megabyte

    def add(self, names: Iterable[str]) -> None:
        """Add names."""
        if not self._bits:
            self._bits = bytearray(_BLOOM_BITS // 8)
        for name in names:
            for place in _bits_of(name):
                self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, name: str) -> bool:
        return bool(self._bits) and all(
            self._bits[place >> 3] >> (place & 7) & 1 for place in _bits_of(name)
        )


def _bits_of(name: str) -> Iterator[int]:
    # Double hashing: two halves of one hash make as good a filter as five hashes.
    first, step = divmod(hash(name) & (1 << 62) - 1, 1 << 31)
    return ((first + number * (step | 1)) % _BLOOM_BITS for number in range(_BLOOM_HASHES))


class AcceptedChanges:
    """The latest accepted change of each SIM, by SID and by the name that was used.

    Bounded by number, never by time: Programmable Wireless calls back up to three months later.
    """

    def __init__(self) -> None:
        self._young = _Generation()
        self._old = _Generation()
        self._dropped = _BloomFilter()

    def __len__(self) -> int:
        """How many changes there may be at most, each counted for each of its names."""
        return len(self._young.goals) + len(self._old.goals)

    def remember(self, change: AcceptedChange, *names: str) -> None:
        """Remember a change under each name, in place of what was remembered before."""
        for name in names:
            self._young.remember(name, change)
        if len(self._young.goals) >= _CAPACITY // 2:
            # The older half is dropped in one go: one by one would need an order of all.
            self._dropped.add(name for name in self._old.goals if name not in self._young.goals)
            self._old, self._young = self._young, _Generation()

    def find(self, name: str) -> AcceptedChange | None:
        """Recall a change; an old one that is asked for is remembered for longer."""
        found = self._young.find(name)
        if found is None and (found := self._old.find(name)) is not None:
            self.remember(found, name)
        return found

    def update_date(self, name: str, date: datetime | None) -> None:
        """Take note that the SIM settled with this date: what is older is an old copy."""
        for generation in (self._young, self._old):
            if name in generation.goals:
                known = generation.response_dates[name]
                if date is not None and (known is None or known < date):
                    generation.response_dates[name] = date
                return

    def may_have_forgotten(self, name: str) -> bool:
        """Tell whether a change of this name may have been dropped."""
        return name in self._dropped


class SeenRecords:
    """Which records this client has seen, by SID and unique name; bounded, the latest ones.

    Kept as hashes, a fifth of what the names would weigh. Should two share one, a 404 is believed
    some seconds later.
    """

    def __init__(self) -> None:
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, record: Any) -> None:
        """Take note of a record from a response of success."""
        self._young.add(hash(record.sid))
        name = getattr(record, "unique_name", None)
        if name:
            self._young.add(hash(name))
        if len(self._young) >= _SEEN_CAPACITY:
            self._old, self._young = self._young, set()

    def __contains__(self, name: str) -> bool:
        return hash(name) in self._young or hash(name) in self._old

"""Cache of accepted changes: the default target of a later `await_transition`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from attrs import define, field

from asyncsim.core.goal import Goal
from asyncsim.core.unproven import Before

_CAPACITY = 100_000  # names; at least the newer half of them is kept
_BLOOM_BITS = 1 << 23  # 1 MB: with a million names in it, the false-positive rate is 2 %
_BLOOM_HASHES = 5
_SEEN_CAPACITY = 50_000  # records; at least the newer half of them is kept


@define  # not frozen: one is created per update, and freezing would double its cost
class AcceptedChange:
    """An accepted change; `accepted_at` is the clock's, `response_date` the vendor's."""

    goal: Goal
    accepted_at: float
    response_date: datetime | None
    nonce: str | None = field(repr=False)
    ticket_name: str | None = None
    """The name in its ticket: callbacks that arrived before a wait are kept under it."""
    sid: str | None = None
    """The SIM that was changed, even if the name now belongs to another SIM."""
    before: Before | None = None
    """How it was before a prepared update that may never have been sent."""


@define
class _Generation:
    """The changes of some names, a dictionary for each attribute.

    The garbage collector repeatedly visits every live object of a class. Values of plain
    dictionaries are not tracked, so 100,000 of them do not slow down later updates
    (benchmarks/cases/growth.py).
    """

    goals: dict[str, Goal] = field(factory=dict)
    accepted_at: dict[str, float] = field(factory=dict)
    response_dates: dict[str, datetime | None] = field(factory=dict)
    nonces: dict[str, str | None] = field(factory=dict, repr=False)
    ticket_names: dict[str, str | None] = field(factory=dict)
    sids: dict[str, str | None] = field(factory=dict)
    befores: dict[str, Before] = field(factory=dict)
    """Of the few that may never have been sent."""

    def remember(self, name: str, change: AcceptedChange) -> None:
        """Remember a change."""
        self.goals[name] = change.goal
        self.accepted_at[name] = change.accepted_at
        self.response_dates[name] = change.response_date
        self.nonces[name] = change.nonce
        self.ticket_names[name] = change.ticket_name
        self.sids[name] = change.sid
        self.befores.pop(name, None)
        if change.before is not None:
            self.befores[name] = change.before

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
            self.befores.get(name),
        )


class _BloomFilter:
    """Names whose changes were dropped: a Bloom filter.

    A false positive raises an error that asks for `until`. The opposite error,
    "any settled status will do" after a change was dropped, would report failures as successes.
    """

    def __init__(self) -> None:
        self._bits = bytearray()  # most clients never drop a change: no megabyte for them

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
        """The number of stored changes, counted once per name."""
        return len(self._young.goals) + len(self._old.goals)

    def remember(self, change: AcceptedChange, *names: str) -> None:
        """Remember a change under each name, replacing earlier ones."""
        for name in names:
            self._young.remember(name, change)
        if len(self._young.goals) >= _CAPACITY // 2:
            # The older half is dropped at once: one by one would need an ordering.
            self._dropped.add(name for name in self._old.goals if name not in self._young.goals)
            self._old, self._young = self._young, _Generation()

    def find(self, name: str) -> AcceptedChange | None:
        """Recall a change; recalling an old one keeps it for longer."""
        found = self._young.find(name)
        if found is None and (found := self._old.find(name)) is not None:
            self.remember(found, name)
        return found

    def update_date(self, name: str, date: datetime | None) -> None:
        """Record the date with which the SIM settled: older records are stale."""
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

    Kept as hashes, in a fifth of the memory of the names. If two collide, a 404 is believed
    a few seconds later.
    """

    def __init__(self) -> None:
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, record: Any) -> None:
        """Add a record from a successful response."""
        self._young.add(hash(record.sid))
        name = getattr(record, "unique_name", None)
        if name:
            self._young.add(hash(name))
        if len(self._young) >= _SEEN_CAPACITY:
            self._old, self._young = self._young, set()

    def __contains__(self, name: str) -> bool:
        return hash(name) in self._young or hash(name) in self._old

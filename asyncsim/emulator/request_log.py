"""Numbered logs of requests and callback deliveries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, overload

from attrs import asdict, evolve, frozen

from asyncsim.emulator.persistence import StateStore


@frozen(kw_only=True)
class LogEntry:
    """What all entries of a log have."""

    number: int = 0
    """Position in the log, counted from 1 and never used again."""


@frozen(kw_only=True)
class RequestRecord(LogEntry):
    """One request and its response."""

    seconds: float
    """When it arrived, on the emulator's clock."""
    vendor: str
    product: str
    """Empty at the token endpoint."""
    method: str
    path: str
    """As sent, from the product's base URL."""
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    """Without secrets."""
    status: int | None
    """HTTP status of the response; None: the connection was closed instead."""
    code: int | None = None
    """The vendor's error code."""
    sid: str | None = None
    """SID of the record it was about, if there is one."""
    hidden: int | None = None
    """The status that a fault hid from the client: the request was processed all the same."""


E = TypeVar("E", bound=LogEntry)

# Beyond this the oldest tenth goes: a log must not fill the memory in a week-long run.
_MAX_ENTRIES = 200_000


class EntryLog(Sequence[E]):
    """The entries of one log, oldest first."""

    def __init__(self, collection: str, model: type[E], state: StateStore) -> None:
        self._collection = collection
        self._state = state
        self._entries = [model(**plain) for _, plain in state.items(collection)]
        self._last_number = self._entries[-1].number if self._entries else 0

    @overload
    def __getitem__(self, at: int) -> E: ...
    @overload
    def __getitem__(self, at: slice) -> list[E]: ...
    def __getitem__(self, at: int | slice) -> E | list[E]:
        return self._entries[at]

    def __iter__(self) -> Iterator[E]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return repr(self._entries)

    @property
    def last_number(self) -> int:
        """Number of the newest entry ever, cleared ones included."""
        return self._last_number

    def append(self, entry: E) -> None:
        """Number an entry and add it."""
        self._last_number += 1
        entry = evolve(entry, number=self._last_number)
        self._entries.append(entry)
        if self._state.keeps:
            self._state.put(self._collection, str(self._last_number), asdict(entry))
        if len(self._entries) > _MAX_ENTRIES:
            oldest = self._entries[: _MAX_ENTRIES // 10]
            del self._entries[: _MAX_ENTRIES // 10]
            for old in oldest:
                self._state.delete(self._collection, str(old.number))

    def to_dicts(self, after: int = 0) -> list[dict[str, Any]]:
        """Entries with a higher number, for JSON."""
        return [asdict(entry) for entry in self._entries if entry.number > after]

    def clear(self) -> None:
        """Delete all entries; the numbering continues while the emulator runs."""
        self._entries.clear()
        self._state.delete(self._collection)

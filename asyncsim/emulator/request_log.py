"""Numbered logs of what happened: requests and deliveries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, overload

from attrs import asdict, evolve, frozen

from asyncsim.emulator.persistence import State


@frozen(kw_only=True)
class Entry:
    """What all entries of a log have."""

    number: int = 0
    """Place in the log, counted from 1 and never used again."""


E = TypeVar("E", bound=Entry)

# Beyond this the oldest tenth goes: a log must not eat the machine of a week-long run.
_MOST = 200_000


class Journal(Sequence[E]):
    """The entries of one log, oldest first."""

    def __init__(self, room: str, model: type[E], state: State) -> None:
        self._room = room
        self._state = state
        self._entries = [model(**plain) for _, plain in state.all(room)]
        self._ever = self._entries[-1].number if self._entries else 0

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
    def ever(self) -> int:
        """How many entries there have ever been."""
        return self._ever

    def append(self, entry: E) -> None:
        """Number an entry and add it."""
        self._ever += 1
        entry = evolve(entry, number=self._ever)
        self._entries.append(entry)
        if self._state.keeps:
            self._state.put(self._room, str(self._ever), asdict(entry))
        if len(self._entries) > _MOST:
            self._trim()

    def plain(self, after: int = 0) -> list[dict[str, Any]]:
        """Entries with a higher number, for JSON."""
        return [asdict(entry) for entry in self._entries if entry.number > after]

    def clear(self) -> None:
        """Forget all entries; numbers go on while the emulator runs."""
        self._entries.clear()
        self._state.drop(self._room)

    def _trim(self) -> None:
        oldest = self._entries[: _MOST // 10]
        del self._entries[: _MOST // 10]
        for entry in oldest:
            self._state.drop(self._room, str(entry.number))

"""The records of one kind at one vendor: found by SID or name, listed in order of creation."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from attrs import define

from asyncsim.emulator.persistence import State
from asyncsim.kind import Kind
from asyncsim.vendors import KORE, Vendor
from asyncsim.wire.records import decode, encode

T = TypeVar("T")

Key = tuple[datetime, int, str]
"""Place of a row in lists: date of creation, then order of arrival."""

INDEXED = ("unique_name", "iccid")

_DATES = ("date_created", "event_date", "last_modified")
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
"""Date of what has none, such as Networks; order of arrival then decides."""


@define
class Row(Generic[T]):
    """A record, and what the emulator knows of it that no answer shows."""

    record: T
    key: Key
    notes: dict[str, Any]


class Store(Mapping[str, T]):
    """SID to record. Change one with `put(attrs.evolve(record, ...))`; records are frozen."""

    def __init__(self, kind: Kind[T], vendor: Vendor, state: State, owner: str = "") -> None:
        self.kind = kind
        self.vendor = vendor
        self._state = state
        self._room = f"{vendor.name}{owner}{kind.product}{kind.path}"
        self._watchers: list[Callable[[T | None, T], object]] = []
        self._rows: dict[str, Row[T]] = {}
        self._keys: list[Key] = []
        self._places: dict[str, Key] = {}
        self._arrivals = 0
        self._index: dict[str, dict[str, str]] = {name: {} for name in INDEXED}
        self._encoded: dict[str, dict[str, Any]] = {}

    def __getitem__(self, sid: str) -> T:
        return self._rows[sid].record

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def arrivals(self) -> int:
        """How many records there have ever been; numbers the next SID."""
        return self._arrivals

    def find(self, name: str) -> T | None:
        """The record of this SID, or of this unique name where the kind has such."""
        if row := self._rows.get(name):
            return row.record
        if self.kind.named and (sid := self._index["unique_name"].get(name)):
            return self._rows[sid].record
        return None

    def having(self, attribute: str, value: str) -> Row[T] | None:
        """The one row with this value of an indexed attribute."""
        sid = self._index[attribute].get(value)
        return None if sid is None else self._rows[sid]

    def notes(self, sid: str) -> dict[str, Any]:
        """What is known of a record beside it; change it with `annotate`."""
        return self._rows[sid].notes

    def annotate(self, sid: str, **notes: Any) -> None:
        """Add to what is known of a record beside it; nobody is told."""
        row = self._rows[sid]
        row.notes.update(notes)
        self._save(sid, row)

    def watch(self, watcher: Callable[[T | None, T], object]) -> None:
        """Call with each record that is put, and the one it replaces: None for a new one."""
        self._watchers.append(watcher)

    def put(self, record: T, **notes: Any) -> T:
        """Add or replace a record; notes are added to those it has."""
        sid = _name(record)
        row = self._rows.get(sid)
        before = None if row is None else row.record
        if row is None:
            row = self._add(sid, record, notes)
        else:
            self._unindex(row.record)
            row.record = record
            row.notes.update(notes)
        self._reindex(sid, record)
        self._encoded.pop(sid, None)
        self._save(sid, row)
        for watcher in self._watchers:
            watcher(before, record)
        return self._rows[sid].record  # a watcher may have changed it further

    def remove(self, sid: str) -> None:
        """Forget a record; its place stays known, so that a page token naming it still works."""
        row = self._rows.pop(sid)
        self._unindex(row.record)
        self._keys.remove(row.key)
        self._encoded.pop(sid, None)
        self._state.put(self._room, sid, {"gone": row.key[0].isoformat()})

    def forget_before(self, moment: datetime) -> None:
        """Remove all records that are older."""
        while self._keys and self._keys[0][0] < moment:
            self.remove(self._keys[0][2])

    def encoded(self, sid: str) -> dict[str, Any]:
        """The record as its vendor spells it; not to be changed by the caller."""
        plain = self._encoded.get(sid)
        if plain is None:
            plain = self._encoded[sid] = encode(self._rows[sid].record, self.vendor)
        return plain

    def place(self, sid: str) -> Key | None:
        """Where a record stands, or stood, in lists."""
        return self._places.get(sid)

    def walk(self, *, start: Key | None = None, newest_first: bool = True) -> Iterator[Row[T]]:
        """Rows in order, from just beyond `start`."""
        keys = self._keys
        if newest_first:
            end = len(keys) if start is None else bisect.bisect_left(keys, start)
            return (self._rows[keys[at][2]] for at in range(end - 1, -1, -1))
        begin = 0 if start is None else bisect.bisect_right(keys, start)
        return (self._rows[keys[at][2]] for at in range(begin, len(keys)))

    def load(self) -> None:
        """Take up what an earlier run kept."""
        for sid, plain in self._state.all(self._room):
            if gone := plain.get("gone"):
                self._take_place(sid, datetime.fromisoformat(gone))
                continue
            # Kept in KORE's spelling, because its documents have the most fields.
            record = decode(self.kind.model, plain["record"], KORE)
            self._add(sid, record, plain["notes"])
            self._reindex(sid, record)

    def _add(self, sid: str, record: T, notes: dict[str, Any]) -> Row[T]:
        key = self._take_place(sid, _date(record))
        row = self._rows[sid] = Row(record, key, dict(notes))
        bisect.insort(self._keys, key)
        return row

    def _take_place(self, sid: str, created: datetime) -> Key:
        if sid not in self._places:  # else it was here before, and has come back
            self._places[sid] = (created, self._arrivals, sid)
            self._arrivals += 1
        return self._places[sid]

    def _save(self, sid: str, row: Row[T]) -> None:
        if self._state.keeps:
            plain = {"record": encode(row.record, KORE), "notes": row.notes}
            self._state.put(self._room, sid, plain)

    def _values(self, record: T) -> Iterator[tuple[str, str]]:
        for attribute in INDEXED:
            if value := getattr(record, attribute, None):
                yield attribute, value

    def _unindex(self, record: T) -> None:
        for attribute, value in self._values(record):
            self._index[attribute].pop(value, None)

    def _reindex(self, sid: str, record: T) -> None:
        for attribute, value in self._values(record):
            self._index[attribute][value] = sid


def _name(record: Any) -> str:
    """What a record is found by: KORE's secrets have an id, all else a SID."""
    name: str = getattr(record, "sid", None) or record.id
    return name


def _date(record: Any) -> datetime:
    dates = (getattr(record, name, None) for name in _DATES)
    return next((date for date in dates if date is not None), _BEFORE_ALL)

"""Records of one kind in one account: found by SID or name, listed in order of creation."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from attrs import define

from asyncsim.emulator.persistence import StateStore
from asyncsim.kind import Kind
from asyncsim.vendors import KORE, Vendor
from asyncsim.wire.records import decode, encode

T = TypeVar("T")

Position = tuple[datetime, int, str]
"""Position of a record in lists: date of creation, then order of insertion, then the SID."""

INDEXED = ("unique_name", "iccid")

_DATES = ("date_created", "event_date", "last_modified")
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
"""Date of records that have none, such as Networks; the order of insertion then decides."""


@define
class StoredRecord(Generic[T]):
    """A record, and notes that no response shows."""

    record: T
    position: Position
    notes: dict[str, Any]


class RecordStore(Mapping[str, T]):
    """SID to record. Change one with `put(attrs.evolve(record, ...))`; records are frozen."""

    def __init__(self, kind: Kind[T], vendor: Vendor, state: StateStore, owner: str = "") -> None:
        self.kind = kind
        self.vendor = vendor
        self._state = state
        self._collection = f"{vendor.name}{owner}{kind.product}{kind.path}"
        self._listeners: list[Callable[[T | None, T], object]] = []
        self._rows: dict[str, StoredRecord[T]] = {}
        self._order: list[Position] = []
        self._positions: dict[str, Position] = {}
        self._inserted = 0
        self._index: dict[str, dict[str | None, str]] = {name: {} for name in INDEXED}
        self._encoded: dict[str, dict[str, Any]] = {}

    def __getitem__(self, sid: str) -> T:
        return self._rows[sid].record

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def inserted(self) -> int:
        """How many records were ever added; numbers the next SID."""
        return self._inserted

    def find(self, name: str) -> T | None:
        """The record with this SID, or with this unique name if the kind has unique names."""
        if row := self._rows.get(name):
            return row.record
        if self.kind.has_unique_names and (sid := self._index["unique_name"].get(name)):
            return self._rows[sid].record
        return None

    def find_by(self, attribute: str, value: str) -> StoredRecord[T] | None:
        """The one record with this value of an indexed attribute."""
        sid = self._index[attribute].get(value)
        return None if sid is None else self._rows[sid]

    def notes(self, sid: str) -> dict[str, Any]:
        """Notes on a record, which no response shows; change them with `annotate`."""
        return self._rows[sid].notes

    def annotate(self, sid: str, **notes: Any) -> None:
        """Add notes on a record; no listener is called."""
        row = self._rows[sid]
        row.notes.update(notes)
        self._save(sid, row)

    def watch(self, listener: Callable[[T | None, T], object]) -> None:
        """Call `listener(before, record)` on every put; `before` is None for a new record."""
        self._listeners.append(listener)

    def put(self, record: T, **notes: Any) -> T:
        """Add or replace a record; notes are added to those it has."""
        # KORE's webhook secrets have an id, all other records a SID.
        sid: str = getattr(record, "sid", None) or record.id  # type: ignore[attr-defined]
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
        for listener in self._listeners:
            listener(before, record)
        return self._rows[sid].record  # a listener may have changed it further

    def remove(self, sid: str) -> None:
        """Delete a record; its position stays known, so that a page token naming it still works."""
        row = self._rows.pop(sid)
        self._unindex(row.record)
        self._order.remove(row.position)
        self._encoded.pop(sid, None)
        self._state.put(self._collection, sid, {"gone": row.position[0].isoformat()})

    def remove_before(self, moment: datetime) -> None:
        """Delete all older records."""
        while self._order and self._order[0][0] < moment:
            self.remove(self._order[0][2])

    def encoded(self, sid: str) -> dict[str, Any]:
        """The record as JSON in its vendor's spelling; the caller must not change it."""
        plain = self._encoded.get(sid)
        if plain is None:
            plain = self._encoded[sid] = encode(self._rows[sid].record, self.vendor)
        return plain

    def position(self, sid: str) -> Position | None:
        """The position in lists of a record, deleted ones included."""
        return self._positions.get(sid)

    def rows(
        self, *, start: Position | None = None, newest_first: bool = True
    ) -> Iterator[StoredRecord[T]]:
        """Records in list order, from just after `start`."""
        order = self._order
        if newest_first:
            end = len(order) if start is None else bisect.bisect_left(order, start)
            return (self._rows[order[at][2]] for at in range(end - 1, -1, -1))
        begin = 0 if start is None else bisect.bisect_right(order, start)
        return (self._rows[order[at][2]] for at in range(begin, len(order)))

    def load(self) -> None:
        """Load the records of an earlier run."""
        for sid, plain in self._state.items(self._collection):
            if gone := plain.get("gone"):
                self._take_position(sid, datetime.fromisoformat(gone))
                continue
            # Kept in KORE's spelling, because its documents have the most fields.
            record = decode(self.kind.model, plain["record"], KORE)
            self._add(sid, record, plain["notes"])
            self._reindex(sid, record)

    def _add(self, sid: str, record: T, notes: dict[str, Any]) -> StoredRecord[T]:
        dates = (getattr(record, name, None) for name in _DATES)
        created = next((date for date in dates if date is not None), _BEFORE_ALL)
        position = self._take_position(sid, created)
        row = self._rows[sid] = StoredRecord(record, position, dict(notes))
        bisect.insort(self._order, position)
        return row

    def _take_position(self, sid: str, created: datetime) -> Position:
        if sid not in self._positions:  # else it was deleted and is added again
            self._positions[sid] = (created, self._inserted, sid)
            self._inserted += 1
        return self._positions[sid]

    def _save(self, sid: str, row: StoredRecord[T]) -> None:
        if self._state.keeps:
            plain = {"record": encode(row.record, KORE), "notes": row.notes}
            self._state.put(self._collection, sid, plain)

    def _unindex(self, record: T) -> None:
        for attribute in INDEXED:
            self._index[attribute].pop(getattr(record, attribute, None), None)

    def _reindex(self, sid: str, record: T) -> None:
        for attribute in INDEXED:
            if value := getattr(record, attribute, None):
                self._index[attribute][value] = sid

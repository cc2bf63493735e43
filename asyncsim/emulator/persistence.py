"""Persistence of the emulated accounts: one table of JSON rows in a SQLite file, or nothing.

A request's changes and its log entry are committed together, before its response is sent, so
killing the process at any moment loses nothing that was confirmed to a client. WAL with
`synchronous=NORMAL` outlives the process; only a crash of the machine itself may lose the last
moments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asyncsim.errors import ConfigurationError
from asyncsim.wire import json

FORMAT = 1

# `room` names a collection, `place` orders it by insertion. Files keep these names.
_SCHEMA = """CREATE TABLE IF NOT EXISTS items(
    place INTEGER PRIMARY KEY, room TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL,
    UNIQUE (room, key))"""
_COLUMNS = ["place", "room", "key", "body"]

_PUT = """INSERT INTO items(room, key, body) VALUES (?, ?, ?)
    ON CONFLICT (room, key) DO UPDATE SET body = excluded.body"""


class NullStore:
    """Keeps nothing: the records end with their emulator."""

    keeps = False
    """Whether anything is kept; if not, callers skip the encoding."""

    def put(self, collection: str, key: str, value: Any) -> None:
        """Do nothing."""

    def delete(self, collection: str, key: str | None = None) -> None:
        """Do nothing."""

    def items(self, collection: str) -> Iterator[tuple[str, Any]]:
        """Yield nothing."""
        return iter(())

    def commit(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def discard(self) -> None:
        """Do nothing."""


class SqliteStore:
    """Collections of keyed JSON values in a SQLite file, which one emulator at a time may open."""

    keeps = True

    def __init__(self, path: str | Path) -> None:
        try:
            _check_format(Path(path))
            self._db = sqlite3.connect(path, timeout=1.0)
            try:
                # Two emulators on one file would each write records the other does not know.
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(_SCHEMA)
                self._db.commit()
            except sqlite3.Error:
                self._db.close()
                raise
        except (sqlite3.Error, ValueError) as error:
            raise ConfigurationError(
                f"cannot keep the emulator's state in {path}: {error}"
            ) from error

    def put(self, collection: str, key: str, value: Any) -> None:
        """Write a JSON value; durable after the next `commit`."""
        self._db.execute(_PUT, (collection, key, json.dumps(value)))

    def delete(self, collection: str, key: str | None = None) -> None:
        """Delete one key, or a whole collection; durable after the next `commit`."""
        if key is None:
            self._db.execute("DELETE FROM items WHERE room = ?", (collection,))
        else:
            self._db.execute("DELETE FROM items WHERE room = ? AND key = ?", (collection, key))

    def items(self, collection: str) -> Iterator[tuple[str, Any]]:
        """Yield keys and values in the order in which the keys were first written."""
        rows = self._db.execute(
            "SELECT key, CAST(body AS BLOB) FROM items WHERE room = ? ORDER BY place", (collection,)
        )
        return ((key, json.loads(body)) for key, body in rows.fetchall())

    def commit(self) -> None:
        """Make all changes since the last commit durable, together."""
        self._db.commit()

    def close(self) -> None:
        """Commit and close the file."""
        self._db.commit()
        self._db.close()

    def discard(self) -> None:
        """Roll back to the last commit and close the file."""
        self._db.rollback()
        self._db.close()


StateStore = NullStore | SqliteStore


def _check_format(path: Path) -> None:
    """Reject a file that is something else, by reading alone: opening it would change it."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master")]
        columns = [row[1] for row in db.execute("PRAGMA table_info(items)")]
        if tables and columns != _COLUMNS:
            raise ValueError("it is another program's database")
        if not tables:
            return
        about = "SELECT CAST(body AS BLOB) FROM items WHERE room = 'about' AND key = 'format'"
        found = [json.loads(body) for (body,) in db.execute(about)]
        if found not in ([], [FORMAT]):
            raise ValueError(f"it has format {found[0]!r}, this version reads {FORMAT}")
    finally:
        db.close()

"""Where the emulated world survives: one table of JSON rows in a SQLite file, or nowhere.

A request's changes and its log entry are committed together, before its answer is sent, so killing
the process at any moment loses nothing that was answered. WAL with `synchronous=NORMAL` outlives
the process; only a crash of the machine itself may lose the last moments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from asyncsim.errors import ConfigurationError
from asyncsim.wire import json

_SCHEMA = """CREATE TABLE IF NOT EXISTS items(
    place INTEGER PRIMARY KEY, room TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL,
    UNIQUE (room, key))"""
_COLUMNS = ["place", "room", "key", "body"]
FORMAT = 1

_PUT = """INSERT INTO items(room, key, body) VALUES (?, ?, ?)
    ON CONFLICT (room, key) DO UPDATE SET body = excluded.body"""


class State(Protocol):
    """Rooms of keyed plain values, in the order in which their keys first appeared."""

    keeps: bool
    """False: nothing is kept, so callers may save themselves the encoding."""

    def put(self, room: str, key: str, value: Any) -> None:
        """Keep a plain value; lasting after the next `commit`."""

    def drop(self, room: str, key: str | None = None) -> None:
        """Forget one key, or a whole room."""

    def all(self, room: str) -> Iterator[tuple[str, Any]]:
        """Everything in a room."""
        ...

    def commit(self) -> None:
        """Make all changes since the last commit lasting, together."""

    def close(self) -> None:
        """Commit and let go of the file."""

    def discard(self) -> None:
        """Let go of the file as it was at the last commit."""


class Nowhere:
    """Keeps nothing: the world ends with its emulator."""

    keeps = False

    def put(self, room: str, key: str, value: Any) -> None:
        """Nothing to do."""

    def drop(self, room: str, key: str | None = None) -> None:
        """Nothing to do."""

    def all(self, room: str) -> Iterator[tuple[str, Any]]:
        """Always empty."""
        return iter(())

    def commit(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def discard(self) -> None:
        """Nothing to do."""


class File:
    """Keeps everything in a SQLite file, which one emulator at a time may hold."""

    keeps = True

    def __init__(self, path: str | Path) -> None:
        try:
            _check_ours(Path(path))
            self._db = sqlite3.connect(path, timeout=1.0)
            try:
                self._prepare()
            except sqlite3.Error:
                self._db.close()
                raise
        except (sqlite3.Error, ValueError) as error:
            raise ConfigurationError(
                f"cannot keep the emulator's state in {path}: {error}"
            ) from error

    def _prepare(self) -> None:
        # Two emulators on one file would each write a world the other does not know.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(_SCHEMA)
        self._db.commit()

    def put(self, room: str, key: str, value: Any) -> None:
        """Write, without committing yet."""
        self._db.execute(_PUT, (room, key, json.dumps(value)))

    def drop(self, room: str, key: str | None = None) -> None:
        """Delete, without committing yet."""
        if key is None:
            self._db.execute("DELETE FROM items WHERE room = ?", (room,))
        else:
            self._db.execute("DELETE FROM items WHERE room = ? AND key = ?", (room, key))

    def all(self, room: str) -> Iterator[tuple[str, Any]]:
        """Read a room in the order of its keys' first appearance."""
        rows = self._db.execute(
            "SELECT key, CAST(body AS BLOB) FROM items WHERE room = ? ORDER BY place", (room,)
        )
        return ((key, json.loads(body)) for key, body in rows.fetchall())

    def commit(self) -> None:
        """Commit the open transaction, if there is one."""
        self._db.commit()

    def close(self) -> None:
        """Commit and close the file."""
        self._db.commit()
        self._db.close()

    def discard(self) -> None:
        """Roll back and close the file."""
        self._db.rollback()
        self._db.close()


def _check_ours(path: Path) -> None:
    """Refuse a file that is something else, by reading alone: opening it would change it."""
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


def open_state(path: str | Path | None) -> State:
    """A file's state, or none."""
    return Nowhere() if path is None else File(path)

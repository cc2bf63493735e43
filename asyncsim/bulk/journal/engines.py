"""The engine of a journal: SQLite for a path, PostgreSQL for a URL."""

from __future__ import annotations

from asyncsim.bulk.journal.database import Database
from asyncsim.clock import Clock
from asyncsim.postgres.url import is_database


def open_database(target: str, clock: Clock, *, read_only: bool = False) -> Database:
    """Return the database of a path or URL, which its `open` opens."""
    # Imported here: each needs its own driver. A process that only uses files needs no psycopg.
    if is_database(target):
        from asyncsim.bulk.journal.postgres import PostgresDatabase

        return PostgresDatabase(target, clock, read_only=read_only)
    from asyncsim.bulk.journal.sqlite import SqliteDatabase

    return SqliteDatabase(target, clock, read_only=read_only)

"""Which engine a journal has: a path is a SQLite file, a URL a PostgreSQL database."""

from __future__ import annotations

from asyncsim.bulk.journal.database import Database
from asyncsim.clock import Clock
from asyncsim.postgres.url import is_database


def open_database(target: str, clock: Clock, *, read_only: bool = False) -> Database:
    """Return the database of a path or URL, which its `open` opens."""
    # Imported here: each of the two needs a driver that the other one does not. A process that
    # works on files alone need not have psycopg.
    if is_database(target):
        from asyncsim.bulk.journal.postgres import PostgresDatabase

        return PostgresDatabase(target, clock, read_only=read_only)
    from asyncsim.bulk.journal.sqlite import SqliteDatabase

    return SqliteDatabase(target, clock, read_only=read_only)

"""Migrations: bringing the tables of older journals forward, in files and in PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.engines import is_url
from asyncsim.bulk.journal.file import read_format
from asyncsim.bulk.journal.schema import FORMAT, SCHEMA, journal, metadata
from asyncsim.bulk.journal.sqlite import SqliteDatabase
from asyncsim.clock import SYSTEM_CLOCK

_LOCK = 0x4153494D
"""Key of the advisory lock under which a database is migrated: one process at a time."""


async def migrate(target: str) -> tuple[int, int]:
    """Bring a journal forward, a SQLite file or a PostgreSQL database; an empty database, too.

    Returns the formats before and now; 0 for none. Everything happens in one transaction.
    """
    if is_url(target):
        return await _migrate_database(target)
    database = SqliteDatabase(target, SYSTEM_CLOCK, read_only=False)
    before = await asyncio.to_thread(read_format, Path(target))
    try:
        await database.open()  # that upgrades it
        database.holds_job = True
    finally:
        await database.close()
    return before, FORMAT


async def _migrate_database(url: str) -> tuple[int, int]:
    from asyncsim.bulk.journal.postgres import create_engine

    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        # All of it or nothing: PostgreSQL creates and alters tables in transactions, too.
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            return await _bring_forward(connection)
    finally:
        await engine.dispose()


async def _bring_forward(connection: AsyncConnection) -> tuple[int, int]:
    await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    await connection.run_sync(metadata.create_all)
    from asyncsim.postgres import inbox  # loads psycopg

    for statement in inbox.CREATE:
        await connection.execute(text(statement))
    made = {"format": FORMAT, "created_at": datetime.now(UTC)}
    await connection.execute(insert(journal), made)
    return 0, FORMAT

"""Migrations: upgrades of older journals, in files and in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.file import read_format as read_file_format
from asyncsim.bulk.journal.schema import FORMAT, SCHEMA, journal, metadata, shared_metadata
from asyncsim.bulk.journal.sqlite import SqliteDatabase
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.errors import JournalError
from asyncsim.postgres.limit_tables import LIMIT_TABLES
from asyncsim.postgres.url import PostgresUrl, is_database

STEPS: Mapping[int, Callable[[AsyncConnection], Awaitable[None]]] = {}
"""Format -> the upgrade from the format before it. Format 2 was the first in PostgreSQL."""

_LOCK = 0x4153494D
"""Key of the advisory lock under which a database is migrated: one process at a time."""


async def migrate(target: str) -> tuple[int, int]:
    """Upgrade a journal to the format of this version; creates the tables in an empty database.

    `target` is the path of a SQLite file or the URL of a database. Returns the formats before and
    after; 0 if there were no tables. It is upgraded completely or not at all. Raises JournalError.
    """
    if is_database(target):
        return await _migrate_database(target)
    before = await asyncio.to_thread(read_file_format, Path(target))
    if not before:
        raise JournalError(f"there is no journal {target}: nothing to migrate")
    database = SqliteDatabase(target, SYSTEM_CLOCK, read_only=False)
    database.holds_job = True
    try:
        await database.open()  # that upgrades it
    finally:
        await database.close()
    return before, FORMAT


async def _migrate_database(target: str) -> tuple[int, int]:
    # Imported here: psycopg needs another extra than the rest of `bulk`.
    from asyncsim.bulk.journal.postgres import open_engine, read_format, translate_errors

    url = PostgresUrl.parse(target)
    with translate_errors(url.shown):
        engine = open_engine(url)
        try:
            # All of it or nothing: PostgreSQL creates and alters tables in transactions, too.
            async with engine.begin() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                before = await read_format(connection)
                if before > FORMAT:
                    raise JournalError(
                        f"journal {url.shown} was written by a newer asyncsim: update asyncsim"
                    )
                await _bring_forward(connection, before)
                return before, FORMAT
        finally:
            await engine.dispose()


async def _bring_forward(connection: AsyncConnection, before: int) -> None:
    from asyncsim.postgres import commands, inbox  # here, because they load psycopg

    if before:
        for step in range(before + 1, FORMAT + 1):
            await STEPS[step](connection)
        await connection.execute(update(journal).values(format=FORMAT))
        return
    # Checked first: CREATE SCHEMA IF NOT EXISTS needs the privilege to create schemas even if the
    # schema exists, and an administrator may have created it for a user without that privilege.
    there = await connection.execute(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA})
    if there.scalar_one() is None:
        await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    await connection.run_sync(metadata.create_all)
    await connection.run_sync(shared_metadata.create_all)
    for statement in (*inbox.CREATE, *commands.CREATE, *LIMIT_TABLES):
        await connection.execute(text(statement))
    made = {"format": FORMAT, "created_at": datetime.now(UTC)}
    await connection.execute(insert(journal), made)

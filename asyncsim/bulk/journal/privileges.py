"""The privileges in PostgreSQL that a worker needs."""

from __future__ import annotations

import asyncio

from sqlalchemy import false, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.errors import JournalFailed
from asyncsim.bulk.journal.claims import DEAD_AFTER
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.schema import chunks, jobs, rows
from asyncsim.clock import SYSTEM_CLOCK


async def check_usable(url: str) -> None:
    """JournalError if a worker cannot use this journal now."""
    database = open_database(url, SYSTEM_CLOCK)
    try:
        await database.open()
        await check_privileges(database)
    finally:
        await database.close()


async def check_privileges(database: Database) -> None:
    """JournalError if the user may not change what a worker changes; changes nothing."""
    from asyncsim.postgres.remedies import is_forbidden  # loads psycopg

    try:
        async with asyncio.timeout(DEAD_AFTER):
            await database.write_single(_change_nothing)
    # Everything else may pass, such as an outage or a lock: a worker waits for its end.
    except TimeoutError:
        return
    except JournalFailed as error:
        if error.__cause__ is not None and is_forbidden(error.__cause__):
            raise


async def _change_nothing(connection: AsyncConnection) -> None:
    for table in (chunks, jobs, rows):
        unchanged = update(table).values(state=table.c.state)
        await connection.execute(unchanged.where(false()))

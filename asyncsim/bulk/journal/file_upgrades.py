"""Upgrades of SQLite files that an older asyncsim has written."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from asyncsim.bulk.journal.schema import FORMAT, chunks, jobs

# Of format 1 to 2. A file of format 1 holds one job or none, in a table `job` without an id. Its
# secret is that of the tickets in its callback URLs: the vendor still sends callbacks to these.
_COPY_JOB = """
INSERT INTO jobs (id, name, product, action, change, vendor, account, label, looks,
    read_completely_at, header, applied, digest, notes, source, ticket_secret, state, created_at)
SELECT 1, label, product, action, change, vendor, account, label, looks,
    read_completely_at, header, applied, digest, notes, source, ticket_secret,
    CASE WHEN read_completely_at IS NULL THEN 'reading' ELSE 'planned' END, created_at
FROM job, journal
"""
_ADD_CHUNK = """
INSERT INTO chunks (job, number, first_row, last_row, state)
SELECT id, 0, 1, coalesce((SELECT max(number) FROM rows), 0), 'done' FROM jobs
"""


async def upgrade_file(connection: AsyncConnection) -> None:
    """Upgrade a SQLite file of an older format, in the transaction that opens it."""
    await connection.execute(CreateTable(jobs))
    await connection.execute(CreateTable(chunks))
    for statement in (
        _COPY_JOB,
        _ADD_CHUNK,
        "DROP TABLE job",
        # A column with a default is added without writing the rows.
        "ALTER TABLE rows ADD COLUMN job INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE runs ADD COLUMN job INTEGER NOT NULL DEFAULT 1",
        # The job has it now. The column stays: SQLite drops none before 3.35.
        "UPDATE journal SET ticket_secret = ''",
    ):
        await connection.execute(text(statement))
    await connection.execute(text("UPDATE journal SET format = :now"), {"now": FORMAT})

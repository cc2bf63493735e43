"""The removal of jobs from a shared journal, in batches of rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.claims import lock_unused
from asyncsim.bulk.journal.jobs import ENDED, find_job, set_state
from asyncsim.bulk.journal.schema import chunks, jobs, rows, runs
from asyncsim.bulk.records import JobState
from asyncsim.errors import JournalError

PURGED_ROWS = 10_000
"""Rows that one transaction of a purge deletes: a long one would hold back PostgreSQL's vacuum."""
_PURGEABLE = frozenset(JobState) - {JobState.RUNNING, JobState.PAUSED}


async def jobs_ended_before(
    connection: AsyncConnection, before: ColumnElement[datetime]
) -> list[str]:
    """Return the names of jobs that were finished or cancelled before this time."""
    old = and_(jobs.c.state.in_([one.value for one in ENDED]), jobs.c.ended_at < before)
    return list(
        (await connection.execute(select(jobs.c.name).where(old).order_by(jobs.c.id))).scalars()
    )


async def begin_purge(
    connection: AsyncConnection,
    name: str,
    now: ColumnElement[datetime],
    dead: ColumnElement[datetime],
    target: str,
) -> tuple[int, range]:
    """Mark a job as being deleted, so that no process starts to work on it.

    Returns its id, and the first number of each batch of its rows.
    """
    job, state = await find_job(connection, name, target, lock=True)
    if state not in _PURGEABLE:
        raise JournalError(f"job {name!r} is {state}: cancel it first")
    await lock_unused(connection, job, name, dead, target)
    await set_state(connection, job, JobState.PURGING, now)
    # A former owner that was only frozen can no longer write.
    lost = update(chunks).where(chunks.c.job == job)
    await connection.execute(
        lost.values(owner=null(), heartbeat_at=null(), epoch=chunks.c.epoch + 1)
    )
    # Both ends are read now: a later batch would have to skip all rows deleted before.
    ends = select(func.min(rows.c.number), func.max(rows.c.number)).where(rows.c.job == job)
    first, last = (await connection.execute(ends)).one()
    return job, range(0) if first is None else range(first, last + 1, PURGED_ROWS)


async def purge_rows(connection: AsyncConnection, job: int, first: int) -> int:
    """Delete a batch of a job's rows, from this number on; returns how many there were."""
    batch = rows.c.number.between(first, first + PURGED_ROWS - 1)
    deleted = delete(rows).where(rows.c.job == job, batch, exists(_purged(job)))
    return (await connection.execute(deleted)).rowcount


def _purged(job: int) -> Select[tuple[int]]:
    """The id of a job if it is being deleted."""
    return select(jobs.c.id).where(jobs.c.id == job, jobs.c.state == JobState.PURGING.value)


async def end_purge(connection: AsyncConnection, job: int) -> None:
    """Delete what is left of a job without rows."""
    if (await connection.execute(_purged(job).with_for_update())).first() is None:
        return  # another process was faster
    for table, column in ((chunks, chunks.c.job), (runs, runs.c.job), (jobs, jobs.c.id)):
        await connection.execute(delete(table).where(column == job))

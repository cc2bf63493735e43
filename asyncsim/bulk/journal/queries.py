"""Queries about the job in a journal: its input, its rows, its duplicates, its runs."""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from attrs import asdict, fields, frozen
from sqlalchemy import (
    Column,
    ColumnElement,
    Text,
    case,
    cast,
    delete,
    distinct,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.row_updates import RowInsert
from asyncsim.bulk.journal.schema import chunks, jobs, rows, runs
from asyncsim.bulk.journal.scope import Scope
from asyncsim.bulk.records import (
    WHOLE_JOB,
    ChunkClaim,
    Duplicate,
    Entry,
    Head,
    JobRun,
    Result,
    Row,
    State,
)
from asyncsim.errors import JournalError
from asyncsim.wire import json

PARAMETERS = 500
"""Values in one statement; SQLite takes 32,766 since 3.32, and 999 before."""
ENTRY = tuple(rows.c[field.name] for field in fields(Entry))
RESULT = tuple(rows.c[field.name] for field in fields(Result))
RUN = tuple(runs.c[field.name] for field in fields(JobRun))
_DUPLICATE_LINES = 5


@frozen(kw_only=True)
class InputSummary:
    """Facts about an input that was read completely."""

    header: tuple[str, ...] | None = None
    applied: tuple[str, ...] = ()
    digest: str | None = None
    notes: tuple[str, ...] = ()
    source: str | None = None


def in_states(states: Collection[State]) -> ColumnElement[bool]:
    """Rows in these states; of failed ones, only those to be retried."""
    others = rows.c.state.in_(set(states) - {State.FAILED})
    return or_(others, rows.c.retry) if State.FAILED in states else others


# The job and its input.


@frozen(kw_only=True)
class StoredJob:
    """A job as stored; `head` and `summary` only if its input was read completely."""

    id: int
    name: str
    secret: str
    """Signs the tickets of its callbacks."""
    head: Head | None
    summary: InputSummary

    def __repr__(self) -> str:  # without the secret
        return f"<{type(self).__name__} {self.name}>"


async def read_job(
    connection: AsyncConnection, *, name: str | None = None, job_id: int | None = None
) -> StoredJob | None:
    """Return the job of this name or id, without either the only one; None if there is none."""
    wanted = select(jobs)
    if job_id is not None:
        wanted = wanted.where(jobs.c.id == job_id)
    elif name is not None:
        wanted = wanted.where(jobs.c.name == name)
    found = (await connection.execute(wanted)).mappings().first()
    if found is None:
        return None
    head, summary = None, InputSummary()
    if found["read_completely_at"] is not None:
        head = Head(**{field.name: found[field.name] for field in fields(Head)})
        summary = InputSummary(
            header=None if found["header"] is None else tuple(found["header"]),
            applied=tuple(found["applied"]),
            digest=found["digest"],
            notes=tuple(found["notes"]),
            source=found["source"],
        )
    return StoredJob(
        id=found["id"],
        name=found["name"],
        secret=found["ticket_secret"],
        head=head,
        summary=summary,
    )


async def read_scope(
    connection: AsyncConnection,
    job_id: int,
    claim: ChunkClaim | None,
    target: str,
    *,
    is_alone: bool,
) -> Scope:
    """Return the scope of a job, or of one of its chunks; Fenced if that is gone."""
    if claim is None or claim.number == WHOLE_JOB:
        return Scope(job_id, is_alone)
    this = (chunks.c.job == job_id, chunks.c.number == claim.number)
    ends = select(chunks.c.first_row, chunks.c.last_row).where(*this)
    found = (await connection.execute(ends)).first()
    if found is None:  # the job was submitted again meanwhile, which makes new chunks
        raise claims.fenced(claim, target)
    return Scope(job_id, is_alone, found.first_row, found.last_row)


async def add_job(
    connection: AsyncConnection, wanted: Head, name: str, secret: str, now: datetime, target: str
) -> int:
    """Add a job, whose input is to be read now, and its chunk 0; returns its id."""
    # Two processes at the same time: the column is unique, so one of them gets the other error.
    taken = select(jobs.c.id).where(jobs.c.name == name)
    if (await connection.execute(taken)).first() is not None:
        raise JournalError(
            f"another process has just submitted a job {name!r} to journal {target}; this one has"
            " sent nothing"
        )
    values = {**asdict(wanted), "name": name, "ticket_secret": HiddenText(secret)}
    job = insert(jobs).values(**values, state="reading", created_at=now)
    await connection.execute(job)
    job_id: int = (await connection.execute(taken)).scalar_one()
    whole = {"job": job_id, "number": 0, "first_row": 1, "last_row": 0, "state": "done"}
    await connection.execute(insert(chunks), whole)
    return job_id


async def restart_job(connection: AsyncConnection, job_id: int, wanted: Head) -> None:
    """Drop the rows of an interrupted reading; the input may have been corrected since."""
    await _delete_work(connection, job_id)
    this = update(jobs).where(jobs.c.id == job_id)
    await connection.execute(this.values(looks=0, state="reading", **asdict(wanted)))


def check_same(stored: Head, wanted: Head, target: str) -> None:
    """Raise JournalError if a job is another one than that of the journal."""
    existing = asdict(stored)
    # Through JSON, as it was written: a stored tuple is read as a list.
    now = asdict(wanted) | {"change": json.loads(json.dumps(dict(wanted.change)))}
    differing = [
        f"{name} was {_shown(value)} and is now {_shown(now[name])}"
        for name, value in existing.items()
        if value != now[name]
    ]
    if differing:
        raise JournalError(
            f"journal {target} belongs to another job: {'; '.join(differing)}."
            " Use a new journal for each job, or run the original job again"
        )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value).decode()


async def discard_job(connection: AsyncConnection, job_id: int) -> None:
    """Delete the job and all its rows."""
    await _delete_work(connection, job_id)
    await connection.execute(delete(chunks).where(chunks.c.job == job_id))
    await connection.execute(delete(jobs).where(jobs.c.id == job_id))


async def _delete_work(connection: AsyncConnection, job_id: int) -> None:
    for table in (rows, runs):
        await connection.execute(delete(table).where(table.c.job == job_id))
    others = (chunks.c.job == job_id, chunks.c.number != WHOLE_JOB)
    await connection.execute(delete(chunks).where(*others))


_ROW = tuple(field.name for field in fields(Row))
_NEW_ROWS = RowInsert(_ROW, state=State.READ)


async def add_rows(connection: AsyncConnection, job_id: int, some: Sequence[Row]) -> None:
    """Write rows of the input."""
    # Not `asdict`: it would copy `change` and `cells` of each of a million rows.
    values = [{name: getattr(row, name) for name in _ROW} for row in some]
    if values:
        await _NEW_ROWS.execute(connection, job_id, values)


async def complete_input(
    connection: AsyncConnection, job_id: int, summary: InputSummary, now: datetime
) -> None:
    """Record that the input is complete."""
    this = update(jobs).where(jobs.c.id == job_id)
    # Unless it was cancelled meanwhile.
    planned = case((jobs.c.state == "reading", "planned"), else_=jobs.c.state)
    values = {"read_completely_at": now, "state": planned, **asdict(summary)}
    await connection.execute(this.values(values))
    last = select(func.coalesce(func.max(rows.c.number), 0)).where(rows.c.job == job_id)
    whole = update(chunks).where(chunks.c.job == job_id, chunks.c.number == WHOLE_JOB)
    await connection.execute(whole.values(last_row=last.scalar_subquery()))


class HiddenText(str):
    """Text that the driver's log of statements does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


# Duplicates.


async def find_duplicates(
    connection: AsyncConnection, scope: Scope, column: Column[Any], most: int
) -> list[Duplicate]:
    """Return values that occur repeatedly in this column, in the order of their first rows."""
    several = (
        select(column)
        .where(scope.rows, column.is_not(None))
        .group_by(column)
        .having(func.count() > 1)
        .order_by(func.min(rows.c.number))
        .limit(most)
    )
    # Two steps: ranking a million rows would cost more than ranking the few duplicates.
    names = (await connection.execute(several)).scalars().all()
    found: list[Duplicate] = []
    for start in range(0, len(names), PARAMETERS):
        some = names[start : start + PARAMETERS]
        found += await _describe_duplicates(connection, scope, column, some)
    return found


async def _describe_duplicates(
    connection: AsyncConnection, scope: Scope, column: Column[Any], names: Sequence[str]
) -> list[Duplicate]:
    rank = func.row_number().over(partition_by=column, order_by=rows.c.number).label("rank")
    ranked = select(column.label("name"), rows.c.number, rows.c.line, rank)
    ours = (scope.rows, column.in_(names))
    each = ranked.where(*ours).subquery()
    first = select(each.c.name, each.c.line).where(each.c.rank <= _DUPLICATE_LINES)
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for name, line in await connection.execute(first.order_by(each.c.number)):
        lines[name].append(line)
    # As text, with a text for NULL: `count(distinct)` ignores NULL.
    change = func.coalesce(cast(rows.c.change, Text), "")
    counted = select(column, func.count(), func.count(distinct(change))).group_by(column)
    found = {
        name: Duplicate(name=name, lines=tuple(lines[name]), times=times, conflicting=different > 1)
        for name, times, different in await connection.execute(counted.where(*ours))
    }
    return [found[name] for name in names]


# Runs.


async def begin_run(connection: AsyncConnection, job_id: int, now: datetime) -> int:
    """Start the next run, by this process; returns its number."""
    # Locked where processes share a job: two would take the same number. SQLite has no such lock,
    # and needs none: its transactions that write come one after the other.
    await connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    highest = select(func.max(runs.c.number)).where(runs.c.job == job_id)
    last: int | None = (await connection.execute(highest)).scalar_one()
    number = (last or 0) + 1
    process = {"pid": os.getpid(), "host": socket.gethostname()}
    values = {"job": job_id, "number": number, "started_at": now, **process}
    await connection.execute(insert(runs), values)
    return number

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

from asyncsim.bulk.journal.schema import job, rows, runs
from asyncsim.bulk.records import Duplicate, Entry, Head, JobRun, Result, Row, State
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


async def read_job(connection: AsyncConnection) -> tuple[Head, InputSummary] | None:
    """Return the job's identity; None without a job, or if its input is incomplete."""
    found = (await connection.execute(select(job))).mappings().first()
    if found is None or found["read_completely_at"] is None:
        return None
    head = Head(**{field.name: found[field.name] for field in fields(Head)})
    return head, InputSummary(
        header=None if found["header"] is None else tuple(found["header"]),
        applied=tuple(found["applied"]),
        digest=found["digest"],
        notes=tuple(found["notes"]),
        source=found["source"],
    )


async def begin_job(connection: AsyncConnection, wanted: Head, target: str) -> bool:
    """Start or resume this job: True if its input has to be read, False if it is complete."""
    found = await read_job(connection)
    if found is None:
        await discard_job(connection)  # rows of an interrupted reading
        await connection.execute(insert(job), asdict(wanted))
        return True
    existing = asdict(found[0])
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
    return False


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value).decode()


async def discard_job(connection: AsyncConnection) -> None:
    """Delete the job and all its rows."""
    for table in (rows, runs, job):
        await connection.execute(delete(table))


async def add_rows(connection: AsyncConnection, some: Sequence[Row]) -> None:
    """Write rows of the input."""
    # Not `asdict`: it would copy `change` and `cells` of each of a million rows.
    names = [field.name for field in fields(Row)]
    values = [{name: getattr(row, name) for name in names} for row in some]
    if values:
        await connection.execute(insert(rows).values(state=State.READ), values)


async def complete_input(connection: AsyncConnection, summary: InputSummary, now: datetime) -> None:
    """Record that the input is complete."""
    await connection.execute(update(job).values(read_completely_at=now, **asdict(summary)))


# Duplicates.


async def find_duplicates(
    connection: AsyncConnection, column: Column[Any], most: int
) -> list[Duplicate]:
    """Return values that occur repeatedly in this column, in the order of their first rows."""
    several = (
        select(column)
        .where(column.is_not(None))
        .group_by(column)
        .having(func.count() > 1)
        .order_by(func.min(rows.c.number))
        .limit(most)
    )
    # Two steps: ranking a million rows would cost more than ranking the few duplicates.
    names = (await connection.execute(several)).scalars().all()
    found: list[Duplicate] = []
    for start in range(0, len(names), PARAMETERS):
        found += await _describe_duplicates(connection, column, names[start : start + PARAMETERS])
    return found


async def _describe_duplicates(
    connection: AsyncConnection, column: Column[Any], names: Sequence[str]
) -> list[Duplicate]:
    rank = func.row_number().over(partition_by=column, order_by=rows.c.number).label("rank")
    ranked = select(column.label("name"), rows.c.number, rows.c.line, rank)
    each = ranked.where(column.in_(names)).subquery()
    first = select(each.c.name, each.c.line).where(each.c.rank <= _DUPLICATE_LINES)
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for name, line in await connection.execute(first.order_by(each.c.number)):
        lines[name].append(line)
    # As text, with a text for NULL: `count(distinct)` ignores NULL.
    change = func.coalesce(cast(rows.c.change, Text), "")
    counted = select(column, func.count(), func.count(distinct(change))).group_by(column)
    found = {
        name: Duplicate(name=name, lines=tuple(lines[name]), times=times, conflicting=different > 1)
        for name, times, different in await connection.execute(counted.where(column.in_(names)))
    }
    return [found[name] for name in names]


# Runs.


async def begin_run(connection: AsyncConnection, now: datetime) -> int:
    """Start the next run, by this process; returns its number."""
    last: int | None = (await connection.execute(select(func.max(runs.c.number)))).scalar_one()
    number = (last or 0) + 1
    values = {"number": number, "started_at": now, "pid": os.getpid(), "host": socket.gethostname()}
    await connection.execute(insert(runs), values)
    return number

"""Whose a journal is, and how the input comes into it: whole, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import asdict, fields, frozen
from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.schema import job, rows, runs
from asyncsim.bulk.records import Head, Row, State
from asyncsim.errors import JournalError
from asyncsim.wire import json


@frozen(kw_only=True)
class Sealed:
    """What is known of an input that was read to its end."""

    header: tuple[str, ...] | None = None
    applied: tuple[str, ...] = ()
    digest: str | None = None
    notes: tuple[str, ...] = ()
    source: str | None = None


async def _job(connection: AsyncConnection) -> RowMapping | None:
    found: RowMapping | None = (await connection.execute(select(job))).mappings().first()
    return found


async def head(connection: AsyncConnection) -> Head | None:
    """Whose the journal is; None without a job, or with one whose input is not all there."""
    found = await _job(connection)
    return _head(found) if found and found["read_completely_at"] else None


def _head(found: RowMapping) -> Head:
    return Head(**{field.name: found[field.name] for field in fields(Head)})


async def sealed(connection: AsyncConnection) -> Sealed:
    """What is known of the input; nothing as long as it is not all there."""
    found = await _job(connection)
    if found is None or found["read_completely_at"] is None:
        return Sealed()
    header = None if found["header"] is None else tuple(found["header"])
    return Sealed(
        header=header,
        applied=tuple(found["applied"]),
        digest=found["digest"],
        notes=tuple(found["notes"]),
        source=found["source"],
    )


async def begin(connection: AsyncConnection, wanted: Head, target: str) -> bool:
    """Make it this job's: True if its input has to be read, False if it is there."""
    existing = await head(connection)
    if existing is not None:
        _compare(existing, wanted, target)
        return False
    await discard(connection)
    await connection.execute(insert(job), asdict(wanted))
    return True


def _compare(existing: Head, wanted: Head, target: str) -> None:
    # Through JSON, as it was written: a tuple of then is a list of today.
    asked = asdict(wanted) | {"change": json.loads(json.dumps(dict(wanted.change)))}
    differing = [
        f"{name} was {_shown(value)} and is now {_shown(asked[name])}"
        for name, value in asdict(existing).items()
        if value != asked[name]
    ]
    if differing:
        raise JournalError(
            f"journal {target} belongs to another job: {'; '.join(differing)}."
            " Give each job its own journal, or repeat the job as it was"
        )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value).decode()


async def discard(connection: AsyncConnection) -> None:
    """Forget the job and all its rows."""
    for table in (rows, runs, job):
        await connection.execute(delete(table))


async def add(connection: AsyncConnection, some: Sequence[Row]) -> None:
    """Write rows of the input down."""
    values = [
        {
            "number": row.number,
            "line": row.line,
            "name": row.name,
            "naming": row.naming,
            "iccid": row.iccid,
            "change": row.change,
            "cells": row.cells,
        }
        for row in some
    ]
    if values:
        await connection.execute(insert(rows).values(state=State.READ), values)


async def seal(connection: AsyncConnection, what: Sealed, now: datetime) -> None:
    """Note that the input is all there."""
    await connection.execute(update(job).values(read_completely_at=now, **asdict(what)))

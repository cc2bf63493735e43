"""The runs of a job: when, by whom, how each ended."""

from __future__ import annotations

import os
import socket
from datetime import datetime

from attrs import fields
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.schema import runs
from asyncsim.bulk.records import Run

_RUN = tuple(runs.c[field.name] for field in fields(Run))


async def begin(connection: AsyncConnection, now: datetime) -> int:
    """Begin the next run, by this process; returns its number."""
    last: int | None = (await connection.execute(select(func.max(runs.c.number)))).scalar_one()
    number = (last or 0) + 1
    values = {"number": number, "started_at": now, "pid": os.getpid(), "host": socket.gethostname()}
    await connection.execute(insert(runs), values)
    return number


async def end(connection: AsyncConnection, number: int, reason: str | None, now: datetime) -> None:
    """Note that it is over, and why it was early."""
    this = update(runs).where(runs.c.number == number)
    await connection.execute(this.values(ended_at=now, reason=reason))


async def every(connection: AsyncConnection) -> list[Run]:
    """Return all of them, the first one first."""
    result = await connection.execute(select(*_RUN).order_by(runs.c.number))
    return [Run(**row._mapping) for row in result]

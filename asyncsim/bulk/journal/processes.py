"""The workers and receivers of a shared journal, their accounts, and which of them are alive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import asdict, fields, frozen
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.schema import processes

FORGOTTEN_AFTER = 3600.0
"""Seconds for which a dead process is still listed, so that a person can see it."""


@frozen(kw_only=True)
class JournalProcess:
    """A worker or receiver that records itself in a shared journal."""

    id: str
    """`HOST:PID:random`, as in the chunks that it owns."""
    kind: str
    """`worker` or `receiver`."""
    host: str
    pid: int
    accounts: tuple[str, ...] = ()
    """The accounts that it serves, as `account_key` writes them."""


@frozen(kw_only=True)
class KnownProcess:
    """A worker or receiver, as recorded in the journal."""

    id: str
    kind: str
    host: str
    pid: int
    accounts: tuple[str, ...]
    started_at: datetime
    heartbeat_at: datetime
    is_alive: bool
    """By the database's clock."""


async def record_alive(
    connection: AsyncConnection,
    process: JournalProcess,
    now: ColumnElement[datetime],
    forgotten: ColumnElement[datetime],
) -> None:
    """Record that a process has started or is still alive; removes those that died long ago.

    `forgotten`: processes with an older heartbeat are removed.
    """
    # Also the accounts: a worker drops those whose credentials were rejected.
    accounts = list(process.accounts)
    this = update(processes).where(processes.c.id == process.id)
    if (await connection.execute(this.values(heartbeat_at=now, accounts=accounts))).rowcount:
        return
    # Only when a process starts: more often is not needed.
    await connection.execute(delete(processes).where(processes.c.heartbeat_at < forgotten))
    values = asdict(process) | {"accounts": accounts, "started_at": now, "heartbeat_at": now}
    await connection.execute(insert(processes).values(values))


async def remove(connection: AsyncConnection, id: str) -> None:
    """Record that a process has ended."""
    await connection.execute(delete(processes).where(processes.c.id == id))


async def known_processes(
    connection: AsyncConnection, dead: ColumnElement[datetime]
) -> Sequence[KnownProcess]:
    """Return all processes, the oldest one first.

    `dead`: processes with an older heartbeat count as dead.
    """
    names = [field.name for field in fields(KnownProcess) if field.name != "is_alive"]
    columns: list[ColumnElement[Any]] = [processes.c[name] for name in names]
    columns.append((processes.c.heartbeat_at >= dead).label("is_alive"))
    found = select(*columns).order_by(processes.c.started_at, processes.c.id)
    return [
        KnownProcess(**{**row, "accounts": tuple(row["accounts"])})
        for row in (await connection.execute(found)).mappings()
    ]

"""The database of journals, as its two engines implement it: SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import ColumnElement, Executable, RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.records import ChunkClaim
from asyncsim.wire import json

P = ParamSpec("P")
T = TypeVar("T")


class Database(Protocol):
    """Connections and transactions. Work is a function that is given a connection."""

    # Work may run twice: when a connection is lost, a transaction that was not committed is
    # repeated. So it changes nothing but the database.

    holds_job: bool
    """Whether it contains a job; otherwise `close` removes a file that `open` has created."""

    @property
    def target(self) -> str:
        """Its path or URL for messages, without a password."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether many processes write it, and it contains many jobs: PostgreSQL."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        ...

    def check_open(self) -> None:
        """Raise JournalError while it is closed."""
        ...

    async def open(self) -> None:
        """Open it; if that fails, `close` leaves nothing behind."""
        ...

    async def close(self) -> None:
        """Close it, however far it was opened; a broken journal does not make this fail."""
        ...

    def give_up_after(self, seconds: float) -> None:
        """Let all transactions fail that have not ended after `seconds`; for a shutdown."""
        ...

    def now(self, seconds: float = 0.0) -> ColumnElement[datetime]:
        """The time so many seconds from now, by the database's clock, for a statement."""
        ...

    async def read(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work in a transaction that sees a consistent snapshot."""
        ...

    async def write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work in a transaction that is on disk when this returns."""
        ...

    async def write_single(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `write`, but each statement is a separate transaction, and may be carried out twice.

        It takes one round trip per statement; `write` takes three more.
        """
        ...

    async def write_as(
        self,
        claim: ChunkClaim,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `write`, by the owner of a chunk.

        Raises `Fenced`, and writes nothing, if it is not the owner any more.
        """
        ...


async def finish_despite_cancel(
    work: Coroutine[Any, Any, T], on_cancel: Callable[[], object] | None = None
) -> T:
    """Finish work even when cancelled, then raise the cancellation.

    An interrupted transaction costs its connection; finishing it takes milliseconds.
    """
    task = asyncio.create_task(work, name="asyncsim-journal-work")
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            if cancelled is None and on_cancel is not None:
                on_cancel()
            cancelled = error
    if cancelled is not None:
        task.exception()  # retrieved, or asyncio would log it; the cancellation takes precedence
        raise cancelled
    return task.result()


# Work of transactions.


async def fetch(connection: AsyncConnection, statement: Executable) -> Sequence[RowMapping]:
    """Return the rows of a statement, by column."""
    return (await connection.execute(statement)).mappings().all()


async def execute(connection: AsyncConnection, statement: Executable) -> int:
    """Execute a statement; returns how many rows it has changed."""
    return (await connection.execute(statement)).rowcount


def to_json(value: Any) -> str:
    """Write a value of a JSON column."""
    return json.dumps(dict(value) if isinstance(value, Mapping) else value).decode()


def from_json(stored: str | bytes) -> Any:
    """Read a value of a JSON column; the drivers give either type."""
    return json.loads(stored.encode() if isinstance(stored, str) else stored)

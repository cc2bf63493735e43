"""A journal's database: transactions that read, transactions that write, one of those at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asyncsim.bulk.journal import database
from asyncsim.bulk.journal.troubles import spoken
from asyncsim.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")
_LONGEST_WAL = 16 << 20  # bytes; more would only make the next opening slower


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Do it to its end also when cancelled; the cancellation comes after.

    A transaction that is torn in the middle costs its connection, and one that is done costs
    milliseconds.
    """
    task = asyncio.create_task(work, name="asyncsim-journal-work")
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # seen; the cancellation goes before it
        raise cancelled
    return task.result()


class Store:
    """The engine of one open journal; whatever it raises is a JournalError."""

    def __init__(
        self, target: str, reader: AsyncEngine, writer: AsyncEngine, clock: Clock, *, path: Path
    ) -> None:
        self.target = target
        self._path = path
        self._checkpoint_at = _LONGEST_WAL
        self._reader = reader
        self._writer = writer
        self._clock = clock
        # Two writers of one process would only make each other wait in the database.
        self._one = asyncio.Lock()

    async def read(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do it in a transaction that sees one moment of the journal."""
        return await to_the_end(self._do(self._reader, work, *args, **kwargs))

    async def write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do it in a transaction that is on disk when this returns."""
        async with self._one:
            return await to_the_end(self._write(work, *args, **kwargs))

    async def _write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        result = await self._do(self._writer, work, *args, **kwargs)
        if database.wal_size(self._path) >= self._checkpoint_at:
            with self._clock.working(), spoken(self.target):
                await database.checkpoint(self._reader, self._writer)
            # Where a reader is in the way it is not shorter now; try after as much again.
            self._checkpoint_at = database.wal_size(self._path) + _LONGEST_WAL
        return result

    async def _do(
        self,
        engine: AsyncEngine,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with self._clock.working(), spoken(self.target):
            async with engine.begin() as connection:
                return await work(connection, *args, **kwargs)

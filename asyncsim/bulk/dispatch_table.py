"""Dispatch by the chunk table alone: each worker claims the next free chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.dispatch_protocol import CHANNEL, POLL_EVERY, Handle, wake_ups
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.records import ChunkRef
from asyncsim.clock import Clock
from asyncsim.errors import JournalError
from asyncsim.postgres.bounded import end


class TableDispatch:
    """Needs only the tables of the journal."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._database = open_database(url, clock)

    async def __aenter__(self) -> Self:
        await self._database.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._database.close()

    async def install(self) -> None:
        """Nothing to create."""

    async def enqueue(self, chunks: Sequence[ChunkRef]) -> None:
        """Wake the workers; one notification for all chunks."""
        if chunks and self._database.is_shared:
            await self._database.write(_notify)

    async def work(
        self,
        handle: Handle,
        accounts: Collection[str],
        *,
        at_once: int,
        stop: asyncio.Event,
        dropped: asyncio.Event,
    ) -> None:
        """Claim chunks in so many tasks; `handle` claims none of other accounts."""
        async with wake_ups(self._url, self._clock) as woken:
            tasks = [
                asyncio.create_task(self._claim(handle, woken, stop), name="asyncsim-claims")
                for _ in range(at_once)
            ]
            try:
                await asyncio.gather(*tasks)
            finally:
                await end(*tasks)

    async def _claim(self, handle: Handle, woken: asyncio.Event, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                found = await handle(None)
            except JournalError:  # an outage of the database
                found = False
            if not found:
                # Otherwise it tries again at once: a notification may be about many chunks.
                await self._wait(woken, stop)

    async def _wait(self, woken: asyncio.Event, stop: asyncio.Event) -> None:
        """Wait for a notification, at most until the next poll."""
        # A notification just before this may be missed; the poll makes up for that.
        woken.clear()
        waits = [
            asyncio.ensure_future(self._clock.sleep(POLL_EVERY)),
            asyncio.ensure_future(woken.wait()),
            asyncio.ensure_future(stop.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*waits)

    async def requeue_stalled(self) -> int:
        """Do nothing: claims include the chunks of dead workers."""
        return 0


async def _notify(connection: AsyncConnection) -> None:
    await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})

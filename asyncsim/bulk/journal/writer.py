"""Group commits: what many rows go through in a moment is written down in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from asyncsim.bulk.journal.moves import Move
from asyncsim.clock import Clock, Timer
from asyncsim.errors import JournalError

TICK = 0.02
"""Seconds between two commits. One row per commit is the only shape that hurts."""
ROOM = 10_000
"""Moves that may wait for their commit; whoever brings more waits with them."""
_TORN = "writing the journal was interrupted: run the same command again, it looks what was done"


class _Batch:
    """Moves that are committed together, and the news of that."""

    def __init__(self) -> None:
        self.moves: list[Move] = []
        self.over = asyncio.Event()
        self.written = False
        self.trouble: JournalError | None = None


class Writer:
    """Buffers moves and commits them every tick, in the order in which they came.

    After a commit that failed nothing more is taken: what follows would rest on moves that
    are not in the journal.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Move]], Awaitable[None]],
        clock: Clock,
        *,
        room: int = ROOM,
    ) -> None:
        self._commit = commit
        self._clock = clock
        self._room = room
        self._batch = _Batch()
        self._under_way: _Batch | None = None
        self._due = asyncio.Event()
        self._timer: Timer | None = None
        self._closing = False
        self._trouble: JournalError | None = None
        self._told = False
        self._task = asyncio.create_task(self._run(), name="asyncsim journal")

    async def buffer(self, move: Move) -> None:
        """Take it; it is on disk after a tick or two. Waits while the buffer is full."""
        await self._add(move)

    async def commit(self, move: Move) -> None:
        """Take it and return once it is on disk."""
        await self._end_of(await self._add(move))

    async def flush(self) -> None:
        """Return once all that was taken is on disk."""
        self._refuse()
        batch = self._batch if self._batch.moves else self._under_way
        if batch is not None:
            self._due.set()
            await self._end_of(batch)

    async def close(self) -> JournalError | None:
        """Commit the rest and end; returns what went wrong if nobody was told of it yet."""
        self._closing = True
        self._due.set()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()  # raises what only a mistake of ours can have raised
        return None if self._told else self._trouble

    async def _add(self, move: Move) -> _Batch:
        self._refuse()
        while len(self._batch.moves) >= self._room:
            self._due.set()
            await self._end_of(self._batch)
            self._refuse()
        batch = self._batch
        if not batch.moves:
            self._timer = self._clock.call_at(self._clock.now() + TICK, self._due.set)
        batch.moves.append(move)
        return batch

    async def _end_of(self, batch: _Batch) -> None:
        await batch.over.wait()
        if batch.trouble is not None:
            self._tell(batch.trouble)

    def _refuse(self) -> None:
        if self._trouble is not None:
            self._tell(self._trouble)
        if self._closing:
            raise JournalError("the journal is closed: nothing more can be recorded")

    def _tell(self, trouble: JournalError) -> None:
        self._told = True
        # A new one for each: all would add their traceback to the same.
        raise JournalError(str(trouble)) from trouble

    async def _run(self) -> None:
        try:
            while not (self._closing and not self._batch.moves):
                await self._due.wait()
                self._due.clear()
                if self._batch.moves:
                    await self._write()
        finally:
            self._end(self._batch)  # empty, unless this was torn down

    async def _write(self) -> None:
        batch, self._batch = self._batch, _Batch()
        self._under_way = batch
        if self._timer is not None:
            self._timer.cancel()
        try:
            if self._trouble is None:
                await self._commit_all(batch)
        finally:
            self._under_way = None
            self._end(batch)

    def _end(self, batch: _Batch) -> None:
        # Only what a commit has returned for passes for written.
        if batch.moves and not batch.written:
            batch.trouble = batch.trouble or self._trouble or JournalError(_TORN)
            self._trouble = self._trouble or batch.trouble
        batch.over.set()

    async def _commit_all(self, batch: _Batch) -> None:
        try:
            with self._clock.working():
                await self._commit(batch.moves)
        except JournalError as error:
            batch.trouble = error
        else:
            batch.written = True

"""An open journal: its database and its writer, opened and closed together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal import moves
from asyncsim.bulk.journal.door import Door, secret_of
from asyncsim.bulk.journal.moves import Move
from asyncsim.bulk.journal.store import Store, to_the_end
from asyncsim.bulk.journal.writer import Writer
from asyncsim.clock import Clock
from asyncsim.errors import JournalError

P = ParamSpec("P")
T = TypeVar("T")


class Session:
    """What a journal is made on: `async with`, reading, writing, buffered moves."""

    def __init__(self, target: str, *, read_only: bool, clock: Clock) -> None:
        self.target = target
        """The path as it was given; for messages."""
        self._clock = clock
        self._read_only = read_only
        self._door = Door(target, clock, read_only=read_only)
        self._open_store: Store | None = None
        self._open_writer: Writer | None = None
        self._secret = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.target}>"

    async def __aenter__(self) -> Self:
        if self._open_store is not None:
            raise JournalError(f"journal {self.target} is open already")
        try:
            self._open_store = await to_the_end(self._door.open())
            await self._recall(self._open_store)
        except BaseException:
            self._open_store = None
            await to_the_end(self._door.close())
            raise
        if not self._read_only:
            self._open_writer = Writer(self._write_moves, self._clock)
        return self

    async def _recall(self, store: Store) -> None:
        """Learn from the file what is asked for without waiting."""
        self._secret = await store.read(secret_of)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        trouble = await to_the_end(self._close())
        if trouble is not None and error is None:
            raise trouble
        if trouble is not None and error is not None:
            error.add_note(str(trouble))

    async def _close(self) -> JournalError | None:
        try:
            return await self._open_writer.close() if self._open_writer is not None else None
        finally:
            self._open_store = self._open_writer = None
            await self._door.close()

    @property
    def _store(self) -> Store:
        if self._open_store is None:
            raise JournalError(f"journal {self.target} is not open: use `async with`")
        return self._open_store

    @property
    def _writer(self) -> Writer:
        if self._store and self._open_writer is None:
            raise JournalError(f"journal {self.target} was opened for reading only")
        assert self._open_writer is not None  # noqa: S101 - as `_store` is there, so is this
        return self._open_writer

    async def _read(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read what is there, with all that was buffered before."""
        if not self._read_only:
            await self._writer.flush()
        return await self._store.read(work, *args, **kwargs)

    async def _write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Write after all that was buffered before."""
        await self._writer.flush()
        return await self._store.write(work, *args, **kwargs)

    async def _write_moves(self, some: Sequence[Move]) -> None:
        await self._store.write(moves.write, some)

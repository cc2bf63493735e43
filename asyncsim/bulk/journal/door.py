"""From a path to an open journal, and back: what is there, who has it, who may have it."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asyncsim.bulk.journal import database, lock as locks, paths
from asyncsim.bulk.journal.columns import Secret
from asyncsim.bulk.journal.schema import FORMAT, create, journal
from asyncsim.bulk.journal.store import Store
from asyncsim.bulk.journal.troubles import spoken
from asyncsim.clock import Clock
from asyncsim.errors import JournalError

_SECRET = 32  # bytes


class Door:
    """Opens the journal at one path, and closes it behind us."""

    def __init__(self, target: str, clock: Clock, *, read_only: bool) -> None:
        self.used = False
        """A job is in it; a file that was made here and holds none goes again."""
        self._target = target
        self._path = Path(target).resolve()
        self._clock = clock
        self._read_only = read_only
        self._made = False
        self._lock: BaseFileLock | None = None
        self._engine: AsyncEngine | None = None
        self._store: Store | None = None

    async def open(self) -> Store:
        """Open it; where that fails, `close` leaves nothing behind."""
        with spoken(self._target):
            paths.check(self._path, self._target, read_only=self._read_only)
            if not self._read_only:
                await self._claim()
            database.check_content(self._path, self._target)
            database.check_complete(self._path, self._target)
            self._engine = database.engine_for(self._path, read_only=self._read_only)
            writer = database.writing(self._engine)
            store = Store(self._target, self._engine, writer, self._clock, path=self._path)
            await self._check(store)
            if not self._read_only:
                await store.write(_prepare, self._target, self._clock.utcnow())
                await database.write_ahead(self._engine, writer)
                self._store = store
            return store

    async def _claim(self) -> None:
        lock = locks.lock_of(self._path)
        if not locks.take(lock):
            raise await self._in_use()
        self._lock = lock
        self._made = database.make_file(self._path)

    async def _in_use(self) -> JournalError:
        engine = database.engine_for(self._path, read_only=True)
        store = Store(self._target, engine, engine, self._clock, path=self._path)
        holder: tuple[int | None, str | None] = None, None
        try:
            # It may have no tables yet, as whoever holds it has just begun to make them.
            with suppress(JournalError):
                holder = await store.read(_holder)
        finally:
            await engine.dispose()
        return locks.in_use(self._target, *holder)

    async def _check(self, store: Store) -> None:
        marked = await store.read(database.is_marked, self._target)
        if not marked and self._read_only:
            raise JournalError(f"journal {self._target} is empty: has the job been started?")
        if marked and await store.read(_format) > FORMAT:
            raise JournalError(
                f"journal {self._target} was written by a newer asyncsim: update asyncsim"
            )

    async def close(self) -> None:
        """Close it, however far it was opened; a broken journal is no reason to fail here."""
        try:
            if self._store is not None and self._engine is not None:
                await self._leave(self._store, self._engine)
        finally:
            if self._engine is not None:
                await self._engine.dispose()
            if self._made and not self.used:
                database.remove(self._path)
                if self._lock is not None:
                    locks.remove(self._lock)
            if self._lock is not None:
                self._lock.release()
            self._made, self._lock, self._engine, self._store = False, None, None, None

    async def _leave(self, store: Store, engine: AsyncEngine) -> None:
        with suppress(JournalError), spoken(self._target):
            await store.write(_note_holder, None, None)
            await database.unset_wal(engine)


async def _format(connection: AsyncConnection) -> int:
    found: int = (await connection.execute(select(journal.c.format))).scalar_one()
    return found


async def _prepare(connection: AsyncConnection, target: str, now: datetime) -> None:
    """Make the tables if there are none, and note who has it open."""
    if not await database.is_marked(connection, target):
        await create(connection)
        secret = Secret(secrets.token_urlsafe(_SECRET))
        values = {"format": FORMAT, "created_at": now, "ticket_secret": secret}
        await connection.execute(insert(journal), values)
        await database.mark(connection)
    await _note_holder(connection, os.getpid(), socket.gethostname())


async def _note_holder(connection: AsyncConnection, process: int | None, host: str | None) -> None:
    values = {"opened_by_process": process, "opened_on_host": host}
    await connection.execute(update(journal).values(**values))


async def _holder(connection: AsyncConnection) -> tuple[int | None, str | None]:
    asked = select(journal.c.opened_by_process, journal.c.opened_on_host)
    process, host = (await connection.execute(asked)).one()
    return process, host


async def secret_of(connection: AsyncConnection) -> str:
    """Return what the tickets of the job's callbacks are signed with."""
    found: str = (await connection.execute(select(journal.c.ticket_secret))).scalar_one()
    return found

"""The SQLite file of one job: connections, transactions, checkpoints, error messages."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    event,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.database import finish_despite_cancel, from_json, to_json
from asyncsim.bulk.journal.file import APPLICATION_ID, JournalFile
from asyncsim.bulk.journal.file_upgrades import upgrade_file
from asyncsim.bulk.journal.schema import FORMAT, UtcDateTime, create_tables, journal
from asyncsim.bulk.records import ChunkClaim
from asyncsim.clock import Clock
from asyncsim.errors import JournalError

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST_WAL = 16 << 20  # bytes; more would only make the next opening slower
_BEGIN = "asyncsim_begin"
"""Execution option: the statement that begins a transaction, empty for none."""

_BUSY_TIMEOUT = "busy_timeout=10000"  # milliseconds; an SQL shell may hold the file for a moment
# FULL: an intent has to survive a power cut, not only the process.
# cache_size: KiB for each connection; the pool below has four at most.
# Automatic checkpoints are off, because `_checkpoint` has to set `needs_wal` around each.
_PRAGMAS = (_BUSY_TIMEOUT, "synchronous=FULL", "cache_size=-16384", "wal_autocheckpoint=0")

_AGAIN = "then run the same command again: what was recorded is kept"
# SQLite's name of the error, or its prefix -> the problem and the remedy.
_REMEDIES = {
    "SQLITE_FULL": f"the disk is full: free space, {_AGAIN}",
    "SQLITE_IOERR": f"the disk cannot be written or read (over quota?): fix that, {_AGAIN}",
    "SQLITE_READONLY": f"it cannot be written: make the file and its folder writable, {_AGAIN}",
    "SQLITE_CANTOPEN": "it cannot be opened: check the permissions of the file and its folder",
    "SQLITE_BUSY": f"another program has locked it (an SQL shell?): close that, {_AGAIN}",
    "SQLITE_LOCKED": f"another program has locked it (an SQL shell?): close that, {_AGAIN}",
    "SQLITE_NOTADB": "it is not a SQLite file: choose another path for the journal",
    "SQLITE_CORRUPT": "the file is damaged: restore it from a backup",
}


@contextmanager
def translate_errors(target: str) -> Iterator[None]:
    """Translate database errors to a JournalError with a remedy."""
    try:
        yield
    # ValueError: text that cannot be stored, or a closed connection.
    # LookupError: an unknown state or verdict, written into the file by hand.
    except (SQLAlchemyError, sqlite3.Error, OSError, ValueError, LookupError) as error:
        cause = getattr(error, "orig", None) or error
        name = getattr(cause, "sqlite_errorname", None) or ""
        for beginning, remedy in _REMEDIES.items():
            if name.startswith(beginning):
                raise JournalError(f"journal {target}: {remedy} ({cause})") from error
        raise JournalError(f"journal {target} cannot be used: {cause}") from error


class SqliteDatabase:
    """The file of one job: opened by one process for writing, by any number for reading."""

    is_shared = False

    def __init__(self, target: str, clock: Clock, *, read_only: bool) -> None:
        self.holds_job = False
        """Whether it contains a job; otherwise `close` removes a file that `open` has created."""
        self._target = target
        self._file = JournalFile(target, read_only=read_only)
        self._clock = clock
        self._read_only = read_only
        self._engine: AsyncEngine | None = None
        self._is_prepared = False
        self._next_checkpoint = _LONGEST_WAL
        # Two writers in one process would only block each other in the database.
        self._one_writer = asyncio.Lock()

    @property
    def target(self) -> str:
        """Its path as given; for messages."""
        return self._target

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._engine is not None

    def check_open(self) -> None:
        """Raise JournalError while it is closed."""
        if self._engine is None:
            raise JournalError(f"journal {self._target} is not open: use `async with`")

    @property
    def engine(self) -> AsyncEngine:
        """Its connections; JournalError while it is closed."""
        self.check_open()
        assert self._engine is not None  # noqa: S101 - checked above
        return self._engine

    async def open(self) -> None:
        """Open it, creating it if needed; if that fails, `close` leaves nothing behind."""
        with translate_errors(self._target):
            self._file.check_path()
            if not self._read_only:
                if not self._file.acquire():
                    raise await self._in_use()
                self._file.create()
            self._file.check_content()
            self._file.check_wal()
            self._engine = _create_engine(self._file.path, read_only=self._read_only)
            marked = await self.read(_is_marked, self._target)
            if not marked and self._read_only:
                raise JournalError(f"journal {self._target} is empty: has the job been started?")
            if marked:
                self._check_format(await self.read(_scalar, journal.c.format))
            if not self._read_only:
                await self.write(self._prepare)
                # The pragma creates no WAL, only the first write does: a process may be killed in
                # between, and its journal must not look incomplete then.
                await _run_pragmas(self._engine, "journal_mode=WAL")
                await self._checkpoint()
                self._is_prepared = True

    def _check_format(self, found: int) -> None:
        if found > FORMAT:
            raise JournalError(
                f"journal {self._target} was written by a newer asyncsim: update asyncsim"
            )
        if found < FORMAT and self._read_only:
            raise JournalError(
                f"journal {self._target} was written by an older asyncsim: run"
                f" `asyncsim jobs migrate {shlex.quote(self._target)}`, then this command again"
            )

    async def _in_use(self) -> JournalError:
        """Build the error that names the process that has it open, if the journal knows it."""
        self._engine = _create_engine(self._file.path, read_only=True)
        process = host = None
        # It may have no tables yet, because its holder is just creating them.
        with suppress(JournalError):
            process, host = await self.read(_read_holder)
        who = f"process {process} on {host}" if process else "another process"
        return JournalError(
            f"journal {self._target} is in use by {who}: wait until that has ended, or stop it;"
            " its progress can be read meanwhile"
        )

    async def _prepare(self, connection: AsyncConnection) -> None:
        """Create the tables if there are none, and record who has it open."""
        # In one transaction with the mark: a file is a complete journal, or none.
        if not await _is_marked(connection, self._target):
            await create_tables(connection)
            made = {"format": FORMAT, "created_at": self._clock.utcnow()}
            await connection.execute(insert(journal), made)
            await connection.execute(text(f"PRAGMA application_id={APPLICATION_ID}"))
        elif await _scalar(connection, journal.c.format) < FORMAT:
            await upgrade_file(connection)
        await _record_holder(connection, os.getpid(), socket.gethostname())

    async def close(self) -> None:
        """Close it, however far it was opened; a broken journal does not make this fail."""
        try:
            if self._is_prepared:
                with suppress(JournalError), translate_errors(self._target):
                    await self.write(_record_holder, None, None)
                    # Back to one file, unless a reader has it open, which does no harm.
                    await _run_pragmas(self.engine, "busy_timeout=0", "journal_mode=DELETE")
        finally:
            if self._engine is not None:
                await self._engine.dispose()
            self._file.release(keep=self.holds_job)
            self._engine, self._is_prepared = None, False

    def give_up_after(self, seconds: float) -> None:
        """Nothing to do: no transaction waits for another machine."""

    # Transactions.

    def now(self, seconds: float = 0.0) -> ColumnElement[datetime]:
        """The time so many seconds from now, by the clock of the process that has it open."""
        return literal(self._clock.utcnow() + timedelta(seconds=seconds), UtcDateTime)

    async def read(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work in a transaction that sees a consistent snapshot of the journal."""
        return await finish_despite_cancel(self._transact(self.engine, work, *args, **kwargs))

    async def write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work in a transaction that is on disk when this returns."""
        engine = _writing(self.engine)

        async def transact_and_checkpoint() -> T:
            result = await self._transact(engine, work, *args, **kwargs)
            if self._file.wal_size() >= self._next_checkpoint:
                with self._clock.working(), translate_errors(self._target):
                    await self._checkpoint()
                # If a reader was in the way, the WAL is not shorter now; try after as much again.
                self._next_checkpoint = self._file.wal_size() + _LONGEST_WAL
            return result

        async with self._one_writer:
            return await finish_despite_cancel(transact_and_checkpoint())

    async def write_single(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `write`: there are no round trips to save."""
        return await self.write(work, *args, **kwargs)

    async def write_as(
        self,
        claim: ChunkClaim,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `write`, by the owner of a chunk; raises `Fenced` if it is not the owner any more."""

        async def fenced(connection: AsyncConnection) -> T:
            if (await connection.execute(claims.FENCE, claims.fence_of(claim))).first() is None:
                raise claims.fenced(claim, self._target)
            return await work(connection, *args, **kwargs)

        return await self.write(fenced)

    async def _transact(
        self,
        engine: AsyncEngine,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with self._clock.working(), translate_errors(self._target):
            async with engine.begin() as connection:
                return await work(connection, *args, **kwargs)

    async def _checkpoint(self) -> None:
        """Copy the WAL into the file, as far as readers allow, before it grows without bound."""
        needs_wal = text("UPDATE journal SET needs_wal = :needed")
        async with _writing(self.engine).begin() as connection:
            await connection.execute(needs_wal, {"needed": True})
        await _run_pragmas(
            self.engine,
            "busy_timeout=0",  # do not wait for a reader: later will do
            "wal_checkpoint(TRUNCATE)",
            _BUSY_TIMEOUT,
        )
        # True in the file and false in the new WAL: see `JournalFile.check_wal`.
        async with _writing(self.engine).begin() as connection:
            await connection.execute(needs_wal, {"needed": False})


# Work of transactions.


async def _scalar(connection: AsyncConnection, column: Any) -> Any:
    return (await connection.execute(select(column))).scalar_one()


async def _is_marked(connection: AsyncConnection, target: str) -> bool:
    """Tell a journal from a file that is still empty; any other file is rejected."""
    marked = (await connection.execute(text("PRAGMA application_id"))).scalar_one()
    if marked == APPLICATION_ID:
        return True
    # A process that was killed while it created the tables leaves a file without any.
    objects = await connection.execute(text("SELECT count(*) FROM sqlite_master"))
    if marked or objects.scalar_one():
        raise JournalError(
            f"{target} is a SQLite file, but not a journal of asyncsim: choose another path"
        )
    return False


async def _read_holder(connection: AsyncConnection) -> tuple[int | None, str | None]:
    holder = select(journal.c.opened_by_process, journal.c.opened_on_host)
    process, host = (await connection.execute(holder)).one()
    return process, host


async def _record_holder(
    connection: AsyncConnection, process: int | None, host: str | None
) -> None:
    holder = update(journal).values(opened_by_process=process, opened_on_host=host)
    await connection.execute(holder)


# Connections.


def _create_engine(path: Path, *, read_only: bool) -> AsyncEngine:
    """Return an engine whose transactions begin as plain `BEGIN`; nothing is opened yet."""
    url = URL.create("sqlite+aiosqlite", database=str(path))
    if read_only:
        # mode=ro neither creates a file nor takes part in the writer's locks.
        query = {"mode": "ro", "uri": "true"}
        url = URL.create("sqlite+aiosqlite", database=path.as_uri(), query=query)
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=4,  # readers and one writer: more would only share one disk
        hide_parameters=True,  # errors would show them, and one is a secret
        json_serializer=to_json,
        json_deserializer=from_json,
    )
    event.listen(engine.sync_engine, "connect", _set_up_connection)
    event.listen(engine.sync_engine, "begin", _begin_transaction)
    return engine


def _writing(engine: AsyncEngine) -> AsyncEngine:
    """Return the same connections, for transactions that take the write lock at once.

    One that reads first and then wants to write would fail if another wrote in between.
    """
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def _set_up_connection(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    # Not the driver, but `_begin_transaction` begins transactions.
    connection.isolation_level = None
    try:
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        connection.close()  # the pool does not know it yet, and its thread would never end
        raise


def _begin_transaction(connection: Connection) -> None:
    if statement := connection.get_execution_options().get(_BEGIN, "BEGIN"):
        connection.exec_driver_sql(statement)


async def _run_pragmas(engine: AsyncEngine, *pragmas: str) -> None:
    """Run pragmas outside of transactions: within one, SQLite rejects or ignores them."""
    async with engine.execution_options(**{_BEGIN: ""}).connect() as connection:
        for pragma in pragmas:
            await connection.execute(text(f"PRAGMA {pragma}"))

"""All that is SQLite's alone: connections, pragmas, and what may lie at a path."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from asyncsim.errors import JournalError

APPLICATION = 0x4153494D
"""`ASIM`: marks a SQLite file as a journal, in its header."""

_MAGIC = b"SQLite format 3\0"
_WRITES_AHEAD = b"\2\2"
"""Versions in the header of a file that is, or was last, in WAL mode."""
_BEGIN = "asyncsim_begin"
"""Execution option: how a transaction begins, empty for none."""

# FULL: an intent has to survive a power cut, not only the process.
# Checkpoints are ours: see `checkpoint`.
_PATIENCE = "busy_timeout=10000"
_PRAGMAS = (_PATIENCE, "synchronous=FULL", "cache_size=-16384", "wal_autocheckpoint=0")


def engine_for(path: Path, *, read_only: bool) -> AsyncEngine:
    """Return an engine whose transactions begin as plain `BEGIN`; nothing is opened yet."""
    # mode=ro neither makes a file nor takes part in the writer's locks.
    url = URL.create("sqlite+aiosqlite", database=str(path))
    if read_only:
        query = {"mode": "ro", "uri": "true"}
        url = URL.create("sqlite+aiosqlite", database=path.as_uri(), query=query)
    # Errors would show what was to be written, and a secret is among that.
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, pool_size=4, hide_parameters=True
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def writing(engine: AsyncEngine) -> AsyncEngine:
    """Return the same connections, for transactions that take the write lock at their start.

    One that reads first and then wants to write would fail if another wrote in between.
    """
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def _prepare(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by its own rules; `_begin` does, by ours.
    connection.isolation_level = None
    try:
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        connection.close()
        raise


def _begin(connection: Connection) -> None:
    if words := connection.get_execution_options().get(_BEGIN, "BEGIN"):
        connection.exec_driver_sql(words)


async def unset_wal(engine: AsyncEngine) -> None:
    """Bring all into one file again, unless somebody is looking in, which does no harm."""
    await _outside_of_transactions(engine, "PRAGMA busy_timeout=0", "PRAGMA journal_mode=DELETE")


async def _outside_of_transactions(engine: AsyncEngine, *statements: str) -> None:
    async with engine.execution_options(**{_BEGIN: ""}).connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def mark(connection: AsyncConnection) -> None:
    """Write into the header that this is a journal."""
    await connection.execute(text(f"PRAGMA application_id={APPLICATION}"))


async def is_marked(connection: AsyncConnection, target: str) -> bool:
    """Tell a journal from a file that has nothing in it yet; anything else is refused."""
    marked = (await connection.execute(text("PRAGMA application_id"))).scalar_one()
    if marked == APPLICATION:
        return True
    things = await connection.execute(text("SELECT count(*) FROM sqlite_master"))
    if marked or things.scalar_one():
        raise JournalError(
            f"{target} is a SQLite file, but no journal of asyncsim: give another path"
        )
    return False


def make_file(path: Path) -> bool:
    """Make an empty file that only its owner may read; False if there is one."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    return True


def remove(path: Path) -> None:
    """Remove the file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def check_content(path: Path, target: str) -> None:
    """Refuse a file that SQLite did not write; an empty one is as good as none."""
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
    if start and start != _MAGIC:
        raise JournalError(
            f"{target} is no journal: it is not even a SQLite file; give another path"
        )


def check_complete(path: Path, target: str) -> None:
    """Refuse a journal whose WAL is gone: taken for complete, it would send again what was sent.

    While a run writes, `needs_wal` is true in the file itself and false in the WAL beside it. So it
    is false once both have come together, whoever did that (a shell, too), and true in a file that
    was moved alone. That there may be a WAL at all is in the header (SQLite's file format, 1.3.3).
    """
    with path.open("rb") as file:
        versions = file.read(20)[18:]
    wal = path.with_name(f"{path.name}-wal")
    if versions != _WRITES_AHEAD or wal.exists():
        return
    # immutable: it is read as it is, and nothing is made beside it.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as alone:
        (needs_wal,) = alone.execute("SELECT needs_wal FROM journal").fetchone()
    if needs_wal and not wal.exists():  # a run may have begun just now
        raise JournalError(
            f"journal {target} is incomplete: {wal.name}, which has what a run wrote last, is"
            " missing. Put it back beside the journal; do not begin anew, or what was sent may be"
            " sent a second time"
        )


async def write_ahead(engine: AsyncEngine, writer: AsyncEngine) -> None:
    """Begin, or go on, with a WAL that the file does not do without; `check_complete` tells.

    The pragma makes no WAL, only the first write does: a process may be killed in between.
    """
    await _outside_of_transactions(engine, "PRAGMA journal_mode=WAL")
    await checkpoint(engine, writer)


async def checkpoint(engine: AsyncEngine, writer: AsyncEngine) -> None:
    """Bring the WAL into the file, as far as readers let it, before it grows without bound."""
    await _set_needs_wal(writer, needed=True)
    await _outside_of_transactions(
        engine,
        "PRAGMA busy_timeout=0",  # a reader in the way is no reason to wait: later will do
        "PRAGMA wal_checkpoint(TRUNCATE)",
        f"PRAGMA {_PATIENCE}",
    )
    await _set_needs_wal(writer, needed=False)


async def _set_needs_wal(writer: AsyncEngine, *, needed: bool) -> None:
    async with writer.begin() as connection:
        await connection.execute(text("UPDATE journal SET needs_wal = :needed"), {"needed": needed})


def wal_size(path: Path) -> int:
    """Bytes that stand in the WAL alone, about."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0

"""Fakes for what cannot be simulated: a worker thread, a file lock, an alias of a real clock.

The product is not changed. A database call runs at one scheduling point, so that a process can be
killed just before it or just after; files and locks belong to a process and go with it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import Context
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp.connector
import aiosqlite.core
import filelock
from attrs import define, field
from simloom._context import current_host

_Call = tuple[asyncio.Future[Any] | None, Callable[[], Any]]
_BESIDE = ("", "-wal", "-journal")
"""The files of a SQLite database; it recreates `-shm`."""
_BUSY_FOR, _BUSY_EVERY = 10.0, 0.05
"""Seconds of virtual time: the product's own `busy_timeout`, and the interval of retries."""


@define(eq=False)
class ProcessResources:
    """Files and locks that one process has open; the operating system releases them at its end."""

    databases: list[sqlite3.Connection] = field(factory=list)
    locks: set[str] = field(factory=set)

    def files(self) -> set[Path]:
        """Databases that are open now."""
        found = set()
        for database in self.databases:
            try:
                row = database.execute("PRAGMA database_list").fetchone()
            except sqlite3.ProgrammingError:  # closed by its owner
                continue
            if row and row[2]:
                found.add(Path(row[2]))
        return found

    def release(self, others: Iterable[ProcessResources]) -> None:
        """Leave on disk what a killed process leaves: what was committed, not cleaned up."""
        shared = {path for one in others for path in one.files()}
        # Closing the last connection cleans up, which a killed process does not do: the files are
        # restored. Files that other processes have open are left to them.
        kept = {path: _contents(path) for path in self.files() - shared}
        for database in self.databases:
            with suppress(sqlite3.ProgrammingError):  # closed by its owner
                database.rollback()
                database.close()
        for path, contents in kept.items():
            _put_back(path, contents)
        self.databases.clear()
        self.locks.clear()


def _contents(path: Path) -> dict[str, bytes | None]:
    beside = {suffix: path.with_name(path.name + suffix) for suffix in _BESIDE}
    return {suffix: one.read_bytes() if one.exists() else None for suffix, one in beside.items()}


def _put_back(path: Path, contents: dict[str, bytes | None]) -> None:
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    for suffix, content in contents.items():
        beside = path.with_name(path.name + suffix)
        # New files: cursors of the dead process would keep its locks on the old ones.
        beside.unlink(missing_ok=True)
        if content is not None:
            beside.write_bytes(content)


class InlineCalls:
    """aiosqlite's queue to its thread: each call runs in the loop, in order, a moment later."""

    committed: Callable[[], object] = staticmethod(lambda: None)
    """Called after each COMMIT, near which the process may be killed."""

    def __init__(self) -> None:
        self._calls: deque[_Call] = deque()
        self._waited = 0.0

    def __class_getitem__(cls, item: object) -> type[InlineCalls]:
        return cls

    def put_nowait(self, call: _Call) -> None:
        """Run a call in the loop, after those before it."""
        self._calls.append(call)
        if len(self._calls) == 1:
            asyncio.get_running_loop().call_soon(self._run)

    def _next(self) -> None:
        self._calls.popleft()
        self._waited = 0.0
        if self._calls:
            asyncio.get_running_loop().call_soon(self._run)

    def _may_wait(self) -> bool:
        """Whether a busy database is retried, as `busy_timeout` would."""
        self._waited += _BUSY_EVERY
        return self._waited <= _BUSY_FOR

    def _run(self) -> None:
        future, function = self._calls[0]
        try:
            result = function()
            _never_block(function)
        except BaseException as error:  # noqa: BLE001  # as in the thread, it is the caller's
            if _is_busy(error) and self._may_wait():
                asyncio.get_running_loop().call_later(_BUSY_EVERY, self._run)
                return
            self._next()
            if future is not None and not future.done():
                future.set_exception(error)
            return
        self._next()
        if getattr(getattr(function, "func", None), "__name__", "") == "commit":
            type(self).committed()
        if future is not None and not future.done():
            future.set_result(result)


def _never_block(function: Callable[[], Any]) -> None:
    """Reset `busy_timeout`: it would wait in real time for an event in virtual time."""
    if "busy_timeout" in str(getattr(function, "args", "")):
        function.func.__self__.connection.execute("PRAGMA busy_timeout=0")  # type: ignore[attr-defined]


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


class NoThread:
    """aiosqlite's thread, with nothing to do."""

    daemon = True

    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        """Do nothing."""


class ProcessLock:
    """A file lock that the running process holds until it releases it or is killed."""

    owner: Callable[[], ProcessResources]
    everybody: Callable[[], Iterable[ProcessResources]]

    def __init__(self, path: str | Path, **_: object) -> None:
        self._path = str(path)

    def acquire(self, timeout: float | None = None) -> None:
        """Acquire it; `filelock.Timeout` if another process holds it."""
        if any(self._path in one.locks for one in type(self).everybody()):
            raise filelock.Timeout(self._path)
        type(self).owner().locks.add(self._path)

    def release(self, force: bool = False) -> None:
        """Release it."""
        for one in type(self).everybody():
            one.locks.discard(self._path)


def context_of_process() -> Context:
    """An empty context, but for the process: a task of no process would survive every kill."""
    context = Context()
    context.run(current_host.set, current_host.get())
    return context


def users_of(name: str) -> Iterator[Any]:
    """Modules of the product that have imported this name."""
    for module in [*sys.modules.values()]:
        if getattr(module, "__name__", "").startswith("asyncsim") and name in vars(module):
            yield module


@contextmanager
def fakes_installed(
    owner: Callable[[], ProcessResources],
    everybody: Callable[[], Iterable[ProcessResources]],
    now: Callable[[], float],
    committed: Callable[[], object],
) -> Iterator[None]:
    """Install the fakes while a world runs."""
    connect = sqlite3.connect

    def owned(*args: Any, **keywords: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **keywords)
        owner().databases.append(database)
        return database

    ProcessLock.owner, ProcessLock.everybody = staticmethod(owner), staticmethod(everybody)
    InlineCalls.committed = staticmethod(committed)
    with ExitStack() as stack:
        for place, name, value in (
            (sqlite3, "connect", owned),
            (aiosqlite.core, "SimpleQueue", InlineCalls),
            (aiosqlite.core, "Thread", NoThread),
            # Bound at import, so that patching `time` does not reach it.
            (aiohttp.connector, "monotonic", now),
            *((module, "FileLock", ProcessLock) for module in users_of("FileLock")),
            *((module, "Context", context_of_process) for module in users_of("Context")),
        ):
            stack.enter_context(mock.patch.object(place, name, value))
        yield

"""Processes that are killed, or die, while they use a journal.

They are forked from one that has imported everything: a new one takes a second for that.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import signal
import warnings
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import Engine, event

from asyncsim.bulk.journal import Journal
from asyncsim.errors import JournalError
from tests.bulk.journal.samples import fill, row
from tests.bulk.journals import HEAD

Tell = Callable[[Any], None]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])
_PATIENCE = 60.0


@frozen
class Child:
    """A process, and what it tells."""

    process: Any
    said: Connection

    def next(self) -> Any:
        """The next that it tells; EOFError once it has ended."""
        assert self.said.poll(_PATIENCE), "the process tells nothing"
        try:
            return self.said.recv()
        except OSError:  # killed in the middle of it
            raise EOFError from None

    def rest(self) -> list[Any]:
        """All that it tells until its end."""
        found = []
        try:
            while True:
                found.append(self.next())
        except EOFError:
            return found

    def end(self) -> int | None:
        """Wait for its end; its exit code."""
        self.process.join(_PATIENCE)
        self.said.close()
        code: int | None = self.process.exitcode
        return code

    def kill(self, *, after: int) -> list[Any]:
        """Kill it once it has told so much; return all that it has told."""
        told = [self.next() for _ in range(after)]
        self.process.kill()
        told += self.rest()
        self.end()
        return told


def start(work: Callable[..., Awaitable[None]], path: Path, *more: str) -> Child:
    """Start a process that does the work on the journal at this path."""
    said, told = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(work, path, told, *more))
    process.start()
    told.close()
    return Child(process, said)


def _run(work: Callable[..., Any], path: Path, told: Connection, *more: str) -> None:
    warnings.simplefilter("error")
    asyncio.run(work(path, told.send, *more))


async def intend(path: Path, tell: Tell) -> None:
    """Record intents concurrently; tell each row's number once the journal has written it."""
    async with Journal.open(path) as journal:
        await fill(journal, 5000)

        async def intend_one(number: int) -> None:
            await journal.record_intent(number)
            tell(number)

        await asyncio.gather(*map(intend_one, range(1, 5001)))
        await asyncio.Event().wait()


async def open_and_die(path: Path, tell: Tell, statement: str) -> None:
    """Die while opening a journal, just after one SQL statement."""

    def die(connection: Any, cursor: Any, executed: str, *rest: Any) -> None:
        if statement in executed:
            os._exit(9)

    event.listen(Engine, "after_cursor_execute", die)
    async with Journal.open(path):
        pass


async def read_endlessly(path: Path, tell: Tell) -> None:
    """Read an input that never ends."""
    async with Journal.open(path) as journal:
        await journal.begin_job(HEAD)
        for first in range(1, 10**9, 100):
            await journal.add_rows([row(number) for number in range(first, first + 100)])
            tell(first)


async def grow(path: Path, tell: Tell) -> None:
    """Continue until no file may grow any more, as on a full disk; the error is told last."""
    async with Journal.open(path) as journal:
        await fill(journal, 2000)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        most = path.with_name(f"{path.name}-wal").stat().st_size + 40_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        try:
            for number in range(1, 2001):
                await journal.record_intent(number)
                tell(number)
        except JournalError as error:
            tell(str(error))

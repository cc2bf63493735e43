"""The session of a journal: its database, its writer, and its claim on a job or a chunk."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal import queries
from asyncsim.bulk.journal.database import Database, finish_despite_cancel
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.hold import JobHold
from asyncsim.bulk.journal.jobs import check_name
from asyncsim.bulk.journal.queries import InputSummary
from asyncsim.bulk.journal.scope import Scope
from asyncsim.bulk.journal.writer import Step, Writer, write_steps
from asyncsim.bulk.records import ChunkClaim
from asyncsim.clock import Clock
from asyncsim.errors import JournalError

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST_NAME = 200  # bytes: files and folders with results are named after a job
_SECRET_BYTES = 32
_HURRY = 5.0  # seconds for what is still to be stored, once cancelled


def _check_name(name: str) -> None:
    check_name(name)
    length = len(name.encode(errors="surrogatepass"))
    if not name.strip() or length > _LONGEST_NAME:
        limit = f"at most {_LONGEST_NAME} bytes long, and not blank"
        raise JournalError(f"the name of the job has {length:,} bytes: choose one that is {limit}")


class JournalSession:
    """An open database and one job in it: opening, closing, transactions."""

    def __init__(
        self,
        target: str,
        *,
        job: str | None,
        chunk: ChunkClaim | None,
        database: Database | None,
        read_only: bool,
        clock: Clock,
    ) -> None:
        self._location = target  # with its password: shown nowhere
        self._database = database or open_database(target, clock, read_only=read_only)
        self._is_borrowed = database is not None
        self.target = self._database.target
        """The path or URL as given, without a password; for messages."""
        self.job_name = job
        """The name of the job; None if it is not known yet."""
        if self._database.is_shared and job is None and chunk is None:
            raise JournalError(f"journal {self.target} is shared: pass the name of a job (`job=`)")
        if self._database.is_shared and job is not None:
            _check_name(job)
        self._clock = clock
        self._read_only = read_only
        self._chunk = chunk
        self._claim = chunk
        self._hold = JobHold(self._database)
        self._open_writer: Writer | None = None
        # One transaction of a journal at a time, in the order in which they were begun.
        self._one_write = asyncio.Lock()
        self._secret = ""
        self._input = InputSummary()
        self._scope = Scope(0, not self._database.is_shared)

    @property
    def arguments(self) -> str:
        """How a command of `asyncsim jobs` names this job, for a shell."""
        target = shlex.quote(self.target)
        if not self._database.is_shared:
            return target
        return f"{shlex.quote(self.job_name or '')} --journal {target}"

    @property
    def hold(self) -> JobHold | None:
        """The hold on the whole job; None for a file, and for a chunk that the caller claimed."""
        return self._hold if self._claim is not None and self._chunk is None else None

    @property
    def cancelled(self) -> asyncio.Event:
        """Set once another process has cancelled the whole job, if this process owns it."""
        return self._hold.cancelled

    @property
    def job_id(self) -> int | None:
        """The id of the job; None before it has begun."""
        return self._scope.job or None

    @property
    def ticket_secret(self) -> str:
        """The secret that signs the tickets of the job's callbacks; never shown."""
        return self._secret

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.target}>"

    async def __aenter__(self) -> Self:
        if self._open_writer is not None or (self._database.is_open and not self._is_borrowed):
            raise JournalError(f"journal {self.target} is open already")
        try:
            if not self._is_borrowed:
                await finish_despite_cancel(self._database.open(), self.hurry)
            await self._find_job()
        except BaseException:  # a cancellation, too: the lock must not outlive this
            await finish_despite_cancel(self._hold.release(), self.hurry)
            if not self._is_borrowed:
                await finish_despite_cancel(self._database.close())
            raise
        if not self._read_only:
            self._open_writer = Writer(self._write_steps, self._clock)
        return self

    async def _find_job(self) -> None:
        """Read what synchronous properties return; claim the job if other processes might."""
        chunk, wanted = self._chunk, self.job_name
        job_id = None if chunk is None else chunk.job_id
        found = await self._database.read(queries.read_job, name=wanted, job_id=job_id)
        if found is None:
            if chunk is not None or (wanted is not None and self._read_only):
                name = f"job {job_id}" if wanted is None else f"job {wanted!r}"
                raise JournalError(
                    f"journal {self.target} has no {name}: `asyncsim jobs list` shows its jobs"
                )
            # For the new job. Made now, because a client that is opened before its job begins signs
            # tickets with it. It is stored before anything is sent.
            self._secret = "" if self._read_only else secrets.token_urlsafe(_SECRET_BYTES)
            return
        # Properties are synchronous, so what they return is read now.
        self.job_name, self._secret, self._input = found.name, found.secret, found.summary
        is_alone, read_scope = not self._database.is_shared, queries.read_scope
        self._scope = await self._database.read(
            read_scope, found.id, chunk, self.target, is_alone=is_alone
        )
        if self._database.is_shared and chunk is None and not self._read_only:
            self._claim = await self._hold.take(found.id)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self.hurry()
        unreported = await finish_despite_cancel(self._close(), self.hurry)
        if unreported is not None and error is None:
            raise unreported
        if unreported is not None and error is not None:
            error.add_note(str(unreported))

    def hurry(self) -> None:
        """Write only what can be written within seconds, once cancelled.

        Has no effect on the journal of a chunk: other chunks of its worker use the same database.
        """
        if self._chunk is None:
            self._database.give_up_after(_HURRY)

    async def _close(self) -> JournalError | None:
        # Flush the buffer first, then close the file, even if flushing fails.
        try:
            return await self._open_writer.close() if self._open_writer is not None else None
        finally:
            self._open_writer = None
            self._claim = self._chunk
            await self._hold.release()
            if not self._is_borrowed:
                await self._database.close()

    async def _only_read(self) -> None:
        """Stop writing: a transaction has handed the job to the workers."""
        self._claim = None
        await self._hold.forget()
        await self._writer.close()
        self._open_writer = None

    @property
    def _writer(self) -> Writer:
        if self._open_writer is None:
            self._database.check_open()
            raise JournalError(f"journal {self.target} was opened for reading only")
        return self._open_writer

    async def _write_steps(self, steps: Sequence[Step]) -> None:
        await self._transact(write_steps, self._scope.job, steps)

    async def read(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read, after writing everything that is buffered; `work` is given a connection."""
        # A caller that has just recorded a step expects to read it.
        if self._open_writer is not None:
            await self._open_writer.flush()
        return await self._database.read(work, *args, **kwargs)

    async def write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Write in one transaction, after everything that is buffered.

        `work` is given a connection. It may run twice, if a connection is lost.
        """
        await self._writer.flush()
        return await self._transact(work, *args, **kwargs)

    async def _transact(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        async with self._one_write:
            if self._claim is None:
                return await self._database.write(work, *args, **kwargs)
            return await self._database.write_as(self._claim, work, *args, **kwargs)

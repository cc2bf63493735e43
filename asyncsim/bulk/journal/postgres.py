"""The PostgreSQL database of many jobs: transactions, their fences, and their retries."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from attrs import define
from sqlalchemy import ColumnElement, Text, cast, func, literal, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asyncsim.bulk.errors import READ_FIRST, JournalFailed
from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.database import from_json, to_json
from asyncsim.bulk.journal.schema import FORMAT, SCHEMA, UtcDateTime, journal
from asyncsim.bulk.records import ChunkClaim
from asyncsim.clock import Clock, Timer
from asyncsim.errors import JournalError
from asyncsim.postgres.bounded import finish
from asyncsim.postgres.engine import (
    advice_of,
    create_engine,
    is_locked,
    is_transient,
    remedy_of,
)
from asyncsim.postgres.url import PostgresUrl

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

RETRY_FOR = 60.0
"""Seconds for which a transaction is retried while the server cannot be reached."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts
_LONGEST = 300.0
"""Seconds for one attempt, even over millions of rows; otherwise a frozen server would hang it."""
_IF_CANCELLED = 2.0  # seconds for the rest of an attempt: mostly milliseconds
# The most of one process, however many chunks it works on: a transaction uses a connection only for
# milliseconds, and a server has about a hundred for all processes.
_CONNECTIONS = 8
_XID = cast(func.pg_current_xact_id(), Text)
# Not `now()`, which is constant during a transaction. Built once: this begins each commit.
_NOW = func.clock_timestamp(type_=UtcDateTime)
_FENCE = claims.FENCE.with_only_columns(_XID, maintain_column_froms=True)


@define
class _Attempt:
    """How far one attempt at a transaction has come."""

    xid: str | None = None
    """PostgreSQL's number of the transaction; None while it is not known."""
    committing: bool = False
    """Whether COMMIT may have been sent; without its response, only the server knows the rest."""


class PostgresDatabase:
    """A database of many jobs, which any number of processes read and write."""

    is_shared = True

    def __init__(self, target: str, clock: Clock, *, read_only: bool) -> None:
        self.holds_job = True
        self._url = PostgresUrl.parse(target)
        self._clock = clock
        self._engine: AsyncEngine | None = None
        self._snapshots: AsyncEngine | None = None
        self._gave_up: asyncio.Future[None] | None = None
        self._giving_up: Timer | None = None
        self._single: AsyncEngine | None = None

    @property
    def target(self) -> str:
        """Its URL without the password; for messages."""
        return self._url.shown

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._engine is not None

    def check_open(self) -> None:
        """Raise JournalError while it is closed."""
        if self._engine is None:
            raise JournalError(f"journal {self.target} is not open: use `async with`")

    @property
    def engine(self) -> AsyncEngine:
        """Its connections; JournalError while it is closed."""
        self.check_open()
        assert self._engine is not None  # noqa: S101 - checked above
        return self._engine

    async def open(self) -> None:
        """Connect, and check that the tables are those that this version knows."""
        self._engine = self._create_engine()
        self._gave_up = self._giving_up = None
        # Otherwise each statement would see what was committed before it: the counts of a report
        # would not add up.
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with translate_errors(self.target):
            # Without a retry: a command must report a wrong host at once, not after a minute.
            found = await self._finish(self._transact(self._engine, read_format, _Attempt()))
        # Tables are never created here: workers need no privilege to do so, and a misspelt database
        # must not become a journal.
        migrate = f"`asyncsim jobs migrate --journal {shlex.quote(self.target)}`"
        if not found:
            raise JournalError(f"journal {self.target} has no tables yet: run {migrate}")
        if found > FORMAT:
            raise JournalError(
                f"journal {self.target} was written by a newer asyncsim: update asyncsim"
            )
        if found < FORMAT:
            raise JournalError(
                f"journal {self.target} was written by an older asyncsim: run {migrate}"
            )

    async def close(self) -> None:
        """Close all connections."""
        engine, self._engine = self._engine, None
        if self._giving_up is not None:
            self._giving_up.cancel()
        if engine is not None:
            await engine.dispose()

    def give_up_after(self, seconds: float) -> None:
        """Let all transactions fail that have not ended after `seconds`; for a shutdown."""
        if self._giving_up is None:
            at = self._clock.now() + seconds
            self._giving_up = self._clock.call_at(at, self._give_up)

    def _give_up(self) -> None:
        self._end.set_result(None)

    @property
    def _end(self) -> asyncio.Future[None]:
        """Done once this has given up; made late, because it belongs to one event loop."""
        if self._gave_up is None:
            self._gave_up = asyncio.get_running_loop().create_future()
        return self._gave_up

    # Transactions.

    def now(self, seconds: float = 0.0) -> ColumnElement[datetime]:
        """The time so many seconds from now, by the server's clock."""
        if not seconds:
            return _NOW
        # make_interval(years, months, weeks, days, hours, mins, secs)
        later = func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds))
        return _NOW.op("+", return_type=UtcDateTime())(later)

    async def read(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work in a transaction that sees a consistent snapshot of the journal."""
        self.check_open()

        async def reading(connection: AsyncConnection, attempt: _Attempt) -> T:
            return await work(connection, *args, **kwargs)

        assert self._snapshots is not None  # noqa: S101 - open
        # A person may wait for what is read, so a lock is reported at once.
        return await self._repeat(self._snapshots, reading, despite_locks=False)

    async def write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work in a transaction that is on disk when this returns."""

        async def writing(connection: AsyncConnection, attempt: _Attempt) -> T:
            attempt.xid = await self._number(connection)
            return await work(connection, *args, **kwargs)

        return await self._repeat(self.engine, writing)

    async def write_single(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work whose statements are separate transactions, and may be carried out twice."""
        self.check_open()

        async def writing(connection: AsyncConnection, attempt: _Attempt) -> T:
            return await work(connection, *args, **kwargs)

        assert self._single is not None  # noqa: S101 - open
        return await self._repeat(self._single, writing)

    async def write_as(
        self,
        claim: ChunkClaim,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `write`, by the owner of a chunk; raises `Fenced` if it is not the owner any more."""

        # In each attempt: another worker may have taken the chunk over during an outage.
        async def writing(connection: AsyncConnection, attempt: _Attempt) -> T:
            if not await self._fence(connection, claim, attempt):
                raise claims.fenced(claim, self.target)
            return await work(connection, *args, **kwargs)

        return await self._repeat(self.engine, writing)

    async def _repeat(
        self,
        engine: AsyncEngine,
        work: Callable[[AsyncConnection, _Attempt], Awaitable[T]],
        *,
        despite_locks: bool = True,
    ) -> T:
        """Do work in a transaction; retry it for a limited time while the server is unreachable."""
        results: list[T] = []

        async def keep(connection: AsyncConnection, attempt: _Attempt) -> None:
            results[:] = [await work(connection, attempt)]

        started, pause = self._clock.now(), _FIRST_PAUSE
        with translate_errors(self.target):
            while True:
                attempt = _Attempt()
                try:
                    # Cancelled in a pause, it ends at once; in an attempt, soon after that.
                    await self._finish(self._transact(engine, keep, attempt))
                    return results[0]
                except Exception as error:
                    locked = is_locked(error) and not despite_locks
                    if locked or not is_transient(error) or self._is_over(started):
                        raise
                await self._clock.sleep(pause)
                pause = min(2.0 * pause, _LONGEST_PAUSE)
                # Without the response to COMMIT only the server knows the outcome. Repeating
                # committed work would count requests twice, or begin two runs.
                if attempt.committing and await self._was_committed(attempt, started):
                    return results[0]

    def _is_over(self, started: float) -> bool:
        """Whether a transaction that began then is no longer retried."""
        return self._end.done() or self._clock.now() - started >= RETRY_FOR

    async def _finish(self, attempt: Coroutine[Any, Any, T]) -> T:
        """Finish an attempt even when cancelled: an interrupted one costs its connection."""
        return await finish(attempt, self._end, seconds=_LONGEST, if_cancelled=_IF_CANCELLED)

    async def _transact(
        self,
        engine: AsyncEngine,
        work: Callable[[AsyncConnection, _Attempt], Awaitable[T]],
        attempt: _Attempt,
    ) -> T:
        """One attempt at a transaction."""
        with self._clock.working():
            async with engine.connect() as connection:
                result = await work(connection, attempt)
                attempt.committing = attempt.xid is not None
                await connection.commit()
                return result

    async def _was_committed(self, attempt: _Attempt, started: float) -> bool:
        """Ask the server whether a transaction was committed; raises if this stays unknown."""

        async def ask(connection: AsyncConnection, _: _Attempt) -> str:
            return await self._status(connection, attempt.xid)

        while True:
            status, problem = "", "it is still in progress on the server"
            try:
                status = await self._finish(self._transact(self.engine, ask, _Attempt()))
            except Exception as error:
                if not is_transient(error):
                    raise
                problem = remedy_of(error)
            if status in ("committed", "aborted"):
                return status == "committed"
            # Its session on the server may not have noticed yet that the connection is lost.
            if self._is_over(started):
                raise JournalFailed(
                    f"journal {self.target}: it is unknown whether the last writes were stored"
                    f" ({problem})",
                    READ_FIRST,
                )
            await self._clock.sleep(_LONGEST_PAUSE)

    # Statements that only PostgreSQL has.

    async def _number(self, connection: AsyncConnection) -> str:
        """Return the number of a transaction."""
        found: str = (await connection.execute(select(_XID))).scalar_one()
        return found

    async def _fence(
        self, connection: AsyncConnection, claim: ChunkClaim, attempt: _Attempt
    ) -> bool:
        """Whether the claim still holds; in the same statement, the transaction's number."""
        mine = await connection.execute(_FENCE, claims.fence_of(claim))
        attempt.xid = mine.scalar_one_or_none()
        return attempt.xid is not None

    async def _status(self, connection: AsyncConnection, xid: str | None) -> str:
        """Return what has become of a transaction: `committed`, `aborted` or `in progress`."""
        asked = text("SELECT pg_xact_status(CAST(:xid AS xid8))")
        found: str = (await connection.execute(asked, {"xid": xid})).scalar_one()
        return found

    def _create_engine(self) -> AsyncEngine:
        return open_engine(self._url)


@contextmanager
def translate_errors(target: str) -> Iterator[None]:
    """Translate database errors to a JournalError with a remedy."""
    try:
        yield
    # ValueError: text that cannot be stored. LookupError: an unknown state or verdict, written
    # into the table by hand.
    except (SQLAlchemyError, psycopg.Error, OSError, ValueError, LookupError) as error:
        text = f"journal {target} cannot be used: {remedy_of(error)}"
        raise JournalFailed(text, advice_of(error)) from error


def open_engine(url: PostgresUrl) -> AsyncEngine:
    """Return the connections of a journal; none is opened yet."""
    return create_engine(url, connections=_CONNECTIONS, to_json=to_json, from_json=from_json)


async def read_format(connection: AsyncConnection, *_: object) -> int:
    """Return the format of the tables; 0 if there are none."""
    there = text("SELECT to_regclass(:name)")
    name = {"name": f"{SCHEMA}.journal"}
    if (await connection.execute(there, name)).scalar_one() is None:
        return 0
    return (await connection.execute(select(func.max(journal.c.format)))).scalar_one() or 0

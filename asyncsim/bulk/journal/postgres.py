"""The PostgreSQL database of many jobs: connections, transactions, fences, repeated attempts."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import ColumnElement, func, literal, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.database import finish_despite_cancel, from_json, to_json
from asyncsim.bulk.journal.schema import FORMAT, SCHEMA, UtcDateTime, journal
from asyncsim.bulk.records import ChunkClaim
from asyncsim.clock import Clock
from asyncsim.errors import JournalError

P = ParamSpec("P")
T = TypeVar("T")

_RETRY_FOR = 60.0
"""Seconds for which a transaction is attempted again while the database cannot be reached."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts
# Most of one process, however many chunks it works on: each holds a connection only for the
# milliseconds of a transaction, and a server has about a hundred for all processes.
_CONNECTIONS = 8

_Transaction = Callable[[AsyncConnection], Awaitable[T]]


class PostgresDatabase:
    """A database of many jobs, which any number of processes read and write."""

    is_shared = True

    def __init__(self, target: str, clock: Clock, *, read_only: bool) -> None:
        self.holds_job = True
        self._url = make_url(target).set(drivername="postgresql+psycopg")
        self._target = self._url.set(drivername="postgresql", password=None).render_as_string()
        self._clock = clock
        self._read_only = read_only
        self._engine: AsyncEngine | None = None

    @property
    def target(self) -> str:
        """Its URL without the password; for messages."""
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
        """Connect, and check that the tables are those that this version knows."""
        self._engine = create_engine(self._url)
        # Never created here: a process that works on jobs need not have the right to create tables,
        # and a misspelt database must not become a journal.
        found = await self._once(_read_format)
        migrate = f"`asyncsim jobs migrate --journal {shlex.quote(self._target)}`"
        if found is None:
            raise JournalError(f"journal {self._target} has no tables of asyncsim: run {migrate}")
        if found > FORMAT:
            raise JournalError(
                f"journal {self._target} was written by a newer asyncsim: update asyncsim"
            )
        if found < FORMAT:
            raise JournalError(
                f"journal {self._target} was written by an older asyncsim: run {migrate}"
            )

    async def close(self) -> None:
        """Close all connections."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    # Transactions.

    def now(self, seconds: float = 0.0) -> ColumnElement[datetime]:
        """The time so many seconds from now, by the server's clock."""
        now: ColumnElement[datetime] = func.clock_timestamp(type_=UtcDateTime)
        if not seconds:
            return now
        # make_interval(years, months, weeks, days, hours, mins, secs)
        return now.op("+", return_type=UtcDateTime())(
            func.make_interval(0, 0, 0, 0, 0, 0, literal(seconds))
        )

    async def read(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work in a transaction that sees a consistent snapshot of the journal."""

        # Otherwise each statement would see what was committed before it: the counts of a report
        # would not add up.
        async def reading(connection: AsyncConnection) -> T:
            return await work(connection, *args, **kwargs)

        return await finish_despite_cancel(self._repeat(reading, "REPEATABLE READ"))

    async def write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do work in a transaction that is on disk when this returns."""

        async def writing(connection: AsyncConnection) -> T:
            return await work(connection, *args, **kwargs)

        return await finish_despite_cancel(self._repeat(writing))

    async def write_as(
        self,
        claim: ChunkClaim,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `write`, by the owner of a chunk; raises `Fenced` if it is not the owner any more."""

        async def fenced(connection: AsyncConnection) -> T:
            if not (await connection.execute(claims.fence(claim, self.now()))).rowcount:
                raise claims.fenced(claim, self._target)
            return await work(connection, *args, **kwargs)

        return await finish_despite_cancel(self._repeat(fenced))

    async def _repeat(self, work: _Transaction[T], isolation: str | None = None) -> T:
        return await self._once(work, isolation)

    async def _once(self, work: _Transaction[T], isolation: str | None = None) -> T:
        engine = self.engine
        if isolation is not None:
            engine = engine.execution_options(isolation_level=isolation)
        with self._clock.working(), translate_errors(self._target):
            async with engine.begin() as connection:
                return await work(connection)


@contextmanager
def translate_errors(target: str) -> Iterator[None]:
    """Translate database errors to a JournalError with a remedy."""
    try:
        yield
    except (SQLAlchemyError, OSError, ValueError, LookupError) as error:
        cause = getattr(error, "orig", None) or error
        raise JournalError(f"journal {target} cannot be used: {cause}") from error


def create_engine(url: Any) -> AsyncEngine:
    """Return an engine whose statements find our tables in our schema; nothing is opened yet."""
    return create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        hide_parameters=True,  # errors would show them, and one is a secret
        json_serializer=to_json,
        json_deserializer=from_json,
        # No prepared statements on the server: pgbouncer hands each transaction another session.
        connect_args={"prepare_threshold": None, "application_name": "asyncsim"},
        execution_options={"schema_translate_map": {None: SCHEMA}},
    )


async def _read_format(connection: AsyncConnection) -> int | None:
    """Return the format of the tables; None if there are none."""
    there = await connection.execute(
        text("SELECT to_regclass(:table)"), {"table": f"{SCHEMA}.journal"}
    )
    if there.scalar_one() is None:
        return None
    found: int | None = (await connection.execute(select(func.max(journal.c.format)))).scalar_one()
    return found

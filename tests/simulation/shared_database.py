"""A SQLite file that stands for PostgreSQL, and the network between it and each worker.

The product's code is the same: journals, chunks and dispatch reach their database by transactions
of one protocol, which are repeated when the connection is lost. What differs is beneath that: one
transaction writes at a time, and nobody is notified of anything.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import psycopg
from attrs import define, evolve, field
from sqlalchemy import ColumnElement, event, literal, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asyncsim.bulk.journal import claims, postgres, sqlite
from asyncsim.bulk.journal.schema import UtcDateTime, create_tables, shared_metadata
from asyncsim.clock import Clock
from tests.simulation.clock import EPOCH
from tests.simulation.fakes import ProcessResources, users_of
from tests.simulation.workers_scenario import WORKERS, Link

URL = "postgresql://asyncsim@database.example/asyncsim"
_GIVES_UP = 8.0
"""Seconds after which the operating system gives a connection up that nobody acknowledges."""
_POLL_EVERY = 2.0
"""Seconds between two looks for chunks: more would only take longer to simulate."""

T = TypeVar("T")


@define(eq=False)
class SharedFile:
    """The database's host, and how each process reaches it."""

    path: Path
    link: Link
    seed: int
    process: Callable[[], str]
    """The process that runs now."""
    now: Callable[[], float]
    cut_off: set[str] = field(factory=set)
    """Processes that do not reach it."""
    unheard: set[str] = field(factory=set)
    """Processes that get its replies, while nothing that they send arrives."""
    slow: dict[str, float] = field(factory=dict)
    """Process -> seconds that its replies take."""
    committed: set[str] = field(factory=set)
    """Numbers of the transactions that were committed."""
    _rng: random.Random = field(init=False)
    _numbers: Iterator[int] = field(factory=itertools.count)

    def __attrs_post_init__(self) -> None:
        self._rng = random.Random(f"{self.seed} database")

    def number(self) -> str:
        """The number of another transaction."""
        return str(next(self._numbers))

    def calm(self) -> None:
        """Let every transaction through from here on."""
        self.link = evolve(self.link, cut=0.0, reply_lost=0.0)
        self.cut_off.clear()
        self.unheard.clear()
        self.slow.clear()

    def engine(self) -> AsyncEngine:
        """Connections of one process."""
        engine = sqlite._create_engine(self.path, read_only=False)
        event.listen(engine.sync_engine, "connect", _know_postgres)
        return engine

    async def create(self) -> None:
        """Create the tables."""
        engine = self.engine()
        async with engine.execution_options(**{sqlite._BEGIN: ""}).connect() as connection:
            await connection.execute(text("PRAGMA journal_mode=WAL"))
        async with engine.begin() as connection:
            await create_tables(connection)
            await connection.run_sync(shared_metadata.create_all)
        await engine.dispose()

    def end_transactions(self, resources: ProcessResources) -> None:
        """End what a process that stands still has begun, and its connection."""
        for database in resources.databases:
            with suppress(sqlite3.ProgrammingError):  # closed by its owner
                if database.in_transaction:
                    database.rollback()
                    database.close()

    @property
    def _is_disturbed(self) -> bool:
        return self.process() in WORKERS

    async def reach(self) -> None:
        """Travel to the database; raises if the connection is lost on the way."""
        await self._travel(self.cut_off, self.unheard)
        if self._is_disturbed and self._rng.random() < self.link.cut:
            raise _lost()

    async def reply(self) -> None:
        """Travel back, after a commit."""
        await self._travel(self.cut_off)
        if seconds := self.slow.get(self.process()):
            await asyncio.sleep(seconds)
        if self._is_disturbed and self._rng.random() < self.link.reply_lost:
            raise _lost()

    async def _travel(self, *barriers: set[str]) -> None:
        await asyncio.sleep(self._rng.uniform(*self.link.latency))
        waited = 0.0
        while any(self.process() in one for one in barriers):
            if waited >= _GIVES_UP:
                raise _lost()
            await asyncio.sleep(0.25)
            waited += 0.25

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Make the product's processes use it."""

        def open_database(
            target: str, clock: Clock, *, read_only: bool = False
        ) -> SimulatedPostgres:
            return SimulatedPostgres(self, target, clock, read_only=read_only)

        with ExitStack() as stack:
            for name, fake in (
                ("open_database", open_database),
                ("wake_ups", _never_wakes),
                ("POLL_EVERY", _POLL_EVERY),
            ):
                for module in users_of(name):
                    stack.enter_context(mock.patch.object(module, name, fake))
            yield


@asynccontextmanager
async def _never_wakes(*_: object, **__: object) -> AsyncGenerator[asyncio.Event, None]:
    """No notification: the poll is the truth."""
    yield asyncio.Event()


def _lost() -> OperationalError:
    return OperationalError(None, None, psycopg.OperationalError("server closed the connection"))


def _know_postgres(connection: Any, _: object) -> None:
    """Give a connection the function of PostgreSQL that has no effect here."""
    connection.driver_connection._conn.create_function("pg_notify", 2, lambda *_: None)


class SimulatedPostgres(postgres.PostgresDatabase):
    """The product's own, but for the statements that only PostgreSQL knows."""

    def __init__(self, shared: SharedFile, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._shared = shared

    async def open(self) -> None:
        """Connect; the tables are there."""
        self._engine = self._snapshots = self._single = self._shared.engine()

    def now(self, seconds: float = 0.0) -> ColumnElement[datetime]:
        """The time by the database's own clock, which is right."""
        moment = EPOCH + timedelta(seconds=self._shared.now() + seconds)
        return literal(moment, UtcDateTime)

    async def _transact(self, engine: AsyncEngine, work: Any, attempt: Any) -> Any:
        """One attempt, through the network."""
        writing = engine.execution_options(**{sqlite._BEGIN: "BEGIN IMMEDIATE"})
        await self._shared.reach()
        try:
            result = await super()._transact(writing, work, attempt)
        except SQLAlchemyError as error:
            if "closed database" in str(error):  # see `end_transactions`
                raise _lost() from error
            raise
        if attempt.xid is not None:
            self._shared.committed.add(attempt.xid)
        await self._shared.reply()
        return result

    async def _number(self, connection: AsyncConnection) -> str:
        return self._shared.number()

    async def _fence(self, connection: AsyncConnection, claim: Any, attempt: Any) -> bool:
        mine = (await connection.execute(claims.FENCE, claims.fence_of(claim))).first()
        attempt.xid = None if mine is None else self._shared.number()
        return mine is not None

    async def _status(self, connection: AsyncConnection, xid: str | None) -> str:
        return "committed" if xid in self._shared.committed else "aborted"

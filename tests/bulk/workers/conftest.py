from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

import psycopg
import pytest
from attrs import define, evolve, field
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncEngine

from asyncsim import Client, Throttle, Watching, bulk
from asyncsim.bulk.clients import by_account
from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.postgres import PostgresDatabase
from asyncsim.bulk.records import ChunkRef, State, account_key
from asyncsim.bulk.worker import Worker
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.emulator import Emulator, Latency
from asyncsim.errors import JournalError
from asyncsim.events import ChunkEnded, ChunkTaken, Event
from tests.bulk.workers.processes import SIMS, Plant
from tests.postgres.cluster import Cluster
from tests.postgres.fixtures import Databases

ACTIVE = {"status": "active"}
WATCHING = Watching(first=0.05, longest=0.5, sweep_every=0.2, stale_for=0.5)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats in a fifth of their time, so that workers learn sooner of what others did."""
    monkeypatch.setattr(claims, "HEARTBEAT", 0.4)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, eager: None) -> None:
    """The same, and workers count as dead after half the time; a busy machine needs that much."""
    monkeypatch.setattr(claims, "DEAD_AFTER", 3.0)


@pytest.fixture(params=["table", "procrastinate"])
def dispatch(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Line:
    """The line of one worker to its database, which may be cut: then nothing returns."""

    def __init__(self) -> None:
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.is_dead = False

    def to(self, database: Database) -> Database:
        return cast("Database", LineTo(self, database))


@define
class LineTo:
    """A database at the end of a line."""

    line: Line
    database: Database

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.database, name)
        if name not in ("read", "write", "write_as", "write_single"):
            return value

        async def call(*args: Any, **options: Any) -> Any:
            await self.line.reachable.wait()
            if self.line.is_dead:
                raise JournalError("this worker was killed")
            return await value(*args, **options)

        return call


@define(eq=False)
class RunningWorker:
    """One worker, as a process of its own would be: with its own clients and connections."""

    worker: Worker
    line: Line
    heartbeats: Line
    """The line that only its heartbeats take."""
    database: Database
    """That of its chunks, however the line is."""
    client: Client
    events: list[Event]
    stop: asyncio.Event
    task: asyncio.Task[None]

    @property
    def engine(self) -> AsyncEngine:
        """The connections that its chunks share."""
        assert isinstance(self.database, PostgresDatabase)
        return self.database.engine

    @property
    def chunks_taken(self) -> list[ChunkTaken]:
        return [one for one in self.events if isinstance(one, ChunkTaken)]

    @property
    def taken(self) -> list[int]:
        return [one.chunk for one in self.chunks_taken]

    @property
    def ended(self) -> list[tuple[int, str | None]]:
        return [(one.chunk, one.reason) for one in self.events if isinstance(one, ChunkEnded)]

    async def finish(self) -> None:
        """Stop it gracefully."""
        self.stop.set()
        async with asyncio.timeout(40):
            await self.task

    async def kill(self) -> None:
        """End it as a power cut would: nothing more reaches the database or the vendor."""
        self.line.is_dead = self.heartbeats.is_dead = True
        await self.client.close()
        self.task.cancel()
        with suppress(BaseException):
            await self.task


@define(eq=False)
class Yard:
    """An emulator, a database, and any number of workers."""

    url: str
    dispatch: str
    emulator: Emulator
    stack: AsyncExitStack
    workers: list[RunningWorker] = field(factory=list)

    def client(self, **settings: Any) -> Client:
        options = {"watching": WATCHING, "throttle": Throttle(limit=16)}
        return self.emulator.client(**{**options, **settings})

    async def open_client(self, *, limit: int) -> Client:
        """A client that the end of the test closes, with so many requests at once."""
        throttle = Throttle(limit=limit, maximum=limit)
        return await self.stack.enter_async_context(self.client(throttle=throttle))

    def put(self, sid: str, **changes: Any) -> None:
        """Change a record directly in the emulator's store."""
        store: Any = self.emulator.world("twilio").sims("supersim")
        store.put(evolve(store[sid], **changes))

    @property
    def sids(self) -> list[str]:
        return list(self.emulator.world("twilio").sims("supersim"))

    async def submit(
        self,
        sims: Sequence[str] | None = None,
        *,
        name: str = "job",
        chunk_rows: int = 10,
        change: Any = ACTIVE,
        action: str = "update",
        columns: dict[str, Any] | None = None,
        client: Client | None = None,
    ) -> int:
        """Plan a job and hand it to the workers; returns its id."""
        names = self.sids if sims is None else sims
        job = bulk.Job.from_rows(names, product="supersim", change=change, action=action)
        async with AsyncExitStack() as stack:
            if client is None:
                client = await stack.enter_async_context(self.client())
            async with bulk.Journal.open(self.url, job=name) as journal:
                await bulk.run(job, client, journal=journal, dry_run=True)
                job_id = journal.job_id
                head = await journal.head()
            assert job_id is not None
            assert head is not None
            key = account_key(head.vendor, head.product, head.account)
        made = []
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            for number, first in enumerate(range(1, len(names) + 1, chunk_rows), 1):
                last = min(first + chunk_rows - 1, len(names))
                await connection.execute(
                    "INSERT INTO asyncsim.chunks (job, number, first_row, last_row, state)"
                    " VALUES (%s, %s, %s, %s, 'queued')",
                    (job_id, number, first, last),
                )
                made.append(ChunkRef(job_id, number, key))
            values = {"state": "running", "breaker": 20, **(columns or {})}
            for column, value in values.items():
                await connection.execute(
                    f"UPDATE asyncsim.jobs SET {column} = %s WHERE id = %s", (value, job_id)
                )
        async with make_dispatch(self.dispatch, self.url) as queue:
            await queue.enqueue(made)
        return job_id

    async def work(
        self, *, at_once: int = 2, client: Client | None = None, more: Sequence[Client] = ()
    ) -> RunningWorker:
        """Start a worker."""
        if client is None:
            client = await self.stack.enter_async_context(self.client())
        database, heartbeats = (open_database(self.url, SYSTEM_CLOCK) for _ in range(2))
        queue = make_dispatch(self.dispatch, self.url)
        events: list[Event] = []
        line, beating = Line(), Line()
        for one in (line, beating):
            self.stack.callback(one.reachable.set)
        worker = Worker(
            line.to(database),
            beating.to(line.to(heartbeats)),
            queue,
            by_account([client, *more]),
            (events.append,),
            at_once,
        )
        stop = asyncio.Event()

        async def run() -> None:
            try:
                await database.open()
                await heartbeats.open()
                async with queue:
                    await worker.run(stop)
            finally:
                await heartbeats.close()
                await database.close()

        running = RunningWorker(
            worker, line, beating, database, client, events, stop, asyncio.create_task(run())
        )
        self.workers.append(running)
        return running

    async def until(self, condition: Callable[[], Awaitable[bool]], within: float = 30.0) -> None:
        """Wait for a condition; errors of workers are raised here."""
        deadline = asyncio.get_running_loop().time() + within
        while not await condition():
            for one in self.workers:
                if one.task.done() and not one.task.cancelled():
                    one.task.result()
            if asyncio.get_running_loop().time() > deadline:
                seen = await self.job(), await self.chunks(), await self.states()
                pytest.fail(f"not within {within:g} s: {seen}")
            await asyncio.sleep(0.02)

    async def until_state(self, state: str, within: float = 30.0) -> None:
        async def reached() -> bool:
            found: str = (await self.job())["state"]
            return found == state

        await self.until(reached, within)

    # What is there.

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, row_factory=dict_row
        ) as connection:
            return await (await connection.execute(query)).fetchall()

    async def execute(self, statement: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            await connection.execute(statement)

    async def job(self) -> dict[str, Any]:
        [job] = await self.rows("SELECT * FROM asyncsim.jobs")
        return job

    async def chunks(self) -> dict[int, dict[str, Any]]:
        return {one["number"]: one for one in await self.rows("SELECT * FROM asyncsim.chunks")}

    async def states(self) -> Counter[State]:
        found = await self.rows("SELECT state FROM asyncsim.rows")
        return Counter(State(one["state"]) for one in found)

    def posts(self) -> Counter[str]:
        """Number of POSTs by SID."""
        posted = (one for one in self.emulator.requests if one.method == "POST")
        return Counter(one.path.rpartition("/")[2] for one in posted if one.product)

    def texts(self) -> Counter[str]:
        """Number of texts by SID, whether their responses arrived or not."""
        sent = (one for one in self.emulator.requests if one.path == "/v1/SmsCommands")
        return Counter(one.form["Sim"][0] for one in sent if one.method == "POST")


OpenYard = Callable[..., Awaitable[Yard]]


@pytest.fixture(scope="session")
def procrastinate_template(postgres_databases: Databases, migrated_template: str) -> str:
    """The name of a database with procrastinate's tables too."""
    url = postgres_databases.create(migrated_template)
    asyncio.run(make_dispatch("procrastinate", url).install())
    return url.rpartition("/")[2]


@pytest.fixture
def yard_url(
    request: pytest.FixtureRequest, postgres_databases: Databases, dispatch: str
) -> Iterator[str]:
    """The URL of a new database with all tables that the dispatcher needs."""
    name = "procrastinate_template" if dispatch == "procrastinate" else "migrated_template"
    url = postgres_databases.create(request.getfixturevalue(name))
    yield url
    postgres_databases.finished(url)


@pytest.fixture
async def open_yard(yard_url: str, dispatch: str) -> AsyncIterator[OpenYard]:
    async with AsyncExitStack() as stack:

        async def open_one(*, sims: int = 30, transition: float = 0.2, **settings: Any) -> Yard:
            latency = Latency(transition=transition, sigma=0.0)
            emulator = await stack.enter_async_context(
                Emulator(sims=sims, latency=latency, **settings)
            )
            yard = Yard(yard_url, dispatch, emulator, stack)
            stack.push_async_callback(_end_workers, yard)
            return yard

        yield open_one


async def _end_workers(yard: Yard) -> None:
    for one in yard.workers:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in yard.workers), return_exceptions=True)


@pytest.fixture
async def yard(open_yard: OpenYard) -> Yard:
    """Thirty new Super SIMs."""
    return await open_yard()


@pytest.fixture
async def plant(postgres_cluster: Callable[..., Cluster], dispatch: str) -> AsyncIterator[Plant]:
    """A job for workers that are processes, on a server of its own."""
    before = asyncio.all_tasks()
    async with Emulator(sims=SIMS, latency=Latency(transition=0.2, sigma=0.0)) as emulator:
        yield await Plant.open(postgres_cluster(), emulator, dispatch)
    # Slow responses to processes that have ended.
    for one in (slow := asyncio.all_tasks() - before - {asyncio.current_task()}):
        one.cancel()
    await asyncio.gather(*slow, return_exceptions=True)

"""Dispatch by procrastinate, a job queue in PostgreSQL, with a queue for each account.

procrastinate finds the jobs of dead workers, but retries none, and it ends a job without checking
who owns it. So the chunk table is authoritative: its free chunks that procrastinate does not know
are enqueued again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Collection, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from importlib import resources
from types import TracebackType
from typing import Any, LiteralString, Self, TypeVar

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, ProcrastinateException
from procrastinate.jobs import Job, Status
from procrastinate.schema import SchemaManager
from psycopg.sql import SQL, Identifier, Literal

from asyncsim.bulk.dispatch_protocol import POLL_EVERY, Handle
from asyncsim.bulk.errors import JournalFailed
from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.schema import SCHEMA
from asyncsim.bulk.records import ChunkRef, account_key
from asyncsim.clock import Clock
from asyncsim.errors import JournalError
from asyncsim.postgres.bounded import end, within
from asyncsim.postgres.engine import (
    advice_of,
    connect,
    connection_settings,
    remedy_of,
    use_iso_dates,
)
from asyncsim.postgres.url import PostgresUrl

T = TypeVar("T")

logger = logging.getLogger("asyncsim.worker")

_TASK = "asyncsim.chunk"
_INSTALL_LOCK = 0x41534951
"""Key of the advisory lock for creating the tables, so that one process at a time does it."""
_ALL_EVERY = 10.0
"""Seconds between two searches for queued chunks that procrastinate does not know: a process may
die between the commit of a chunk and the commit of its queue entry."""
_BATCH = 500  # entries of one statement
_FORGET_AFTER = 600.0  # seconds
_PAUSE = 1.0  # seconds before the worker is restarted after an error of the database
_LONGEST = 10.0  # seconds for one statement
_OPENING = 30.0  # seconds; hosts of the URL may be silent, each for `connect_timeout`
_CLOSING = 2.0  # seconds
_RECONNECT = 2.0  # seconds of failures after which the next statement begins a new attempt

# Chunks that, by their table, are queued or have a dead owner, and that procrastinate does not know
# as queued or as just handed to a worker. The whole job only after all of its chunks.
_LOST = """
SELECT chunks.job, chunks.number, jobs.vendor, jobs.product, jobs.account
  FROM {schema}.chunks AS chunks JOIN {schema}.jobs AS jobs ON jobs.id = chunks.job
 WHERE jobs.state = 'running'
   AND (chunks.state = 'running'
        AND chunks.heartbeat_at < clock_timestamp() - make_interval(secs => %(dead)s)
        OR %(all)s AND chunks.state = 'queued')
   AND (chunks.number <> 0 OR NOT EXISTS (
       SELECT 1 FROM {schema}.chunks AS others
        WHERE others.job = chunks.job AND others.number <> 0 AND others.state <> 'done'))
   AND NOT EXISTS (
       SELECT 1 FROM procrastinate_jobs AS known
        WHERE known.queueing_lock = chunks.job || ':' || chunks.number
          AND known.task_name = %(task)s
          AND (known.status = 'todo'
               OR chunks.state = 'queued' AND known.status = 'doing' AND EXISTS (
                  SELECT 1 FROM procrastinate_events AS event
                   WHERE event.job_id = known.id AND event.type = 'started'
                     AND event.at >= clock_timestamp() - make_interval(secs => %(claimed)s))))
 ORDER BY chunks.job, chunks.number
"""


def queue_of(account: str) -> str:
    """Return the queue of an account.

    Its name is part of a channel for notifications, which takes at most 63 bytes.
    """
    return f"asyncsim_{hashlib.sha256(account.encode()).hexdigest()[:24]}"


def _retrieve_error(task: asyncio.Task[Any]) -> None:
    """Log that the end of an entry could not be recorded; it is in the chunk table, too."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning(
            "procrastinate did not record the end of a chunk: %s", error.__cause__ or error
        )


async def _prepare(connection: psycopg.AsyncConnection) -> None:
    await use_iso_dates(connection)
    # procrastinate's queries name its tables without their schema.
    await connection.execute(SQL("SET search_path TO {}").format(Identifier(SCHEMA)))
    await connection.commit()


async def _session(connection: psycopg.AsyncConnection[Any]) -> int:
    cursor = await connection.execute("SELECT pg_backend_pid()")
    found = await cursor.fetchone()
    assert found is not None  # noqa: S101
    return int(found[0])


class _Connector(PsycopgConnector):
    """procrastinate's connector, with a time limit for each statement.

    Its worker would, and neither take chunks nor end, once a server is frozen or a failover is lost
    (procrastinate-org/procrastinate#1513).
    """

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Execute a statement."""
        await _in_time(super().execute_query_async(query, **arguments))

    async def execute_query_one_async(
        self, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        """Execute a statement; returns its row."""
        return await _in_time(super().execute_query_one_async(query, **arguments))

    async def execute_query_all_async(
        self, query: LiteralString, **arguments: Any
    ) -> list[dict[str, Any]]:
        """Execute a statement; returns its rows."""
        return await _in_time(super().execute_query_all_async(query, **arguments))


async def _in_time(statement: Coroutine[Any, Any, T]) -> T:
    try:
        return await within(_LONGEST, statement)
    except TimeoutError as error:
        raise ConnectorException from error


class ProcrastinateDispatch:
    """Hands out chunks through procrastinate's tables, which are in the schema of the journal."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = PostgresUrl.parse(url)
        self._clock = clock
        self._handle: Handle | None = None
        self._all_after = 0.0
        connector = _Connector(
            conninfo=self._url.libpq,
            min_size=1,
            max_size=4,
            timeout=_LONGEST,
            # Otherwise its pause before it reconnects grows to half of the outage.
            reconnect_timeout=_RECONNECT,
            configure=_prepare,
            # Evaluated late: `connect` only learns then whether the server is a pgbouncer.
            kwargs=partial(connection_settings, self._url),
        )
        self._app = App(connector=connector)
        self._app.task(name=_TASK)(self._run)

    async def __aenter__(self) -> Self:
        try:
            await within(_OPENING, self._check_sessions())
            await self._app.open_async()
        except (ProcrastinateException, psycopg.Error, TimeoutError) as error:
            raise self._error(error) from error
        return self

    async def _check_sessions(self) -> None:
        """Reject pgbouncer in transaction mode, where procrastinate does not find its tables.

        Also says at once what the pool would try for 30 s: a server that cannot be reached.
        """
        async with await connect(self._url) as one, await connect(self._url) as other:
            first, second, again = [await _session(client) for client in (one, other, one)]
        if first == second or first != again:
            raise JournalError(
                f"journal {self._url.shown}: procrastinate does not work through pgbouncer in"
                " transaction mode: use `--dispatch table`, for workers and for `jobs submit`"
                " and `resume`, or the server's own port"
            )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Bounded, because its pool waits for connections that are being opened.
        with suppress(TimeoutError, ProcrastinateException, psycopg.Error):
            await within(_CLOSING, self._app.close_async())

    def _error(self, error: Exception) -> JournalError:
        cause = error.__cause__ or error
        text = f"journal {self._url.shown}: {self._url.hide(remedy_of(cause))}"
        return JournalFailed(text, advice_of(cause))

    async def install(self) -> None:
        """Create procrastinate's tables, or upgrade them to its installed version.

        Without a time limit: an upgrade of large tables takes long.
        """
        try:
            await self._install()
        except (psycopg.Error, OSError) as error:
            raise self._error(error) from error

    async def _install(self) -> None:
        async with await connect(self._url) as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = 0")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INSTALL_LOCK])
            # Its script names no schema. LOCAL, because a pooled connection is reused.
            schema = SQL("SET LOCAL search_path TO {}").format(Identifier(SCHEMA))
            await connection.execute(schema)
            there = "SELECT to_regclass('procrastinate_jobs'), obj_description(to_regclass(%s))"
            [(table, done)] = await (
                await connection.execute(there, ["procrastinate_jobs"])
            ).fetchall()
            migrations = sorted(
                one.name
                for one in (resources.files("procrastinate.sql") / "migrations").iterdir()
                if one.name.endswith(".sql")
            )
            if table is None:
                await connection.execute(SchemaManager.get_schema())
            else:
                for name in migrations:
                    if name > (done or ""):
                        step = resources.files("procrastinate.sql") / "migrations" / name
                        await connection.execute(step.read_bytes())
            # procrastinate does not record which of its migrations were applied.
            comment = SQL("COMMENT ON TABLE procrastinate_jobs IS {}")
            await connection.execute(comment.format(Literal(migrations[-1])))

    async def enqueue(self, chunks: Sequence[ChunkRef]) -> None:
        """Enqueue these chunks, unless they are already queued."""
        try:
            for start in range(0, len(chunks), _BATCH):
                some = chunks[start : start + _BATCH]
                try:
                    await self._defer(some)
                except AlreadyEnqueued:  # one of them is queued, so none was added
                    for chunk in some:
                        with suppress(AlreadyEnqueued):
                            await self._defer([chunk])
        except (ProcrastinateException, psycopg.Error) as error:
            raise self._error(error) from error

    async def _defer(self, some: Sequence[ChunkRef]) -> None:
        jobs = [
            Job(
                id=None,
                task_name=_TASK,
                queue=queue_of(chunk.account),
                # The first chunks of all jobs before the second ones, as a claim orders them.
                priority=-chunk.number,
                lock=None,
                queueing_lock=f"{chunk.job_id}:{chunk.number}",
                task_kwargs={
                    "job": chunk.job_id,
                    "number": chunk.number,
                    "account": chunk.account,
                },
            )
            for chunk in some
        ]
        await self._app.job_manager.batch_defer_jobs_async(jobs)

    async def _run(self, job: int, number: int, account: str) -> None:
        assert self._handle is not None  # noqa: S101  # only `work` runs tasks
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # of procrastinate's, which awaits it nowhere
        task.add_done_callback(_retrieve_error)
        await self._handle(ChunkRef(job, number, account))

    async def work(
        self,
        handle: Handle,
        accounts: Collection[str],
        *,
        at_once: int,
        stop: asyncio.Event,
        dropped: asyncio.Event,
    ) -> None:
        """Work on the queues of these accounts."""
        self._handle = handle
        # Its worker reads this list whenever it fetches a job. A new worker would fetch none until
        # all jobs of the old one have ended.
        queues = [queue_of(one) for one in accounts]

        async def follow() -> None:
            while True:
                await dropped.wait()
                dropped.clear()
                queues[:] = [queue_of(one) for one in accounts]

        following = asyncio.create_task(follow(), name="asyncsim-queues")
        try:
            await self._work(queues, at_once=at_once, stop=stop)
        finally:
            await end(following)

    async def _work(self, queues: list[str], *, at_once: int, stop: asyncio.Event) -> None:
        # procrastinate's worker stops when its own heartbeat fails; then another one is started.
        while not stop.is_set():
            working = asyncio.create_task(
                self._app.run_worker_async(
                    queues=queues,
                    concurrency=at_once,
                    wait=True,
                    # Signals are the program's; it sets `stop`.
                    install_signal_handlers=False,
                    update_heartbeat_interval=claims.HEARTBEAT,
                    stalled_worker_timeout=claims.DEAD_AFTER,
                    fetch_job_polling_interval=POLL_EVERY,
                    delete_jobs="always",
                ),
                name="asyncsim-procrastinate",
            )
            stopped = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
                # The first cancellation is a graceful stop, which waits for its tasks.
                working.cancel()
                await asyncio.wait([working])
            finally:
                await end(working, stopped)
            if not stop.is_set():  # an outage of the database has stopped it
                await self._clock.sleep(_PAUSE)

    async def requeue_stalled(self) -> int:
        """Enqueue the chunks of dead workers, and those that procrastinate does not know."""
        now = self._clock.now()
        search_all = now >= self._all_after
        try:
            if search_all:
                self._all_after = now + _ALL_EVERY
                await self._forget_stalled()
            lost = await self._lost(search_all=search_all)
        except (ProcrastinateException, psycopg.Error) as error:
            raise self._error(error) from error
        await self.enqueue(lost)
        return len(lost)

    async def _forget_stalled(self) -> None:
        """Delete the entries of dead workers, a while after their chunks were enqueued again."""
        # Not at once, and not by `retry_job`: a worker that was only frozen ends its entry later.
        manager = self._app.job_manager
        stalled = await manager.get_stalled_jobs(
            task_name=_TASK, seconds_since_heartbeat=_FORGET_AFTER
        )
        for job in stalled:
            with suppress(ConnectorException):  # another process was faster
                await manager.finish_job(job, Status.FAILED, delete_job=True)

    async def _lost(self, *, search_all: bool) -> list[ChunkRef]:
        query = _LOST.format(schema=SCHEMA)
        found: list[dict[str, Any]] = await self._app.connector.execute_query_all_async(
            query, dead=claims.DEAD_AFTER, claimed=_ALL_EVERY, all=search_all, task=_TASK
        )
        return [
            ChunkRef(
                one["job"],
                one["number"],
                account_key(one["vendor"], one["product"], one["account"]),
            )
            for one in found
        ]

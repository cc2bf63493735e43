"""`bulk.work`: a worker, which claims chunks of submitted jobs and sends their changes."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.chunk_run import ChunkOutcome, ChunkRun
from asyncsim.bulk.clients import by_account
from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.dispatch_protocol import Dispatch
from asyncsim.bulk.journal import chunks, claims, processes
from asyncsim.bulk.journal.chunks import Beat, TakenChunk
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.privileges import check_privileges
from asyncsim.bulk.journal.processes import JournalProcess
from asyncsim.bulk.lease import MARGIN, Lease, Moment
from asyncsim.bulk.records import ChunkClaim, ChunkRef, JobState
from asyncsim.bulk.send import SendPace
from asyncsim.bulk.stop_rules import RulesOfJobs
from asyncsim.client import Client
from asyncsim.errors import AuthenticationError, ClientClosed, JournalError
from asyncsim.events import Observer
from asyncsim.postgres.bounded import end, within

logger = logging.getLogger("asyncsim.worker")

_LOOK_FOR_DEAD_EVERY = 0.5  # seconds
_PAUSE = 1.0  # seconds before the next claim, after an error or a chunk that was handed back
_DRAIN = 30.0
"""Seconds after which a graceful stop no longer waits for responses in flight."""
_RECORD = 5.0
"""Seconds in which a stopping worker records results and hands its chunks back. What the database
has not stored by then is left to the workers that take the chunks over."""
_GIVES_UP = 3.0  # seconds for a transaction to end after that


_Key = tuple[int, int, int]  # job, chunk, epoch
T = TypeVar("T")


async def work(
    url: str,
    clients: Sequence[Client],
    *,
    dispatch: str = "procrastinate",
    chunks_at_once: int = 4,
    stop: asyncio.Event | None = None,
    observers: Sequence[Observer] = (),
) -> None:
    """Work on the chunks of submitted jobs, until stopped; any number of processes may do so.

    `bulk.submit` makes the chunks. One process at a time owns a chunk, and sends a heartbeat every
    two seconds. After six seconds without one, another process takes the chunk over, reads the SIMs
    whose outcome is not recorded, and continues. When the last chunk of a job is done, one list
    scan verifies the whole job.

    - `url`: the PostgreSQL database of the journal, `postgresql://...`.
    - `clients`: one for each account. Chunks of other accounts stay queued. All workers share one
      concurrency limit for an account, unless its client has another `shared_limit`.
    - `dispatch`: how chunks reach workers, `procrastinate` or `table`; as in `bulk.submit`.
    - `chunks_at_once`: the most concurrent chunks, of all accounts.
    - `stop`: set it for a graceful stop: requests in flight finish, for at most 30 s, and chunks
      that are not done are handed back to other workers. Cancelling hands them back at once. An
      unreachable database delays neither for long: other workers read what was not recorded.

    Raises `JournalError` if the database cannot be used at the start, or its user lacks privileges;
    later it waits for the database. Raises `AuthenticationError` once the credentials of all
    accounts were rejected, and `ClientClosed` once all clients are closed.
    """
    if chunks_at_once < 1:
        raise ValueError(f"chunks_at_once={chunks_at_once}: must be at least 1")
    accounts = by_account(clients)
    _share_limits(url, clients)
    clock = clients[0].context.clock
    database, heartbeats = open_database(url, clock), open_database(url, clock)
    queue = make_dispatch(dispatch, url, clock)
    worker = Worker(database, heartbeats, queue, accounts, tuple(observers), chunks_at_once)
    try:
        await database.open()
        await heartbeats.open()
        await check_privileges(database)
        async with queue:
            await worker.run(stop or asyncio.Event())
    finally:
        await heartbeats.close()
        await database.close()


def _share_limits(url: str, clients: Sequence[Client]) -> None:
    """Let the workers of an account share its concurrency limit, because the vendor limits all."""
    from asyncsim.postgres.limit import PostgresLimit

    shared = PostgresLimit(url)
    for client in clients:
        client.context.use_shared_limit(shared)


class Worker:
    """One process: its chunks, their heartbeats, and the search for chunks of dead workers."""

    def __init__(
        self,
        database: Database,
        heartbeats: Database,
        dispatch: Dispatch,
        clients: Mapping[str, Client],
        observers: tuple[Observer, ...],
        chunks_at_once: int,
    ) -> None:
        self.owner = claims.new_owner()
        self._database = database
        self._heartbeats = heartbeats
        """The same database, with separate connections: a heartbeat that waits until the rows of
        thousands of SIMs are written would be too late."""
        self._dispatch = dispatch
        self._clients = dict(clients)
        self._paces = {client: SendPace() for client in clients.values()}
        self._observers = observers
        self._at_once = chunks_at_once
        self._clock = next(iter(clients.values())).context.clock
        self._runs: dict[_Key, ChunkRun] = {}
        self._rules = RulesOfJobs(database, self._clock)
        self._handling: set[asyncio.Task[Any]] = set()
        self._heard = Moment.now(self._clock)
        """When the latest confirmed heartbeat was sent."""
        self._is_away = False
        """Whether the latest heartbeat was not confirmed."""
        self._orphans: set[_Key] = set()
        """Chunks that the table assigns to this worker without its knowledge, by the last beat."""
        self._stopping = asyncio.Event()
        self._dropped = asyncio.Event()
        """Set when an account was removed from the clients."""
        self._lost_account: AuthenticationError | ClientClosed | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stopped, gracefully by the event, or at once by cancellation."""
        dispatching = asyncio.create_task(
            self._dispatch.work(
                *(self._handle, self._clients.keys()),
                at_once=self._at_once,
                stop=self._stopping,
                dropped=self._dropped,
            ),
            name="asyncsim-dispatch",
        )
        asked = asyncio.create_task(stop.wait(), name="asyncsim-worker-stop")
        beside = [
            asyncio.create_task(self._beat(), name="asyncsim-heartbeat"),
            asyncio.create_task(self._show_alive(), name="asyncsim-shown-alive"),
            asyncio.create_task(self._look_for_dead(), name="asyncsim-dead-workers"),
        ]
        everything = [dispatching, asked, *beside]
        try:
            # The dispatch ends once no account is left.
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            await self._drain(dispatching)
        finally:
            try:
                await self._hand_back(dispatching)
            finally:
                await end(*everything)
            with suppress(JournalError):  # then it is listed as dead for a while
                await self._heartbeats.write(processes.remove, self.owner)
        for task in everything:
            if task.done() and not task.cancelled():
                task.result()  # raises a bug in one of them
        if self._lost_account is not None and not self._clients:
            raise self._lost_account

    async def _drain(self, dispatching: asyncio.Task[None]) -> None:
        """Let requests in flight finish, and hand all chunks back."""
        self._stopping.set()
        # Heartbeats continue: this worker owns the chunks until they are handed back.
        for run in self._runs.values():
            run.stop.stop("drained")
        began = self._clock.now()
        while not dispatching.done():
            # Without heartbeats all leases end: then nothing is in flight any more.
            unheard = Moment.now(self._clock).seconds_since(self._heard)
            left = claims.DEAD_AFTER - MARGIN - unheard
            left = min(left, began + _DRAIN - self._clock.now())
            if left <= 0.0:
                return
            late = asyncio.ensure_future(self._clock.sleep(left))
            try:
                await asyncio.wait((dispatching, late), return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end(late)

    async def _hand_back(self, dispatching: asyncio.Task[None]) -> None:
        """Cancel requests in flight, and hand all chunks back, in bounded time."""
        self._stopping.set()
        for database in (self._database, self._heartbeats):
            database.give_up_after(_RECORD)
        for run in self._runs.values():
            run.cancel()
        # Before the dispatch, whose entries end with them, and before the heartbeat, which keeps
        # the chunks until they are handed back.
        handling = {*self._handling}
        if handling:
            await asyncio.wait(handling, timeout=_RECORD + _GIVES_UP)
        await end(dispatching, *handling)

    # Chunks.

    async def _handle(self, ref: ChunkRef | None) -> bool:
        """Claim a chunk, and work on it to its end; False if there was none to claim."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # only tasks can await
        self._handling.add(task)
        try:
            # A queue may hand out one more chunk after it was stopped.
            if self._stopping.is_set() or not self._clients:
                return False
            claimed = await self._claim(ref)
            if claimed is None:
                return False
            taken, began = claimed
            client = self._clients.get(taken.account)
            if client is None:
                reason = "the worker lost its account while claiming it"
                await self._give_back(taken, ChunkOutcome(reason))
            else:
                await self._work_on(taken, began, client)
            return True
        finally:
            self._handling.discard(task)

    async def _claim(self, ref: ChunkRef | None) -> tuple[TakenChunk, Moment] | None:
        """Claim a chunk; None if there is none to claim."""

        async def claiming(connection: AsyncConnection) -> tuple[Moment, TakenChunk | None]:
            began = Moment.now(self._clock)  # of the attempt that succeeds
            now, dead = self._database.now(), self._database.now(-claims.DEAD_AFTER)
            for accounts in self._fewest_first():
                arguments = (self.owner, now, dead, accounts, ref)
                if (taken := await chunks.claim(connection, *arguments)) is not None:
                    return began, taken
            return began, None

        try:
            began, taken = await _soon(self._database.write(claiming))
        except JournalError as error:
            if not self._is_away:  # otherwise it has been logged
                logger.warning("cannot claim chunks: %s", error.message)
            await self._clock.sleep(_PAUSE)
            return None
        return None if taken is None else (taken, began)

    def _fewest_first(self) -> list[list[str]]:
        """Group the accounts by the number of their chunks in this worker, fewest first."""
        # Each account has its own limit at the vendor: four of its chunks are not faster than two.
        busy = Counter(run.taken.account for run in self._runs.values())
        counts = sorted({busy[one] for one in self._clients})
        return [[one for one in self._clients if busy[one] == count] for count in counts]

    async def _work_on(self, taken: TakenChunk, began: Moment, client: Client) -> None:
        lease = Lease(self._clock, began, seconds=claims.DEAD_AFTER)
        with self._rules.used_for(taken) as rules:
            where = self._database, self._observers, self._clock
            run = ChunkRun(taken, lease, began, rules, client, self._paces[client], *where)
            # A stop during the claim has not reached this run.
            if self._stopping.is_set():
                run.stop.stop("drained")
            self._runs[run.key] = run
            pausing = asyncio.create_task(self._pause_at_once(run), name="asyncsim-job-pause")
            outcome = ChunkOutcome("cancelled")
            try:
                outcome = await run.run()
            finally:
                await end(pausing)
                if outcome.lost_account is not None:
                    self._drop(taken.account, outcome.lost_account)
                try:
                    await self._give_back(taken, outcome, run)
                finally:
                    del self._runs[run.key]
        if outcome.reason is not None and not self._stopping.is_set():
            # The problem may last a while: an outage, a full disk.
            await self._clock.sleep(_PAUSE)

    async def _pause_at_once(self, run: ChunkRun) -> None:
        """Pause a job as soon as one of its chunks stops: its last responses may take a while."""
        await run.stop.event.wait()
        outcome = run.stopped()
        if outcome.pauses_job:
            with suppress(JournalError):  # tried again when the chunk is handed back
                await self._pause_job(run, outcome.reason)

    async def _pause_job(self, run: ChunkRun, reason: str | None) -> None:
        """Pause a job, once; other workers learn of it by their next heartbeat, this one now."""
        claim = run.taken.claim
        if not run.has_paused_job:
            # As the chunk's owner: a former owner does not know the present state of the job.
            await self._database.write_as(claim, chunks.pause_job, claim.job_id, reason)
            run.has_paused_job = True
        self._stop_job(claim.job_id, "paused")

    def _stop_job(self, job: int, state: str) -> None:
        """Stop the chunks of a job, and reset its counts for when it runs again."""
        self._rules.forget(job)
        for run in self._runs.values():
            if run.taken.claim.job_id == job:
                run.stop.stop(state)

    def _drop(self, account: str, reason: AuthenticationError | ClientClosed) -> None:
        """Claim no more chunks of an account."""
        if account not in self._clients:  # another chunk has already dropped it
            return
        logger.error("this worker claims no more chunks of %s: %s", account, reason)
        # The account's other product has the same client.
        client = self._clients[account]
        for key in [one for one, other in self._clients.items() if other is client]:
            del self._clients[key]
        self._lost_account = reason
        self._dropped.set()
        if not self._clients:
            self._stopping.set()

    async def _give_back(
        self, taken: TakenChunk, outcome: ChunkOutcome, run: ChunkRun | None = None
    ) -> None:
        """Record that a chunk is done, or hand it back; pause its job if the outcome says so."""
        claim, database = taken.claim, self._database
        if outcome.reason is not None:
            logger.info(
                "handed back chunk %d of job %r: %s", claim.number, taken.job_name, outcome.reason
            )
        following: ChunkRef | None = None
        # The journal of the chunk is closed by now, so everything that it buffered is written.
        try:
            if outcome.reason is None:
                following = await database.write(chunks.finish, claim, database.now())
            else:
                if outcome.pauses_job and run is not None:
                    await self._pause_job(run, outcome.reason)
                if await database.write(chunks.release, claim, outcome.reason):
                    following = None if outcome.pauses_job else taken.ref
            if following is not None:
                await within(_RECORD, self._dispatch.enqueue([following]))
        except (JournalError, TimeoutError) as error:
            # Other workers take it over once its heartbeat is too old, and find what is not queued.
            text = error.message if isinstance(error, JournalError) else str(error)
            logger.warning(
                "cannot hand back chunk %d of job %r: %s", claim.number, taken.job_name, text
            )

    # Background tasks.

    async def _beat(self) -> None:
        """Renew the leases of all chunks with one statement, and read the states of their jobs."""
        database = self._heartbeats

        async def beating(
            connection: AsyncConnection,
        ) -> tuple[Moment, Collection[_Key], Sequence[Beat]]:
            # Read before the statement begins: of these chunks, those that it does not return are
            # lost.
            began, known = Moment.now(self._clock), set(self._runs)
            return began, known, await chunks.heartbeat(connection, self.owner, database.now())

        while True:
            woken = self._clock.now()
            try:
                began, known, beats = await _soon(database.write_single(beating))
                if self._is_away:
                    logger.warning("heartbeats are confirmed again")
                self._heard, self._is_away = began, False
                await self._on_beats(began, known, beats)
            except JournalError as error:
                # The leases will end, and nothing more is sent.
                if not self._is_away:
                    logger.warning("heartbeats are not confirmed: %s", error.message)
                self._is_away = True
            await self._clock.sleep(max(woken + claims.HEARTBEAT - self._clock.now(), 0.0))

    async def _show_alive(self) -> None:
        """List this worker for people; apart from its heartbeats, which must not wait for this."""
        database = self._heartbeats
        while True:
            times = database.now(), database.now(-processes.FORGOTTEN_AFTER)
            with suppress(JournalError):  # the heartbeats log an outage
                await _soon(database.write_single(processes.record_alive, self._process(), *times))
            await self._clock.sleep(claims.HEARTBEAT)

    def _process(self) -> JournalProcess:
        return JournalProcess(
            id=self.owner,
            kind="worker",
            host=socket.gethostname(),
            pid=os.getpid(),
            accounts=tuple(self._clients),
        )

    async def _on_beats(
        self, began: Moment, known: Collection[_Key], beats: Sequence[Beat]
    ) -> None:
        ours = {(one.job_id, one.number, one.epoch): one for one in beats}
        for key, run in list(self._runs.items()):
            beat = ours.pop(key, None)
            if beat is not None:
                run.lease.renewed(began)
                if beat.job_state != JobState.RUNNING:
                    self._stop_job(beat.job_id, beat.job_state)
            elif key in known:
                # Another worker owns it: this one was frozen or cut off for too long.
                run.lease.end()
        # If the response to a claim was lost, this worker owns the chunk, but has no run for it. A
        # claim in progress looks the same, but not in two heartbeats in a row.
        orphans = set(ours)
        for job, number, epoch in orphans & self._orphans:
            claim = ChunkClaim(job, number, self.owner, epoch)
            # Bounded, because no lease is renewed meanwhile.
            await _soon(
                self._heartbeats.write(chunks.release, claim, "the response to its claim was lost")
            )
        self._orphans = orphans

    async def _look_for_dead(self) -> None:
        """Enqueue the chunks of dead workers again, if the dispatch does not find them itself."""
        while True:
            await self._clock.sleep(_LOOK_FOR_DEAD_EVERY)
            try:
                await self._dispatch.requeue_stalled()
            except JournalError as error:
                if not self._is_away:
                    logger.warning("cannot search for chunks of dead workers: %s", error.message)


async def _soon(writing: Awaitable[T]) -> T:
    """Await a transaction for as long as a lease lasts; then raise JournalError."""
    try:
        async with asyncio.timeout(claims.DEAD_AFTER):
            return await writing
    except TimeoutError:
        text = f"PostgreSQL has not responded for {claims.DEAD_AFTER:g} s; retrying"
        raise JournalError(text) from None

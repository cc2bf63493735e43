"""The work of one worker on one chunk: from its claim until it is done, or handed back."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from attrs import define, field, frozen

from asyncsim.bulk.actions import Action
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.chunks import TakenChunk
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.lease import Lease, Moment
from asyncsim.bulk.phases import Phases
from asyncsim.bulk.records import WHOLE_JOB, Head
from asyncsim.bulk.send import Limits, SendPace
from asyncsim.bulk.stop_rules import StopRules
from asyncsim.bulk.tasks import JobTask, Stopped, StopSignal
from asyncsim.client import Client
from asyncsim.clock import Clock
from asyncsim.errors import (
    AsyncSimError,
    AuthenticationError,
    ClientClosed,
    JobError,
    JournalError,
)
from asyncsim.events import ChunkEnded, ChunkTaken, Observer, notify
from asyncsim.vendors import Product

logger = logging.getLogger("asyncsim.worker")

_WINDOW = 10_000  # more than a chunk has: only its size limits how many of its SIMs are pending
# No person has to act on these: another worker continues, or this one a little later.
_TRANSIENT = frozenset({"drained", "paused", "cancelled", "no answer", "lease lost"})


@frozen
class ChunkOutcome:
    """How the work on a chunk has ended."""

    reason: str | None = None
    """Why it is not done; None if it is."""
    pauses_job: bool = False
    """Whether the reason applies to all other chunks of the job."""
    lost_account: AuthenticationError | ClientClosed | None = None
    """Why this worker cannot use the account any more: rejected credentials, or a closed client."""


def _outcome_of(error: Exception | None, reason: str, *, pauses_job: bool) -> ChunkOutcome:
    """Decide what an error or stop of a chunk means for the chunk, its job and its account."""
    if isinstance(error, AuthenticationError | ClientClosed):
        return ChunkOutcome(str(error), lost_account=error)
    if isinstance(error, JournalError):
        return ChunkOutcome(error.message)  # without its advice: some worker continues
    return ChunkOutcome(reason, pauses_job=pauses_job)


@define(eq=False)
class ChunkRun:
    """One claim, its lease, and the task that works under them."""

    taken: TakenChunk
    lease: Lease
    claimed: Moment
    """When its claim was sent."""
    rules: StopRules
    """Shared by all chunks of the job in this process."""
    client: Client
    pace: SendPace
    """Shared by all chunks of the client."""
    database: Database
    observers: tuple[Observer, ...]
    clock: Clock
    stop: StopSignal = field(factory=StopSignal)
    task: asyncio.Task[ChunkOutcome] | None = None
    is_cancelled: bool = False
    has_paused_job: bool = False

    @property
    def key(self) -> tuple[int, int, int]:
        """Job, chunk and epoch."""
        claim = self.taken.claim
        return claim.job_id, claim.number, claim.epoch

    async def run(self) -> ChunkOutcome:
        """Work on it; returns once everything that can be recorded is recorded."""
        self._tell_begin()
        self.task = task = asyncio.create_task(self._work(), name="asyncsim-chunk")
        # Always retrieve its error: otherwise asyncio logs one that is ignored or comes too late.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        # From then on, another worker may own the chunk.
        self.lease.on_end(self.cancel)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            self.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self.lease.close()
            outcome = self._outcome(task)
            self._tell_end(outcome)
        return outcome

    def cancel(self) -> None:
        """Cancel the work and its requests in flight."""
        # Only once: a second cancellation would interrupt the cleanup of the first. And not from
        # within: work that ends its own lease raises the error that it has just met.
        if self.is_cancelled or self.task is None or self.task is asyncio.current_task():
            return
        self.is_cancelled = True
        self.task.cancel()

    def _outcome(self, task: asyncio.Task[ChunkOutcome]) -> ChunkOutcome:
        # Errors after the end of the lease only follow from it.
        if not task.done() or task.cancelled() or self.lease.ended:
            return ChunkOutcome("lease lost" if self.lease.ended else "cancelled")
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, AsyncSimError):
            return _outcome_of(error, str(error), pauses_job=True)
        # A bug, which every worker would meet again and again.
        claim, job = self.taken.claim, self.taken.job_name
        logger.error("chunk %d of job %r failed", claim.number, job, exc_info=error)
        return ChunkOutcome(f"{type(error).__name__}: {error}", pauses_job=True)

    async def _work(self) -> ChunkOutcome:
        taken, claim, stop = self.taken, self.taken.claim, self.stop
        obeyed = taken.limits
        limits = Limits(
            *(_WINDOW, obeyed.timeout, None, obeyed.max_failures, obeyed.breaker, None, None)
        )
        opening = Journal.open(
            self.database.target, chunk=claim, database=self.database, clock=self.clock
        )
        async with opening as journal:
            head = await journal.head()
            if head is None:
                raise JobError(f"the input of job {taken.job_name!r} is gone")
            phases = Phases(
                *(self.client, journal, self.observers, limits, stop),
                rules=self.rules,
                lease=self.lease,
                pace=self.pace,
            )
            with suppress(Stopped):
                await self._send(phases, head)
        return self.stopped() if stop.event.is_set() else ChunkOutcome()

    async def _send(self, phases: Phases, head: Head) -> None:
        product = Product(head.product)
        task = JobTask(self.client, product, Action(head.action), head.change)
        with self.client.context.call(head.product, "bulk.work"):
            await phases.reconcile(task)
            self.stop.raise_if_stopped()
            # Only the whole job is verified: a list scan per chunk would cost as much for each.
            await phases.send(task, verify=self.taken.claim.number == WHOLE_JOB)

    def stopped(self) -> ChunkOutcome:
        """Decide what the stop means for the chunk and its job."""
        stop = self.stop
        reason = stop.advice or str(stop.error or stop.reason or "stopped")
        return _outcome_of(stop.error, reason, pauses_job=stop.reason not in _TRANSIENT)

    # Events.

    def _tell_begin(self) -> None:
        vendor, product, _ = self.taken.account.split(" ", 2)
        claim = self.taken.claim
        begun = ChunkTaken(
            job=self.taken.job_name, chunk=claim.number, vendor=vendor, product=product
        )
        notify(self.observers, begun)

    def _tell_end(self, outcome: ChunkOutcome) -> None:
        vendor, product, _ = self.taken.account.split(" ", 2)
        ended = ChunkEnded(
            job=self.taken.job_name,
            chunk=self.taken.claim.number,
            seconds=self.clock.now() - self.claimed.monotonic,
            reason=outcome.reason,
            vendor=vendor,
            product=product,
        )
        notify(self.observers, ended)

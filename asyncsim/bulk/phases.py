"""The phases of a job: read the input, plan, confirm, send, verify; and the waits in between."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from functools import partial
from typing import TypeVar

from asyncsim.bulk.actions import Action
from asyncsim.bulk.input.source import format_lines
from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.lease import Lease
from asyncsim.bulk.plan import Plan, Planner
from asyncsim.bulk.records import IN_DOUBT, OPEN, SENT, Duplicate, Head, State
from asyncsim.bulk.report import Report, report_on
from asyncsim.bulk.send import BulkSender, Limits, SendPace
from asyncsim.bulk.stop_rules import StopRules
from asyncsim.bulk.tasks import TRANSIENT_ERRORS, JobTask, Stopped, StopSignal, requested_pause
from asyncsim.client import Client
from asyncsim.errors import AsyncSimError, JobError, JobStopped, JournalError, NotConfirmed
from asyncsim.events import JobEnded, JobProgressed, Observer, notify
from asyncsim.vendors import Product

logger = logging.getLogger("asyncsim")
T = TypeVar("T")

_PASSES = 6  # times that rows without a response are planned and resent within one run
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds between passes, so that an outage can end
_PLAN_ATTEMPTS = 14  # with those pauses at least ten minutes; then the run ends, resumable
# Without those that timed out: their time is up, and another run continues to wait for them.
_UNANSWERED = IN_DOUBT - {State.TIMED_OUT}
_TO_SEND = _UNANSWERED | {State.READY}


def account_of(client: Client, product: Product) -> str:
    """Return the account as jobs record it: no other client may continue them."""
    # With the host, because an emulator accepts the same credentials and has other SIMs.
    return f"{client.context.account} at {client.context.base_url(product)}"


class Phases:
    """The phases, for one client and one journal; `stop` ends every one of them.

    For a chunk of a job, `rules` are those of the whole job, and `pace` is shared by all chunks of
    the client in this process.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        observers: Sequence[Observer],
        limits: Limits,
        stop: StopSignal,
        *,
        rules: StopRules | None = None,
        lease: Lease | None = None,
        pace: SendPace | None = None,
    ) -> None:
        self.stop = stop
        self._rules = rules or StopRules(limits.breaker, limits.max_failures)
        self._lease = lease
        self._pace = pace
        self._client = client
        self._clock = client.context.clock
        self._journal = journal
        self._observers = observers
        self._limits = limits
        self._started = self._clock.now()
        self._requests = client.requests

    @contextlib.asynccontextmanager
    async def watching(self, stop: asyncio.Event | None) -> AsyncGenerator[None, None]:
        """Stop when the caller's event is set, the job is cancelled, or at the deadline."""

        async def stop_after(wait: Callable[[], Awaitable[object]], reason: str) -> None:
            await wait()
            self.stop.stop(reason)

        waits = [stop_after(self._journal.cancelled.wait, "cancelled")]
        if stop is not None:
            if stop.is_set():
                self.stop.stop("drained")  # now: the task would start after the first batch
            waits.append(stop_after(stop.wait, "drained"))
        if (deadline := self._limits.deadline) is not None:
            waits.append(stop_after(partial(self._clock.sleep, deadline), "deadline"))
        tasks = [asyncio.create_task(wait, name="asyncsim-job-stop") for wait in waits]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def execute(
        self,
        job: Job | None,
        finish: Callable[[JobTask], Awaitable[None]],
        confirm: int | Callable[[Plan], bool] | None,
        *,
        dry_run: bool,
        retry_failed: bool,
    ) -> Plan | None:
        """Run all phases, the last of which is `finish`; record the run in the journal.

        The plan is None if the run was stopped before it was complete.
        """
        head = await self.open_job(job)
        with self._client.context.call(head.product, "bulk.run"):
            return await self._execute(
                head, finish, confirm, dry_run=dry_run, retry_failed=retry_failed
            )

    async def _execute(
        self,
        head: Head,
        finish: Callable[[JobTask], Awaitable[None]],
        confirm: int | Callable[[Plan], bool] | None,
        *,
        dry_run: bool,
        retry_failed: bool,
    ) -> Plan | None:
        journal = self._journal
        task = JobTask(self._client, Product(head.product), Action(head.action), head.change)
        plan: Plan | None = None
        await journal.begin_run(retry_failed=retry_failed)
        try:
            with contextlib.suppress(Stopped):
                plan = await self.plan(task, head)
                plan = plan.asking(self._limits.confirm_above, self._limits.limit)
                if dry_run:
                    self.stop.stop("dry run")
                else:
                    await self.confirm(task.action, plan, confirm)
                    await self.check_input_is_alone(task.action)
                    await finish(task)
                if retry_failed and isinstance(self.stop.error, AsyncSimError):
                    # Rejected credentials, say: a later run retries only with `retry_failed`.
                    await journal.cancel_retries()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                journal.hurry()
            with contextlib.suppress(JournalError):
                if retry_failed and isinstance(error, AsyncSimError):
                    await journal.cancel_retries()  # as above
                await journal.end_run(type(error).__name__)
            raise
        await journal.end_run(self.stop.reason)
        return plan

    async def report(self, plan: Plan | None) -> Report:
        """Build the report, and tell observers that the run has ended."""
        seconds = self._clock.now() - self._started
        report = await report_on(
            self._journal,
            plan=plan,
            stopped=self.stop.reason,
            advice=self.stop.advice,
            seconds=seconds,
            requests=self._client.requests - self._requests,
        )
        ended = JobEnded(
            vendor=report.head.vendor,
            product=report.head.product,
            states={state.value: count for state, count in report.states.items()},
            seconds=seconds,
            reason=report.stopped,
        )
        notify(self._observers, ended)
        return report

    # Reading.

    async def open_job(self, job: Job | None) -> Head:
        """Start a job in the journal, or resume its job; JournalError if it holds another one."""
        journal, client = self._journal, self._client
        if job is None:
            head = await journal.head()
            if head is None:
                named = "" if journal.job_name is None else f" {journal.job_name!r}"
                raise JournalError(
                    f"journal {journal.target} contains no complete job{named}: pass the input"
                    " again"
                )
            vendor, account = client.vendor.name, account_of(client, Product(head.product))
            if (head.vendor, head.account) != (vendor, account):
                raise JournalError(
                    f"journal {journal.target} belongs to {head.vendor}, account {head.account};"
                    f" these credentials belong to {vendor}, account {account}: use the credentials"
                    " that the job was started with"
                )
            return head
        head = Head(
            product=job.product.value,
            action=job.action.value,
            change=job.change,
            vendor=client.vendor.name,
            account=account_of(client, job.product),
            label=job.label,
        )
        await self._read_input(job, new=await journal.begin_job(head))
        return head

    async def _read_input(self, job: Job, *, new: bool) -> None:
        """Read the input into the journal; if it holds a job, check that the input is the same."""
        # All of it, for the digest: an additional row at its top renumbers all others, and
        # the journal would apply the change of one SIM to another.
        journal, reading = self._journal, job.read()
        async with contextlib.aclosing(reading.batches()) as batches:
            try:
                self.stop.raise_if_stopped()
                while batch := await self.unless_stopped(anext(batches, None)):
                    if new:
                        await journal.add_rows(batch)
                    progress = JobProgressed(
                        vendor=self._client.vendor.name,
                        product=job.product,
                        phase="reading",
                        done=reading.rows,
                        total=None,
                    )
                    notify(self._observers, progress)
                    self.stop.raise_if_stopped()
            except Stopped:
                # An error, not a report: the next run drops the rows read so far.
                raise JobStopped(f"stopped while reading {job.label}; nothing was sent") from None
        if not new:
            if reading.digest != journal.digest:
                raise JournalError(
                    f"the input changed: {job.label}, or the choice of columns, differs from what"
                    f" journal {journal.target} was started with. Use a new journal, or restore the"
                    " input"
                )
            return
        # All problems of a file at once: fixing them one run at a time would take days.
        problems = [*reading.problems, *_duplicates(await journal.duplicate_names())]
        if problems:
            await journal.discard_job()
            raise JobError(f"{job.label} cannot be used; nothing was sent", problems)
        # Last: after a crash before this, the next run reads the input again from its start.
        await journal.complete_input(
            header=reading.header,
            applied=reading.applied,
            digest=reading.digest,
            notes=reading.notes,
            source=reading.path,
        )

    # Planning.

    async def plan(self, task: JobTask, head: Head) -> Plan:
        """Plan all rows that are not finished; JobError if two of them name the same SIM."""
        await self._journal.reopen_unconfirmed()
        try:
            plan = await self.plan_rows(task, OPEN | {State.FAILED}, "planning")
            # Once something was sent, `BulkSender` sends only one of two such rows.
            if not await self.count(SENT):
                duplicates = list(_duplicates(await self._journal.duplicate_sims()))
                if duplicates:
                    text = f"{head.label} has different names of the same SIM; keep one of each"
                    raise JobError(text, duplicates)
        except JobError:
            if not await self.count(SENT):  # the corrected input may use the same journal
                await self._journal.discard_job()
            raise
        return plan

    async def plan_rows(self, task: JobTask, states: Collection[State], phase: str) -> Plan:
        """Plan rows in these states; wait for an outage to end, and finally end the run."""
        planner = Planner(task, self._journal, self._observers, self.stop, phase=phase)
        for attempt in range(1, _PLAN_ATTEMPTS + 1):
            try:
                # Planning only reads, so a stop need not wait for the requests in flight.
                return await self.unless_stopped(planner.plan(states))
            except TRANSIENT_ERRORS as error:
                if seconds := requested_pause(error, self._client.context.retry.longest_pause):
                    self.stop.stop_for_pause(seconds)
                    raise Stopped from error
                if attempt < _PLAN_ATTEMPTS:
                    await self.pause(attempt)
        self.stop.stop("no answer")
        raise Stopped

    async def confirm(
        self, action: Action, plan: Plan, confirm: int | Callable[[Plan], bool] | None
    ) -> None:
        """Raise NotConfirmed unless the exact number of changes is confirmed."""
        count = plan.to_confirm
        if not count:
            return
        # The exact number, so that yesterday's command confirms nothing for a file that has
        # grown since.
        if not (confirm(plan) if callable(confirm) else confirm == count):
            what = "deletes" if action is Action.DELETE else "deactivates"
            reasons = [f"{what} SIMs, which is irreversible"] if plan.irreversible else []
            if count > plan.irreversible:
                reasons.append("makes SIMs billable (a monthly fee starts)")
            confirmed = confirm if isinstance(confirm, int) else None
            raise NotConfirmed(f"this {' and '.join(reasons)}", count, confirmed)
        await self._journal.approve()  # only these rows: others need their own confirmation

    async def check_input_is_alone(self, action: Action) -> None:
        """JournalError if another job of the journal sends the same changes."""
        ended = await self._journal.check_input_is_alone()
        if ended and action is Action.SEND:
            names = ", ".join(map(repr, ended))
            text = "these texts may have been sent before, by another job with the same input: %s"
            logger.warning(text, names)

    async def reconcile(self, task: JobTask) -> None:
        """Read the SIMs of rows that an earlier owner left in doubt, before anything is sent."""
        if await self.count(_UNANSWERED):
            await self.plan_rows(task, _UNANSWERED, "reconciling")

    # Sending.

    async def send(self, task: JobTask, *, verify: bool = True) -> None:
        """Send all rows; then plan again those without a response or known only by callbacks.

        `verify=False` leaves the latter to another run.

        A callback shows the past: another change may have followed, and KORE's signature is not an
        HMAC (KORE docs, "Validate Webhook Signatures"). One list scan confirms all of them.
        """
        hold = self._journal.hold if self._lease is None else None
        async with contextlib.nullcontext(self._lease) if hold is None else hold.lease() as lease:
            await self._send(task, lease, verify=verify)
            await self._journal.flush()

    async def _send(self, task: JobTask, lease: Lease | None, *, verify: bool) -> None:
        sender = BulkSender(
            task,
            self._journal,
            self._observers,
            self._limits,
            self._rules,
            self.stop,
            lease=lease,
            pace=self._pace,
        )
        for attempt in range(1, _PASSES + 1):
            await sender.run(await self.count(_TO_SEND) + await self._journal.count_retries())
            if self.stop.event.is_set():
                return
            unconfirmed = await self._journal.reopen_unconfirmed() if verify else 0
            more = self.stop.reason is None and attempt < _PASSES
            if more and await self.count({State.NO_ANSWER}):
                await self.pause(attempt)
            elif not unconfirmed:
                return
            await self.plan_rows(task, _TO_SEND, "verifying")
            if not (more and await self.count(_TO_SEND)):
                return

    async def count(self, states: Collection[State]) -> int:
        """Count the rows in these states."""
        counts = await self._journal.counts()
        return sum(counts.get(state, 0) for state in states)

    async def pause(self, attempt: int) -> None:
        """Wait for an outage to end; a stop ends the pause."""
        seconds = min(_FIRST_PAUSE * 2.0 ** (attempt - 1), _LONGEST_PAUSE)
        await self.unless_stopped(self._clock.sleep(seconds))
        self.stop.raise_if_stopped()

    async def unless_stopped(self, work: Awaitable[T]) -> T:
        """Await work that is safe to cancel; `Stopped` as soon as the run is stopped."""
        working = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self.stop.event.wait())
        try:
            await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise Stopped
        finally:
            working.cancel()
            stopped.cancel()
            await asyncio.gather(working, stopped, return_exceptions=True)


def _duplicates(duplicates: Sequence[Duplicate]) -> Iterator[str]:
    for one in duplicates:
        what = "has rows with different changes" if one.conflicting else "is named more than once"
        yield f"{one.name} {what}: {format_lines(one.lines, one.times)}"

"""A run of a job: read the input, plan, confirm, send, verify, report."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterator,
    Sequence,
)
from functools import partial
from typing import Any, TypeVar

from asyncsim.bulk.actions import Action
from asyncsim.bulk.input.source import format_lines
from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.plan import Plan, Planner
from asyncsim.bulk.progress import JobProgress
from asyncsim.bulk.records import IN_DOUBT, OPEN, Duplicate, Head, State
from asyncsim.bulk.report import Report, report_on
from asyncsim.bulk.send import BulkSender, Limits
from asyncsim.bulk.tasks import TRANSIENT_ERRORS, JobTask, Stopped, StopSignal, requested_pause
from asyncsim.client import Client
from asyncsim.displays import choose_display, show
from asyncsim.errors import AsyncSimError, JobError, JobStopped, JournalError, NotConfirmed
from asyncsim.events import JobEnded, JobProgressed, Observer, notify
from asyncsim.vendors import Product

T = TypeVar("T")

_PASSES = 6  # times that rows without a response are planned and resent within one run
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds between passes, so that an outage can end
_PLAN_ATTEMPTS = 12  # with those pauses about ten minutes; then the run ends, resumable
_SENT = frozenset(State) - {State.READ, State.READY, State.IMPOSSIBLE, State.ALREADY}
# Without those that timed out: their time is up, and another run continues to wait for them.
_TO_SEND = IN_DOUBT - {State.TIMED_OUT} | {State.READY}


async def run(
    job: Job | None,
    client: Client,
    *,
    journal: Journal,
    observers: Sequence[Observer] = (),
    window: int = 10_000,
    timeout: float | None = None,
    deadline: float | None = None,
    max_failures: int | None = None,
    breaker: int | None = 20,
    limit: int | None = None,
    confirm: int | Callable[[Plan], bool] | None = None,
    confirm_above: int | None = None,
    dry_run: bool = False,
    retry_failed: bool = False,
    stop: asyncio.Event | None = None,
    progress: bool = False,
) -> Report:
    """Bring every SIM of a job to its target, or report why not; run it again to resume.

    The first run reads the input into the journal. Each run plans all SIMs that are not finished,
    sends only changes still needed, and waits. `job=None` resumes the journal's job,
    without its input.

    - `window`: the most SIMs that are sent and not settled yet.
    - `timeout`: seconds for each SIM, from the response on; `Watching.timeout` unless given.
    - `deadline`: seconds for this run; then it stops as by `stop`.
    - `max_failures`: stops the run when more rows than that have failed in it.
    - `breaker`: stops the run when so many SIMs in a row were refused alike; None: never.
    - `limit`: the most rows to send in this run.
    - `confirm`: the exact number of SIMs to confirm (`Plan.to_confirm`), or a function that takes
      the plan and returns whether to continue.
    - `confirm_above`: also confirm that SIMs become billable, if more than this would.
    - `dry_run`: plans, and sends nothing.
    - `retry_failed`: also retries rows that failed in earlier runs. A row keeps its state and its
      error until its request is sent; the next run retries rows that this one does not reach.
    - `stop`: set it for a graceful stop: requests in flight finish, nothing new is sent, the rest
      is left for the next run. Cancelling stops at once, and loses nothing either.
    - `progress`: displays it in the notebook's cell, live on a terminal, or as lines on stderr.

    Raises `JobError` for input that cannot be used, `NotConfirmed`, `JournalError`, and
    `AuthenticationError` when the credentials are rejected; never for single SIMs.
    """
    limits = Limits(*(window, timeout, deadline, max_failures, breaker, limit, confirm_above))
    current = _Run(client, journal, observers, limits)
    async with current.displayed() if progress else contextlib.nullcontext():
        async with current.watching(stop):
            plan = await current.execute(job, confirm, dry_run=dry_run, retry_failed=retry_failed)
        # After the run is recorded as ended: the caller may catch it and run the job again.
        if current.stop.error is not None:
            raise current.stop.error
        return await current.report(plan)


class _Run:
    """One run: its phases in order, and the pauses between them."""

    def __init__(
        self, client: Client, journal: Journal, observers: Sequence[Observer], limits: Limits
    ) -> None:
        self.stop = StopSignal()
        self._client = client
        self._clock = client.context.clock
        self._journal = journal
        self._observers = observers
        self._limits = limits
        self._started = self._clock.now()
        self._requests = client.requests

    @contextlib.asynccontextmanager
    async def displayed(self) -> AsyncGenerator[None, None]:
        """Display the progress of this run."""
        progress = JobProgress(self._client.context, self._journal.target)
        self._observers = [*self._observers, progress]
        async with show(progress, choose_display(progress)):
            yield

    @contextlib.asynccontextmanager
    async def watching(self, stop: asyncio.Event | None) -> AsyncGenerator[None, None]:
        """Stop the run when the caller's event is set, or after so many seconds."""

        async def stop_after(wait: Callable[[], Awaitable[object]], reason: str) -> None:
            await wait()
            self.stop.stop(reason)

        waits: list[Coroutine[Any, Any, None]] = []
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
        confirm: int | Callable[[Plan], bool] | None,
        *,
        dry_run: bool,
        retry_failed: bool,
    ) -> Plan | None:
        """Run all phases; the plan is None if the run was stopped before it was complete."""
        head = await self._open(job)
        with self._client.context.call(head.product, "bulk.run"):
            return await self._execute(head, confirm, dry_run=dry_run, retry_failed=retry_failed)

    async def _execute(
        self,
        head: Head,
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
                plan = await self._plan(task, head)
                plan = plan.asking(self._limits.confirm_above, self._limits.limit)
                if dry_run:
                    self.stop.stop("dry run")
                else:
                    await self._confirm(task.action, plan, confirm)
                    await self._send(task)
                if retry_failed and isinstance(self.stop.error, AsyncSimError):
                    # Rejected credentials, say: a later run retries only with `retry_failed`.
                    await journal.cancel_retries()
        except BaseException as error:
            with contextlib.suppress(JournalError):
                if retry_failed and isinstance(error, AsyncSimError):
                    await journal.cancel_retries()  # as above
                await journal.end_run(type(error).__name__)
            raise
        await journal.end_run(self.stop.reason)
        return plan

    async def report(self, plan: Plan | None) -> Report:
        """Build the report of this run, and tell observers that it has ended."""
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

    async def _open(self, job: Job | None) -> Head:
        """Start a job in the journal, or resume its job; JournalError if it holds another one."""
        journal, client = self._journal, self._client
        if job is None:
            head = await journal.head()
            if head is None:
                raise JournalError(
                    f"journal {journal.target} holds no job to resume: pass the input again"
                )
            vendor, account = client.vendor.name, self._account(Product(head.product))
            if (head.vendor, head.account) != (vendor, account):
                raise JournalError(
                    f"journal {journal.target} belongs to {head.vendor}, account {head.account};"
                    f" these credentials belong to {vendor}, account {account}: use those that the"
                    " job was started with"
                )
            return head
        head = Head(
            product=job.product.value,
            action=job.action.value,
            change=job.change,
            vendor=client.vendor.name,
            account=self._account(job.product),
            label=job.label,
        )
        await self._read_input(job, new=await journal.begin_job(head))
        return head

    def _account(self, product: Product) -> str:
        # With the host, because an emulator accepts the same credentials and has other SIMs.
        context = self._client.context
        return f"{context.account} at {context.base_url(product)}"

    async def _read_input(self, job: Job, *, new: bool) -> None:
        """Read the input into the journal; if it holds a job, check that the input is the same."""
        # All of it, for the digest: an additional row at its top renumbers all others, and
        # the journal would apply the change of one SIM to another.
        journal, reading = self._journal, job.read()
        async with contextlib.aclosing(reading.batches()) as batches:
            try:
                self.stop.raise_if_stopped()
                while batch := await self._unless_stopped(anext(batches, None)):
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

    async def _plan(self, task: JobTask, head: Head) -> Plan:
        await self._journal.reopen_unconfirmed()
        try:
            plan = await self._plan_rows(task, OPEN | {State.FAILED}, "planning")
            # Once something was sent, `BulkSender` sends only one of two such rows.
            if not await self._count(_SENT):
                duplicates = list(_duplicates(await self._journal.duplicate_sims()))
                if duplicates:
                    text = f"{head.label} has different names of the same SIM; keep one of each"
                    raise JobError(text, duplicates)
        except JobError:
            if not await self._count(_SENT):  # the corrected input may use the same journal
                await self._journal.discard_job()
            raise
        return plan

    async def _plan_rows(self, task: JobTask, states: Collection[State], phase: str) -> Plan:
        """Plan rows in these states; wait for an outage to end, and finally end the run."""
        planner = Planner(task, self._journal, self._observers, self.stop, phase=phase)
        for attempt in range(1, _PLAN_ATTEMPTS + 1):
            try:
                # Planning only reads, so a stop need not wait for the requests in flight.
                return await self._unless_stopped(planner.plan(states))
            except TRANSIENT_ERRORS as error:
                if seconds := requested_pause(error, self._client.context.retry.longest_pause):
                    self.stop.stop_for_pause(seconds)
                    raise Stopped from error
                if attempt < _PLAN_ATTEMPTS:
                    await self._pause(attempt)
        self.stop.stop("no answer")
        raise Stopped

    async def _confirm(
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

    # Sending.

    async def _send(self, task: JobTask) -> None:
        """Send all rows; then plan again those without a response or known only by callbacks.

        A callback shows the past: another change may have followed, and KORE's signature is not an
        HMAC (KORE docs, "Validate Webhook Signatures"). One list scan confirms all of them.
        """
        sender = BulkSender(task, self._journal, self._observers, self._limits, self.stop)
        try:
            for attempt in range(1, _PASSES + 1):
                await sender.run(await self._count(_TO_SEND) + await self._journal.count_retries())
                if self.stop.event.is_set():
                    return
                unconfirmed = await self._journal.reopen_unconfirmed()
                more = self.stop.reason is None and attempt < _PASSES
                if more and await self._count({State.NO_ANSWER}):
                    await self._pause(attempt)
                elif not unconfirmed:
                    return
                await self._plan_rows(task, _TO_SEND, "verifying")
                if not (more and await self._count(_TO_SEND)):
                    return
        finally:
            await self._journal.flush()

    async def _count(self, states: Collection[State]) -> int:
        counts = await self._journal.counts()
        return sum(counts.get(state, 0) for state in states)

    async def _pause(self, attempt: int) -> None:
        """Wait for an outage to end; a stop ends the pause."""
        seconds = min(_FIRST_PAUSE * 2.0 ** (attempt - 1), _LONGEST_PAUSE)
        await self._unless_stopped(self._clock.sleep(seconds))
        self.stop.raise_if_stopped()

    async def _unless_stopped(self, work: Awaitable[T]) -> T:
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

"""`bulk.run`: read, plan, confirm, send, look again, report."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from asyncsim.bulk.actions import Action
from asyncsim.bulk.input.source import format_lines
from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.plan import Plan, Planner
from asyncsim.bulk.records import IN_DOUBT, OPEN, Duplicate, Head, Row, State
from asyncsim.bulk.report import Report, report_on
from asyncsim.bulk.send import BulkSender, Limits
from asyncsim.bulk.tasks import VENDORS_TROUBLE, JobTask, Stopped, StopSignal, pause_asked
from asyncsim.client import Client
from asyncsim.errors import AsyncSimError, JobError, JobStopped, JournalError, NotConfirmed
from asyncsim.events import JobEnded, JobProgressed, Observer, notify
from asyncsim.vendors import Product


async def open_job(
    job: Job | None,
    client: Client,
    journal: Journal,
    observers: Sequence[Observer],
    halt: StopSignal,
) -> Head:
    """Begin a job in a journal, or go on with the one it holds; JournalError if they differ."""
    if job is None:
        return await _resume(client, journal)
    head = Head(
        product=job.product.value,
        action=job.action.value,
        change=job.change,
        vendor=client.vendor.name,
        account=_account(client, job.product),
        label=job.label,
    )
    if await journal.begin(head):
        await _take_in(job, journal, observers, halt)
    else:
        await _check_same(job, journal, observers, halt)
    return head


async def _resume(client: Client, journal: Journal) -> Head:
    head = await journal.head()
    if head is None:
        raise JournalError(
            f"journal {journal.target} holds no job to go on with: give the input once more"
        )
    vendor, account = client.vendor.name, _account(client, Product(head.product))
    if (head.vendor, head.account) != (vendor, account):
        raise JournalError(
            f"journal {journal.target} belongs to {head.vendor}, account {head.account}; these"
            f" credentials to {vendor}, account {account}: use those it was begun with"
        )
    return head


def _account(client: Client, product: Product) -> str:
    """Tell accounts apart, and an emulator from the vendor: its SIMs are others."""
    context = client.context
    return f"{context.account} at {context.base(product)}"


async def confirm_irreversible(
    action: Action, plan: Plan, journal: Journal, confirm: int | Callable[[Plan], bool] | None
) -> None:
    """Refuse what can never be taken back, unless its extent was confirmed."""
    count = plan.irreversible
    if not count:
        return
    agreed = confirm(plan) if callable(confirm) else confirm == count
    if not agreed:
        what = "deletes" if action is Action.DELETE else "deactivates"
        given = confirm if isinstance(confirm, int) else None
        raise NotConfirmed(f"this {what} SIMs", count, given)
    await journal.approve()  # these rows: a later run asks again for others, and not for them


async def _take_in(
    job: Job, journal: Journal, observers: Sequence[Observer], halt: StopSignal
) -> None:
    """Read a job's input into the journal; JobError has all that is wrong with it, at once."""
    reading = job.read()
    async with aclosing(_until_halted(job, reading.batches(), halt)) as batches:
        async for batch in batches:
            await journal.add(batch)
            notify(observers, JobProgressed(phase="reading", done=reading.rows, total=None))
    problems = [*reading.problems, *_repetitions(await journal.repeated())]
    if problems:
        await journal.discard()
        raise JobError(f"{job.label} cannot be used as it is; nothing was sent", problems)
    await journal.seal(
        header=reading.header,
        applied=reading.applied,
        digest=reading.digest,
        notes=reading.notes,
        source=reading.path,
    )


async def _check_same(
    job: Job, journal: Journal, observers: Sequence[Observer], halt: StopSignal
) -> None:
    """Make sure that the input is the one which the journal began with."""
    reading = job.read()
    async with aclosing(_until_halted(job, reading.batches(), halt)) as batches:
        async for _ in batches:
            notify(observers, JobProgressed(phase="reading", done=reading.rows, total=None))
    if reading.digest != journal.digest:
        raise JournalError(
            f"journal {journal.target} was begun with another input: {job.label}, or which of its"
            " columns are applied, has changed since. Give what it is now a journal of its own, or"
            " bring back what it was"
        )


async def _until_halted(
    job: Job, batches: AsyncGenerator[list[Row], None], halt: StopSignal
) -> AsyncGenerator[list[Row], None]:
    """Give all batches; `JobStopped` as soon as the run is halted, however slow the next one is."""
    halted = asyncio.ensure_future(halt.happened.wait())
    try:
        while True:
            following = asyncio.ensure_future(anext(batches, None))
            await asyncio.wait((following, halted), return_when=asyncio.FIRST_COMPLETED)
            if halted.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                raise JobStopped(f"stopped while {job.label} was read; nothing was sent")
            if (batch := following.result()) is None:
                return
            yield batch
    finally:
        halted.cancel()
        await batches.aclose()


async def reject_duplicate_sims(label: str, journal: Journal) -> None:
    """Refuse rows that turned out to mean the same SIM by different names."""
    twins = list(_repetitions(await journal.duplicate_sims()))
    if twins:
        raise JobError(f"{label} has different names of the same SIM; leave one of each", twins)


def _repetitions(repeated: Iterable[Duplicate]) -> Iterable[str]:
    for one in repeated:
        what = "is to become different things" if one.conflicting else "is named more than once"
        yield f"{one.name} {what}: {format_lines(one.lines, one.times)}"


T = TypeVar("T")

_PASSES = 6
"""Times that rows without an answer are looked at and sent again within one run."""
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds between those; an outage has time to end
_LOOKS = 12  # times that a look at all SIMs is tried, which is about ten minutes
_SENT = frozenset(State) - {State.READ, State.READY, State.IMPOSSIBLE, State.ALREADY}
# Not those which have timed out: whoever waits longer for them does so in another run.
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
    limit: int | None = None,
    confirm: int | Callable[[Plan], bool] | None = None,
    dry_run: bool = False,
    retry_failed: bool = False,
    stop: asyncio.Event | None = None,
) -> Report:
    """Bring every SIM of a job to its goal, or know why not; run it again to go on.

    The first run reads the input into the journal. Each run looks at all SIMs that have not ended,
    sends only what is still needed, and waits. `job=None` goes on with the job that the journal
    holds, without its input.

    - `window`: SIMs between being sent and being settled, at most.
    - `timeout`: seconds for each SIM from its answer on; `Watching.timeout` unless given.
    - `deadline`: seconds for this run; then it stops as by `stop`.
    - `max_failures`: stops the run when more rows than that have failed in it.
    - `limit`: sends at most so many rows in this run.
    - `confirm`: the number of SIMs whose change can never be taken back, or who is asked about it.
    - `dry_run`: plans, and sends nothing.
    - `retry_failed`: tries again what has failed in earlier runs, too. A row keeps its state and
      its error until its request goes out; what this run does not come to, the next one does.
    - `stop`: set it to stop early: nothing more is sent, requests on the wire get their answers,
      the rest is left for the next run. Cancelling stops at once; nothing is lost by that either.

    Raises `JobError` for input that cannot be used, `NotConfirmed`, `JournalError`, and
    `AuthenticationError` when the credentials are refused; of single SIMs nothing is raised.
    """
    _check(window=window, timeout=timeout, deadline=deadline, limit=limit)
    if max_failures is not None and max_failures < 0:
        raise ValueError(f"max_failures={max_failures}: 0 or more")
    return await _Run(
        client,
        journal,
        observers,
        limits=Limits(window=window, timeout=timeout, max_failures=max_failures, limit=limit),
        deadline=deadline,
        confirm=confirm,
        stop=stop,
    ).go(job, dry_run=dry_run, retry_failed=retry_failed)


def _check(**options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"{name}={value!r}: give a number above 0")


class _Run:
    def __init__(
        self,
        client: Client,
        journal: Journal,
        observers: Sequence[Observer],
        *,
        limits: Limits,
        deadline: float | None,
        confirm: int | Callable[[Plan], bool] | None,
        stop: asyncio.Event | None,
    ) -> None:
        self._client = client
        self._journal = journal
        self._observers = observers
        self._limits = limits
        self._deadline = deadline
        self._confirm = confirm
        self._stop = stop
        self._halt = StopSignal()
        self._clock = client.context.clock
        self._started = self._clock.now()
        self._requests = client.requests

    async def go(self, job: Job | None, *, dry_run: bool, retry_failed: bool) -> Report:
        helpers = self._supervise()
        plan: Plan | None = None
        try:
            head = await open_job(job, self._client, self._journal, self._observers, self._halt)
            async with self._numbered(retry_failed=retry_failed):
                task = JobTask(
                    self._client, Product(head.product), Action(head.action), head.change
                )
                with contextlib.suppress(Stopped):
                    plan = await self._plan(task, head)
                    if dry_run:
                        self._halt("dry run")
                    else:
                        await confirm_irreversible(task.action, plan, self._journal, self._confirm)
                        await self._send(task)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        if self._halt.error is not None:
            raise self._halt.error
        return await self._report(plan)

    @contextlib.asynccontextmanager
    async def _numbered(self, *, retry_failed: bool) -> AsyncGenerator[None, None]:
        """Keep in the journal when this run began, and how it ended, whatever that was."""
        await self._journal.begin_run(retry_failed=retry_failed)
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(JournalError):
                if retry_failed and isinstance(error, AsyncSimError):
                    # Refused credentials, say: a later run that nobody asks for it retries nothing.
                    await self._journal.retry_nothing()
                await self._journal.end_run(type(error).__name__)
            raise
        await self._journal.end_run(self._halt.reason)

    def _supervise(self) -> list[asyncio.Task[None]]:
        """Watch for what ends a run from outside."""
        if self._stop is not None and self._stop.is_set():
            self._halt("drained")
        works = [] if self._stop is None else [self._await_stop(self._stop)]
        works += [] if self._deadline is None else [self._await_deadline(self._deadline)]
        return [asyncio.create_task(work, name="asyncsim-job-watch") for work in works]

    async def _await_stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt("drained")

    async def _await_deadline(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._halt("deadline")

    # Before anything is sent.

    async def _plan(self, task: JobTask, head: Head) -> Plan:
        await self._journal.doubt()
        try:
            plan = await self._look(task, OPEN | {State.FAILED}, "planning")
            if not await self._count(_SENT):  # later only one of them goes out at a time
                await reject_duplicate_sims(head.label, self._journal)
        except JobError:
            if not await self._count(_SENT):  # whoever mends the input may use the same journal
                await self._journal.discard()
            raise
        return plan

    async def _look(self, task: JobTask, states: Collection[State], phase: str) -> Plan:
        """Look at all SIMs; an outage has time to end, then the run does, with what it has."""
        planner = Planner(task, self._journal, self._observers, self._halt, phase=phase)
        for attempt in range(1, _LOOKS + 1):
            try:
                # A look only reads: whoever stops the run does not wait for its end.
                return await self._unless_halted(planner.plan(states))
            except VENDORS_TROUBLE as error:
                longest = self._client.context.retry.longest_pause
                if seconds := pause_asked(error, longest):
                    self._halt.for_pause(seconds)
                    raise Stopped from error
                if attempt < _LOOKS:
                    await self._pause(attempt)
        self._halt("no answer")
        raise Stopped

    # BulkSender.

    async def _send(self, task: JobTask) -> None:
        sending = BulkSender(task, self._journal, self._observers, self._limits, self._halt)
        try:
            for attempt in range(1, _PASSES + 1):
                await sending.run(await self._count(_TO_SEND) + await self._journal.retries())
                if not await self._look_again(task, attempt):
                    break
        finally:
            await self._journal.flush()

    async def _look_again(self, task: JobTask, attempt: int) -> bool:
        """Look at rows without an answer, or known by callbacks alone; True: some need more."""
        if self._halt.happened.is_set():
            return False
        doubted = await self._journal.doubt()
        goes_on = self._halt.reason is None and attempt < _PASSES
        if goes_on and await self._count({State.NO_ANSWER}):
            await self._pause(attempt)
        elif not doubted:
            return False
        await self._look(task, _TO_SEND, "verifying")
        return goes_on and await self._count(_TO_SEND) > 0

    async def _pause(self, attempt: int) -> None:
        """Give an outage time to end; whoever stops the run does not wait for that."""
        seconds = min(_FIRST_PAUSE * 2.0 ** (attempt - 1), _LONGEST_PAUSE)
        await self._unless_halted(self._clock.sleep(seconds))
        self._halt.check()

    async def _unless_halted(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work that may be cut off anywhere; `Stopped` as soon as the run is."""
        working = asyncio.ensure_future(work)
        halted = asyncio.ensure_future(self._halt.happened.wait())
        try:
            await asyncio.wait((working, halted), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise Stopped
        finally:
            working.cancel()
            halted.cancel()
            await asyncio.gather(working, halted, return_exceptions=True)

    async def _count(self, states: Collection[State]) -> int:
        counts = await self._journal.counts()
        return sum(counts.get(state, 0) for state in states)

    async def _report(self, plan: Plan | None) -> Report:
        reason = self._halt.reason
        seconds = self._clock.now() - self._started
        requests = self._client.requests - self._requests
        report = await report_on(
            self._journal, plan=plan, stopped=reason, seconds=seconds, requests=requests
        )
        states = {state.value: count for state, count in (await self._journal.counts()).items()}
        notify(self._observers, JobEnded(states=states, seconds=seconds, reason=reason))
        return report

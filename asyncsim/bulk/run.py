"""A run of a job: read the input, plan, confirm, send, verify, report."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.phases import Phases
from asyncsim.bulk.plan import Plan
from asyncsim.bulk.progress import JobProgress
from asyncsim.bulk.report import Report
from asyncsim.bulk.send import Limits
from asyncsim.bulk.tasks import StopSignal
from asyncsim.client import Client
from asyncsim.displays import choose_display, show
from asyncsim.events import Observer


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
    - `max_failures`: stops the run when more rows than this have failed in it.
    - `breaker`: stops the run when so many SIMs in a row were rejected in the same way; None:
      never.
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
    shown: AbstractAsyncContextManager[object] = contextlib.nullcontext()
    if progress:
        counted = JobProgress(client.context, journal.target)
        observers, shown = [*observers, counted], show(counted, choose_display(counted))
    phases = Phases(client, journal, observers, limits, StopSignal())
    async with shown:
        async with phases.watching(stop):
            plan = await phases.execute(
                job, phases.send, confirm, dry_run=dry_run, retry_failed=retry_failed
            )
        # After the run is recorded as ended: the caller may catch it and run the job again.
        if phases.stop.error is not None:
            raise phases.stop.error
        return await phases.report(plan)

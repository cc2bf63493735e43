"""One run of a job: confirmation, progress, signals, report, exit code."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from attrs import field, frozen

import asyncsim
from asyncsim import (
    CallbackReceiver,
    Client,
    JobError,
    JobStopped,
    JournalError,
    NotConfirmed,
    bulk,
)
from asyncsim.bulk import Job, Journal, Plan, Report, write_results, write_undo
from asyncsim.bulk.progress import JobProgress
from asyncsim.cli.accounts import log_in
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.journals import JobPlace
from asyncsim.cli.ndjson import NdjsonWriter
from asyncsim.cli.options import WINDOW, RunOptions, make_receiver, throttle
from asyncsim.cli.output import (
    say,
    show_rows,
    show_table,
    stderr_console,
    until_reader_leaves,
)
from asyncsim.cli.progress import displayed
from asyncsim.cli.reports import (
    describe_job,
    impossible_rows,
    render_plan,
    render_report,
    render_undo,
    report_exit_code,
)
from asyncsim.cli.resume import resume_command
from asyncsim.cli.signals import ask, on_first_interrupt
from asyncsim.client import Settings
from asyncsim.displays import Display
from asyncsim.events import Observer
from asyncsim.observers import Tally

T = TypeVar("T")

_SLOW_RESULTS = 50_000  # rows; writing more takes seconds
_WRITING = "writing the results; press Ctrl-C again to cancel"
_STOPPING = "stopping: nothing new is sent, requests in flight finish; press Ctrl-C again to cancel"


@frozen(kw_only=True)
class JobCommand:
    """What to run, and how."""

    job: Job | None
    """None: resume the job of the journal."""
    vendor: str | None
    options: RunOptions
    retry_failed: bool = False
    piped: bool = False
    """Whether the input comes from stdin."""
    place: JobPlace | None = None
    """Where the job is; None: in a journal that is removed after the plan."""
    tally: Tally = field(factory=Tally)
    ndjson: NdjsonWriter = field(factory=NdjsonWriter)
    stop: asyncio.Event = field(factory=asyncio.Event)

    @property
    def observers(self) -> list[Observer]:
        """The observers of the job, and of its client."""
        return [self.tally, *([self.ndjson] if self.options.json else [])]

    @property
    def breaker(self) -> int | None:
        """The limit of the circuit breaker."""
        return None if self.options.breaker == "off" else self.options.breaker


@contextlib.asynccontextmanager
async def scratch_journal() -> AsyncGenerator[Journal, None]:
    """Open a journal for a plan only; it is removed."""
    with tempfile.TemporaryDirectory() as folder:
        async with Journal.open(Path(folder) / "plan.db") as journal:
            yield journal


async def plan_only(run: JobCommand, journal: Journal) -> Report:
    """Plan a job and send nothing; the report has a plan."""
    with run.ndjson:
        report = await _run_logged_in(run, journal, dry_run=True)
        if run.options.json:
            run.ndjson.write("Report", report.summary())
    if report.plan is None:
        raise CommandError("stopped before all SIMs were read; nothing was sent", Exit.PENDING)
    return report


async def plan_job(run: JobCommand, journal: Journal) -> Exit:
    """Print what a run would do; send nothing."""
    report = await plan_only(run, journal)
    assert report.plan is not None  # noqa: S101  # as promised
    with until_reader_leaves():
        show_table(render_plan(report.plan, describe_job(report)), on_stderr=run.options.json)
    return Exit.FAILED if impossible_rows(report.plan) else Exit.OK


async def run_job(run: JobCommand, journal: Journal, results: Path) -> Exit:
    """Run a job, write its results, print its outcome."""
    written, undo, write_error = None, None, None
    with run.ndjson:
        report = await _run_logged_in(run, journal)
        if report.rows >= _SLOW_RESULTS and not run.options.quiet:
            say(f"writing {report.rows:,} results to {results}")
        with on_first_interrupt(lambda: say(_WRITING)):
            try:
                written = await write_results(journal, results, report)
                if run.options.undo is not None:
                    undo = await write_undo(journal, run.options.undo)
            except (OSError, JobError) as error:
                write_error = getattr(error, "strerror", None) or str(error)
        if run.options.json:
            run.ndjson.write("Report", report.summary())
    if not run.options.quiet:
        rows = render_report(report, run.tally, written)
        show_rows([*rows, *(render_undo(undo, report) if undo else ())], on_stderr=True)
    if write_error is not None:
        # Not the exit code of an unusable input: requests were sent.
        raise CommandError(write_error, Exit.FAILED)
    if report.found_nothing_to_do:  # also with --quiet, or it would look as if it had run again
        again = f"use a new journal: --journal, or move {journal.target} away"
        if run.place is not None and run.place.is_shared:
            again = "use another --name"
        say(
            "this job is already finished: nothing was read and nothing was sent. To repeat it,"
            f" {again}"
        )
    code = report_exit_code(report)
    if report.advice is not None:  # the circuit breaker
        arguments = run.place.arguments if run.place else ""
        say(f"{report.advice}; then: asyncsim jobs retry-failed {arguments}")
    elif code is Exit.PENDING:
        say(_how_to_resume(run))
    return code


async def _run_logged_in(run: JobCommand, journal: Journal, *, dry_run: bool = False) -> Report:
    """Run a job with its own client; errors name the next command."""
    options = run.options
    receiver = make_receiver(options.listen, options.public_url, journal.ticket_secret)

    async def work(client: Client) -> Report:
        return await run_displayed(run, client, journal, dry_run=dry_run)

    return await logged_in(run, work, receiver)


async def logged_in(
    run: JobCommand,
    work: Callable[[Client], Awaitable[T]],
    receiver: CallbackReceiver | None = None,
) -> T:
    """Do the work of a job with its own client; errors name the next command."""
    options = run.options
    settings: Settings = {
        "receiver": receiver,
        "observers": run.observers,
        "throttle": throttle(options.concurrency, options.max_rps),
    }
    if run.place is not None and run.place.is_shared:  # with the account's workers
        # Only here, because it needs the extra `postgres`.
        settings["shared_limit"] = asyncsim.PostgresLimit(run.place.target)
    client = log_in(run.vendor, **settings)
    try:
        async with client:
            return await work(client)
    except NotConfirmed as error:
        raise CommandError(f"{error} with --confirm-count {error.count}", Exit.REFUSED) from error
    except JobStopped as error:
        raise CommandError(f"{error}; {_how_to_resume(run)}", Exit.PENDING) from error
    except JournalError as error:
        sent = run.tally.methods["POST"] + run.tally.methods["DELETE"]
        raise CommandError(str(error), Exit.PENDING if sent else Exit.USAGE) from error
    except asyncio.CancelledError:
        say(_how_to_resume(run))
        raise


def _how_to_resume(run: JobCommand) -> str:
    same = " (with the same input)" if run.piped else ""
    return f"to resume{same}: {resume_command()}"


async def run_displayed(
    run: JobCommand, client: Client, journal: Journal, *, dry_run: bool = False
) -> Report:
    """Run a job with its progress on display; the first Ctrl-C stops it gracefully."""
    options = run.options
    async with on_display(run, client, journal.target) as (observers, confirm):
        return await bulk.run(
            run.job,
            client,
            journal=journal,
            observers=observers,
            window=options.window or WINDOW,
            timeout=options.timeout,
            deadline=options.deadline,
            max_failures=options.max_failures,
            breaker=run.breaker,
            limit=options.limit,
            confirm=confirm,
            confirm_above=options.confirm_above,
            dry_run=dry_run,
            retry_failed=run.retry_failed,
            stop=run.stop,
        )


Confirmation = int | Callable[[Plan], bool] | None


@contextlib.asynccontextmanager
async def on_display(
    run: JobCommand, client: Client, target: str
) -> AsyncGenerator[tuple[list[Observer], Confirmation], None]:
    """Display what happens inside; yields the observers, and how to confirm."""
    options = run.options
    # On one terminal, live lines would mix with the events.
    quiet = options.quiet or (options.json and sys.stdout.isatty())

    def stop() -> None:
        shown.say(_STOPPING)
        run.stop.set()

    progress = JobProgress(client.context, target)
    async with displayed(progress, quiet=quiet) as shown:
        with on_first_interrupt(stop):
            confirm = _confirmation(options.confirm_count, shown, piped=run.piped)
            yield [*run.observers, progress], confirm


def _confirmation(given: int | None, shown: Display, *, piped: bool) -> Confirmation:
    """The count of `--confirm-count`, a question to a person, or None."""
    if given is not None:
        return given
    # If the input came through stdin, a person cannot type an answer. stdin is None if
    # the command was started with it closed.
    can_ask = bool(sys.stdin) and sys.stdin.isatty() and sys.stderr.isatty() and not piped
    return (lambda plan: _ask(plan, shown)) if can_ask else None


def _ask(plan: Plan, shown: Display) -> bool:
    """Ask for the exact number of changes to confirm; signals mean no."""
    shown.stop()
    try:
        stderr_console().print(render_plan(plan))
        if plan.irreversible:
            say(f"{plan.irreversible:,} SIMs will change irreversibly.")
        if plan.to_confirm > plan.irreversible:
            say(f"{plan.billable:,} SIMs will become billable.")
        typed = ask(f"Type their number to continue ({plan.to_confirm}): ").replace(",", "")
    except (KeyboardInterrupt, OSError):  # OSError: the terminal is gone
        sys.stderr.write("\n")
        return False
    finally:
        shown.start()
    return typed.isdecimal() and int(typed) == plan.to_confirm

"""One run of a job, with a terminal in front: progress, signals, report, exit code."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from attrs import field, frozen

from asyncsim import Client, JobStopped, JournalError, NotConfirmed, Throttle, bulk
from asyncsim.bulk import Job, Journal, Report, write_results
from asyncsim.bulk.results import WrittenResults
from asyncsim.cli import again, plans, reports, terminal
from asyncsim.cli.accounts import log_in
from asyncsim.cli.confirming import confirmation
from asyncsim.cli.display import Shown, progress
from asyncsim.cli.exits import CommandError, Exit, code_of_report
from asyncsim.cli.joboptions import WINDOW, RunOptions
from asyncsim.cli.ndjson import Ndjson
from asyncsim.cli.progress import Standing
from asyncsim.cli.receiving import receiver
from asyncsim.cli.signals import draining
from asyncsim.events import Observer
from asyncsim.observers import Tally

_MANY = 50_000
"""Results that take seconds to be written."""
_WRITING = "the results are being written; once more cancels"
_STOPPING = "stopping: nothing more is sent, answers are awaited; once more cancels"


@frozen(kw_only=True)
class Run:
    """What is to be run, and how."""

    job: Job | None
    """None: the one that the journal holds."""
    vendor: str | None
    options: RunOptions
    retry_failed: bool = False
    piped: bool = False
    """Its input comes through stdin."""
    standing: Standing = field(factory=Standing)
    tally: Tally = field(factory=Tally)
    ndjson: Ndjson = field(factory=Ndjson)
    stop: asyncio.Event = field(factory=asyncio.Event)

    @property
    def observers(self) -> list[Observer]:
        """Who is told what happens, but for the display."""
        return [self.standing, self.tally, *([self.ndjson] if self.options.json else [])]


async def look(run: Run, journal: Journal) -> Exit:
    """Tell what a run would do; send nothing."""
    with run.ndjson:
        report = await _recorded(run, journal, dry_run=True)
        if run.options.json:
            run.ndjson.write("Report", report.summary())
    if report.plan is None:
        raise CommandError("stopped before all SIMs were looked at; nothing was sent", Exit.PENDING)
    with terminal.product():
        terminal.show(plans.told(report.plan, reports.about(report)), on_stderr=run.options.json)
    return Exit.FAILED if plans.hopeless(report.plan) else Exit.OK


async def run_job(run: Run, journal: Journal, results: Path) -> Exit:
    """Run a job, write its results, tell how it ended."""
    with run.ndjson:
        report = await _recorded(run, journal)
        if report.rows >= _MANY and not run.options.quiet:
            terminal.say(f"writing {report.rows:,} results to {results}")
        with draining(lambda: terminal.say(_WRITING)):
            written, trouble = await _write(journal, results, report)
        if run.options.json:
            run.ndjson.write("Report", report.summary())
    if not run.options.quiet:
        terminal.show_rows(reports.told(report, run.tally, written), on_stderr=True)
    if trouble is not None:
        # Not the code of a file that could not be used: things were sent.
        raise CommandError(trouble, Exit.FAILED)
    if report.found_nothing_to_do:  # said to the quiet, too: they may believe it was done again
        terminal.say(
            f"this job had ended before: nothing was looked at, nothing was sent. To do it once"
            f" more, give it a new journal: --journal, or move {journal.target} away"
        )
    code = code_of_report(report)
    if code is Exit.PENDING:
        terminal.say(_to_go_on(run))
    return code


async def _write(
    journal: Journal, folder: Path, report: Report
) -> tuple[WrittenResults | None, str | None]:
    try:
        return await write_results(journal, folder, report), None
    except OSError as error:
        return None, error.strerror or str(error)


async def _recorded(run: Run, journal: Journal, *, dry_run: bool = False) -> Report:
    """Run it; what it ends with says what to type next."""
    try:
        return await _run(run, journal, dry_run=dry_run)
    except NotConfirmed as error:
        raise CommandError(f"{error} with --confirm-count {error.count}", Exit.REFUSED) from error
    except JobStopped as error:
        raise CommandError(f"{error}; {_to_go_on(run)}", Exit.PENDING) from error
    except JournalError as error:
        sent = run.tally.methods["POST"] + run.tally.methods["DELETE"]
        raise CommandError(str(error), Exit.PENDING if sent else Exit.USAGE) from error
    except asyncio.CancelledError:
        terminal.say(_to_go_on(run))
        raise


def _to_go_on(run: Run) -> str:
    same = " (with the same input)" if run.piped else ""
    return f"to go on{same}: {again.command()}"


def _client(run: Run, journal: Journal) -> Client:
    options = run.options
    return log_in(
        run.vendor,
        receiver=receiver(options.listen, options.public_url, journal.ticket_secret),
        observers=run.observers,
        throttle=_throttle(options),
    )


def _throttle(options: RunOptions) -> Throttle:
    if options.concurrency is None:
        return Throttle(max_rps=options.max_rps)
    return Throttle(maximum=options.concurrency, max_rps=options.max_rps)


async def _run(run: Run, journal: Journal, *, dry_run: bool) -> Report:
    async with _client(run, journal) as client:
        return await carry_out(run, client, journal, dry_run=dry_run)


async def carry_out(run: Run, client: Client, journal: Journal, *, dry_run: bool = False) -> Report:
    """Run the job with its progress on display; the first Ctrl-C drains it."""
    options = run.options
    # Lines that are drawn again and again would get among the events.
    quiet = options.quiet or (options.json and sys.stdout.isatty())
    with (
        progress(run.standing, lambda: client.concurrency_limit, quiet=quiet) as shown,
        draining(lambda: _drain(run, shown)),
    ):
        return await bulk.run(
            run.job,
            client,
            journal=journal,
            observers=[*run.observers, shown],
            window=options.window or WINDOW,
            timeout=options.timeout,
            deadline=options.deadline,
            max_failures=options.max_failures,
            limit=options.limit,
            confirm=confirmation(options.confirm_count, shown, piped=run.piped),
            dry_run=dry_run,
            retry_failed=run.retry_failed,
            stop=run.stop,
        )


def _drain(run: Run, shown: Shown) -> None:
    shown.say(_STOPPING)
    run.stop.set()

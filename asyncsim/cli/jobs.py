"""`asyncsim jobs`: list, report, resume and control jobs, in files and in shared journals."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from attrs import frozen
from cyclopts import App, Parameter

from asyncsim import JournalError
from asyncsim.bulk import Journal, SharedJobs, WrittenUndo, write_results, write_undo
from asyncsim.bulk.actions import describe
from asyncsim.bulk.journal.file import is_journal
from asyncsim.bulk.records import SUCCEEDED, UNFINISHED, JobRun
from asyncsim.bulk.report import Report, report_on
from asyncsim.bulk.results import WrittenResults
from asyncsim.cli.bulk import check_results, check_undo
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.job_rows import (
    IN_A_TABLE,
    ListedSharedJob,
    count_processes,
    cropped,
    list_job,
    notes_on,
    status_of,
)
from asyncsim.cli.journals import JobPlace, journal_option, shared_journal
from asyncsim.cli.listing import View
from asyncsim.cli.options import (
    DEFAULTS,
    ChunkRows,
    Dispatch,
    Output,
    RowOutput,
    RunOptions,
    SharedJournal,
    ShownColumns,
    check_listen,
)
from asyncsim.cli.output import (
    Format,
    RowFormat,
    data_stream,
    fail,
    print_one,
    printable,
    say,
    show_rows,
    until_reader_leaves,
)
from asyncsim.cli.reports import render_report, render_undo, report_exit_code
from asyncsim.cli.run import JobCommand, run_job
from asyncsim.cli.shared_jobs import cancel, migrate_, pause, purge, watch
from asyncsim.cli.signals import on_hangup
from asyncsim.cli.submit import hand_to_workers, submit

jobs = App(
    name="jobs",
    help="Jobs: list, status, report, resume; submit to workers, pause, cancel.",
    help_format="plaintext",
)
for _command in (submit, watch, pause, cancel, purge):
    jobs.command(_command)
jobs.command(migrate_, name="migrate")

JobArgument = Annotated[
    str, Parameter(name="JOB", help="Journal file, such as batch.db, or name of a shared job.")
]


@frozen(kw_only=True)
class ListedJob:
    """A job in the list of jobs."""

    journal: str
    job: str
    change: str
    product: str
    vendor: str
    account: str
    rows: int
    at_target: int
    failed: int
    """Failed, impossible or unknown."""
    unfinished: int
    run: str
    """The state of its last run: running, interrupted, stopped, finished."""
    started_at: datetime
    ended_at: datetime | None


_IN_A_TABLE = ("journal", "change", "rows", "at_target", "failed", "unfinished", "run")


@jobs.command(name="list")
async def list_(
    places: Annotated[
        list[Path] | None,
        Parameter(name="PLACE", help="Journals, or folders that hold some.", negative=""),
    ] = None,
    /,
    *,
    journal: SharedJournal = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> Exit:
    """List the jobs of a shared journal, or of files and folders; by default, in this folder.

    Example: asyncsim jobs list batches --columns journal,unfinished
    """
    if places and journal is not None:
        raise CommandError("--journal lists the jobs of a shared journal: omit the files")
    url = shared_journal(journal) if journal is not None else journal_option(None)
    if not places and url is not None:
        return await _list_shared(url, columns, output)
    view = View.of(ListedJob, output, columns, _IN_A_TABLE)
    printed = view.printer()
    code = Exit.OK
    for path in (path for place in places or [Path()] for path in _journals_at(place)):
        try:
            async with Journal.open(path, read_only=True) as opened:
                if (listed := await _listed(opened)) is not None:
                    printed.row(view.row(listed))
        except JournalError as error:  # the other journals are still listed
            fail(str(error))
            code = Exit.USAGE
    printed.close()
    return code


async def _list_shared(url: str, columns: str | None, output: RowFormat) -> Exit:
    view = View.of(ListedSharedJob, output, columns, IN_A_TABLE)
    async with SharedJobs(url) as opened:
        processes = await opened.processes()
        listed = [list_job(job, processes) for job in await opened.list()]
    printed = view.printer()
    for job in listed:
        row = view.row(job)
        if output == "table" and columns is None:
            row = {**row, "name": cropped(job.name)}
        printed.row(row)
    printed.close()
    for note in (*notes_on(listed), count_processes(processes)):
        say(printable(note))
    return Exit.OK


def _journals_at(place: Path) -> list[Path]:
    """Return a file as it is, and of a folder the files that are journals."""
    if not place.is_dir():
        return [place]
    return [path for path in sorted(place.glob("*.db")) if path.is_file() and is_journal(path)]


async def _listed(journal: Journal) -> ListedJob | None:
    """Return the job of a journal; None while its input is being read."""
    head, counts, runs = await journal.head(), await journal.counts(), await journal.runs()
    if head is None or not runs:
        return None
    last = runs[-1]
    at_target = sum(counts.get(state, 0) for state in SUCCEEDED)
    unfinished = sum(counts.get(state, 0) for state in UNFINISHED)
    rows = sum(counts.values())
    if last.ended_at is None:
        run = "running" if _is_alive(last) else "interrupted"
    elif unfinished:
        run = f"stopped: {last.reason}" if last.reason else "stopped"
    else:
        run = "finished"
    return ListedJob(
        journal=journal.target,
        job=f"{head.action} of {head.label}",
        change=describe(head.change),
        product=head.product,
        vendor=head.vendor,
        account=head.account,
        rows=rows,
        at_target=at_target,
        failed=rows - at_target - unfinished,
        unfinished=unfinished + await journal.count_retries(),
        run=run,
        started_at=last.started_at,
        ended_at=last.ended_at,
    )


@jobs.command
async def status(
    job: JobArgument, /, *, journal: SharedJournal = None, output: Output = "table"
) -> None:
    """Show the state of a job, also during a run.

    Example: asyncsim jobs status batch.db
    """
    place = JobPlace.of(job, journal)
    if place.name is not None:
        async with SharedJobs(place.target) as shared:
            found = status_of(await shared.fetch(place.name), await shared.processes())
        if output == "table":  # a person needs no empty fields
            found = {name: value for name, value in found.items() if value not in (None, {})}
        print_one(output, found)
        return
    async with place.open(read_only=True) as opened:
        print_one(output, await _status(opened))


async def _status(journal: Journal) -> dict[str, Any]:
    """The job, its rows by state, and whether it is running."""
    head, counts, runs = await journal.head(), await journal.counts(), await journal.runs()
    if head is None:
        return {"job": "none yet"}
    # Failed rows that a retry has not reached yet; the next run continues with them.
    retries = await journal.count_retries()
    unfinished = sum(count for state, count in counts.items() if state in UNFINISHED)
    return {
        "job": f"{head.action} of {head.label}",
        "product": head.product,
        "vendor": head.vendor,
        "account": head.account,
        "change": describe(head.change),
        "rows": sum(counts.values()),
        **{state.value: count for state, count in counts.items()},
        "unfinished": unfinished + retries,
        "runs": len(runs),
        "run": _describe_run(runs[-1]),
    }


def _describe_run(run: JobRun) -> str:
    began = f"{_utc(run.started_at)} as process {run.pid} on {run.host}"
    if run.ended_at is not None:
        return f"ended at {_utc(run.ended_at)}{f': {run.reason}' if run.reason else ''}"
    return f"running since {began}" if _is_alive(run) else f"interrupted; it started at {began}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _is_alive(run: JobRun) -> bool:
    """Tell whether the process of a run exists; assume so if it is on another machine."""
    if run.host != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@jobs.command
async def report(
    job: JobArgument,
    /,
    *,
    journal: SharedJournal = None,
    results: Annotated[
        Path | None,
        Parameter(help="Folder to write results.csv and others to.", show_default=False),
    ] = None,
    undo: Annotated[
        Path | None,
        Parameter(help="File for the statuses before the job.", show_default=False),
    ] = None,
    output: Output = "table",
) -> Exit:
    """Print the report of a job; as CSV, the result of each row.

    Example: asyncsim jobs report batch.db -o csv > results.csv
    """
    place = JobPlace.of(job, journal)
    async with place.open(read_only=True) as opened:
        if results is not None and opened.source is not None:
            check_results(opened.source, results)
        found = await report_on(opened)
        others = [one for one in (opened.source, *place.files) if one is not None]
        check_undo(undo, found.head.action, *others)
        with _failing_if_not_written():
            written = None if results is None else await write_results(opened, results, found)
            undone = None if undo is None else await write_undo(opened, undo)
        with until_reader_leaves():
            await _print_report(opened, found, output, written, undone)
        return report_exit_code(found)


@contextmanager
def _failing_if_not_written() -> Iterator[None]:
    """End with 1, not with the exit code of wrong usage, if a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise CommandError(error.strerror or str(error), Exit.FAILED) from error


async def _print_report(
    journal: Journal,
    report: Report,
    output: Format,
    written: WrittenResults | None,
    undo: WrittenUndo | None,
) -> None:
    if output == "json":
        print_one(output, report.summary())
        return
    if output == "table":
        rows = render_report(report, None, written)
        show_rows([*rows, *(render_undo(undo, report) if undo else ())])
        return
    with tempfile.TemporaryDirectory() as folder:
        with _failing_if_not_written():
            await write_results(journal, Path(folder), report)
        with (Path(folder) / "results.csv").open(encoding="utf-8", newline="") as results:
            shutil.copyfileobj(results, data_stream())


Here = Annotated[
    bool,
    Parameter(
        help="Run a shared job in this process, not in workers.", negative="", show_default=False
    ),
]


@jobs.command
async def resume(
    job: JobArgument,
    /,
    *,
    journal: SharedJournal = None,
    here: Here = False,
    dispatch: Dispatch = "procrastinate",
    chunk_rows: ChunkRows = 1000,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Resume a job without its file; workers resume a shared one.

    Example: asyncsim jobs resume batch.db
    """
    place = JobPlace.of(job, journal)
    if place.is_shared and not here:
        return await hand_to_workers(place, options, dispatch, chunk_rows)
    return await _resume(place, options)


@jobs.command
async def retry_failed(
    job: JobArgument,
    /,
    *,
    journal: SharedJournal = None,
    here: Here = False,
    dispatch: Dispatch = "procrastinate",
    chunk_rows: ChunkRows = 1000,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Retry failed rows, and resume the job.

    Example: asyncsim jobs retry-failed batch.db --limit 10
    """
    place = JobPlace.of(job, journal)
    if place.is_shared and not here:
        return await hand_to_workers(place, options, dispatch, chunk_rows, retry_failed=True)
    return await _resume(place, options, retry_failed=True)


def _check_exists(place: JobPlace) -> None:
    # Opening a file for writing would create an empty journal.
    if not (place.is_shared or Path(place.target).exists()):
        raise CommandError(f"there is no journal {place.target}")


async def _resume(place: JobPlace, options: RunOptions, *, retry_failed: bool = False) -> Exit:
    check_listen(options.listen, options.public_url)
    _check_exists(place)
    stop = asyncio.Event()
    with on_hangup(stop.set):
        async with place.open() as journal:
            head = await journal.head()
            if head is None:
                named = "" if journal.job_name is None else f" {journal.job_name!r}"
                raise CommandError(
                    f"{journal.target} contains no complete job{named}: run the original command"
                    " again"
                )
            results = options.results or place.results
            if journal.source is not None:
                check_results(journal.source, results)
            others = [one for one in (journal.source, *place.files) if one is not None]
            check_undo(options.undo, head.action, *others)
            run = JobCommand(
                job=None,
                vendor=head.vendor,
                options=options,
                stop=stop,
                retry_failed=retry_failed,
                place=place,
            )
            return await run_job(run, journal, results)

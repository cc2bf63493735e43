"""`asyncsim jobs`: look at the journal of a job, go on with it, try again what failed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from asyncsim.bulk import Journal, write_results
from asyncsim.bulk.report import Report, report_on
from asyncsim.cli import reports, terminal
from asyncsim.cli.exits import CommandError, Exit, code_of_report
from asyncsim.cli.files import check_results, results_of
from asyncsim.cli.joboptions import DEFAULTS, RunOptions
from asyncsim.cli.options import Output
from asyncsim.cli.output import Format, print_one
from asyncsim.cli.receiving import check_listen
from asyncsim.cli.run import Run, run_job
from asyncsim.cli.signals import outliving_terminal
from asyncsim.cli.statuses import status_of

jobs = App(name="jobs", help="Look at jobs, go on, try again what failed.", help_format="plaintext")

Place = Annotated[Path, Parameter(help="Journal of a job, as in batch.db.")]


@jobs.command
async def status(journal: Place, /, *, output: Output = "table") -> None:
    """Tell how far a job is, also while it runs.

    Example: asyncsim jobs status batch.db
    """
    async with Journal.open(journal, read_only=True) as kept:
        print_one(output, await status_of(kept))


@jobs.command
async def report(journal: Place, /, *, output: Output = "table") -> Exit:
    """Report on a job; as CSV, the result of each row.

    Example: asyncsim jobs report batch.db -o csv > results.csv
    """
    async with Journal.open(journal, read_only=True) as kept:
        return await _report(kept, output)


async def _report(kept: Journal, output: Format) -> Exit:
    found = await report_on(kept)
    with terminal.product():
        if output == "csv":
            await _print_results(kept, found)
        elif output == "json":
            print_one(output, found.summary())
        else:
            terminal.show_rows(reports.told(found))
    return code_of_report(found)


async def _print_results(kept: Journal, found: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            await write_results(kept, folder, found)
        except OSError as error:
            raise CommandError(error.strerror or str(error), Exit.FAILED) from error
        with (Path(folder) / "results.csv").open(encoding="utf-8", newline="") as results:
            shutil.copyfileobj(results, terminal.data())


@jobs.command
async def resume(journal: Place, /, *, options: RunOptions = DEFAULTS) -> Exit:
    """Go on with what is left, without the job's file.

    Example: asyncsim jobs resume batch.db
    """
    return await _go_on(journal, options)


@jobs.command
async def retry_failed(journal: Place, /, *, options: RunOptions = DEFAULTS) -> Exit:
    """Send again what failed, and go on with what is left.

    Example: asyncsim jobs retry-failed batch.db --limit 10
    """
    return await _go_on(journal, options, retry_failed=True)


async def _go_on(journal: Path, options: RunOptions, *, retry_failed: bool = False) -> Exit:
    check_listen(options.listen, options.public_url)
    _check_there(journal)
    stop = asyncio.Event()
    with outliving_terminal(stop.set):
        async with Journal.open(journal) as kept:
            head = await kept.head()
            if head is None:
                raise CommandError(f"{journal} holds no job yet: give its file once more")
            results = results_of(journal, options.results)
            if kept.source is not None:
                check_results(kept.source, results)
            run = Run(
                job=None,
                vendor=head.vendor,
                options=options,
                stop=stop,
                retry_failed=retry_failed,
            )
            return await run_job(run, kept, results)


def _check_there(journal: Path) -> None:
    # Opened for writing it would be made, and then hold no job.
    if not journal.exists():
        raise CommandError(f"there is no journal {journal}")

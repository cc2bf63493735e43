"""From a file that names SIMs to a job: where its journal lies, what is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from asyncsim.bulk import Job, Journal
from asyncsim.bulk.results import replaces
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.joboptions import RunOptions
from asyncsim.cli.receiving import check_listen
from asyncsim.cli.run import Run, look, run_job
from asyncsim.cli.signals import outliving_terminal

STDIN = "-"
_DESCRIPTOR = 0  # of standard input, which may be a file (`< failed.csv`)


@frozen(kw_only=True)
class Input:
    """What a command was given."""

    file: str
    product: str
    action: str = "update"
    change: Mapping[str, str | None] = field(factory=dict)
    columns: str | None = None

    def job(self) -> Job:
        """Make the job; ValueError says which change cannot be asked for."""
        columns = None
        if self.columns is not None:
            columns = [name.strip() for name in self.columns.split(",") if name.strip()]
        return Job.from_csv(
            self.file,
            product=self.product,
            change=self.change,
            columns=columns,
            action=self.action,
        )


async def run_file(
    given: Input, vendor: str | None, journal: Path | None, options: RunOptions, *, dry_run: bool
) -> Exit:
    """Run the job of a file, or only look at what it would do."""
    check_listen(options.listen, options.public_url)
    _check_file(given.file)
    job = given.job()
    run = Run(job=job, vendor=vendor, options=options, piped=given.file == STDIN)
    with outliving_terminal(run.stop.set):
        if dry_run:
            with tempfile.TemporaryDirectory() as folder:
                async with Journal.open(Path(folder) / "plan.db") as kept:
                    return await look(run, kept)
        place = journal_of(given.file, journal)
        check_results(given.file, results_of(place, options.results))
        async with Journal.open(place) as kept:
            return await run_job(run, kept, results_of(place, options.results))


def _check_file(file: str) -> None:
    """Refuse it before a journal is begun for it."""
    path = Path(file)
    if file != STDIN and not path.exists():
        raise CommandError(f"{file}: there is no such file")
    if path.is_dir():
        raise CommandError(f"{file} is a directory, not a file that names SIMs")


def check_results(file: str, folder: Path) -> None:
    """Refuse to write results over the input, before anything is sent."""
    piped = file == STDIN
    if replaces(folder, _DESCRIPTOR if piped else file):
        stem = "job" if piped else Path(file).stem
        raise CommandError(
            f"the results would replace {'standard input' if piped else file}, the job's own input:"
            f" give another folder for them (--results {stem}-results)"
        )


def journal_of(file: str, given: Path | None) -> Path:
    """Where the journal of a file lies."""
    if given is not None:
        return given
    if file == STDIN:
        raise CommandError(
            "standard input has no name from which a journal's could be made: give --journal JOB.db"
        )
    return Path(file).with_suffix(".db")


def results_of(journal: Path, given: Path | None) -> Path:
    """Which folder the results of a job go to."""
    return given or journal.with_name(f"{journal.stem}-results")

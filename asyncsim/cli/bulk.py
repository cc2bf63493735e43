"""`asyncsim activate` and `asyncsim bulk`: jobs over the SIMs in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from attrs import field, frozen
from cyclopts import App, Group, Parameter

from asyncsim.bulk import Job
from asyncsim.bulk.results import replaces
from asyncsim.cli.accounts import changes_of
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.journals import JobPlace, journal_option
from asyncsim.cli.options import (
    DEFAULTS,
    Clear,
    Columns,
    DryRun,
    Fleet,
    InputFile,
    JobName,
    JournalTarget,
    Product,
    RatePlan,
    RunOptions,
    Vendor,
    check_listen,
)
from asyncsim.cli.run import JobCommand, plan_job, run_job, scratch_journal
from asyncsim.cli.signals import on_hangup
from asyncsim.postgres.url import is_database

STDIN = "-"
_STDIN_DESCRIPTOR = 0  # standard input may be a file: `< failed.csv`


@frozen(kw_only=True)
class Input:
    """The arguments of a command that define a job."""

    file: str
    product: str
    action: str = "update"
    change: Mapping[str, str | None] = field(factory=dict)
    columns: str | None = None


async def run_file(
    given: Input,
    vendor: str | None,
    journal: str | None,
    options: RunOptions,
    *,
    dry_run: bool,
    name: str | None = None,
) -> Exit:
    """Run a file's job, or only plan it."""
    check_listen(options.listen, options.public_url)
    job, target = job_of(given), journal_option(journal)
    place = place_of(given.file, target, name) if target is not None or not dry_run else None
    run = JobCommand(
        job=job,
        vendor=vendor,
        options=options,
        piped=given.file == STDIN,
        place=place,
    )
    with on_hangup(run.stop.set):
        if dry_run or place is None:
            async with scratch_journal() as opened:
                return await plan_job(run, opened)
        results = options.results or place.results
        check_results(given.file, results)
        check_undo(options.undo, given.action, given.file, *place.files)
        async with place.open() as opened:
            return await run_job(run, opened, results)


def place_of(file: str, journal: str | None, name: str | None) -> JobPlace:
    """Choose the journal of a file's job, and its name in a shared one."""
    if journal is not None and is_database(journal):
        if name is None and file == STDIN:
            raise CommandError("standard input has no name: pass --name JOB")
        return JobPlace(journal, name or Path(file).name)
    if name is not None:
        raise CommandError("--name is for shared journals: pass --journal postgresql://...")
    if journal is None and file == STDIN:
        raise CommandError(
            "standard input has no name to derive the journal's from: pass --journal JOB.db"
        )
    return JobPlace(journal or str(Path(file).with_suffix(".db")), None)


def job_of(given: Input) -> Job:
    """Define the job of these arguments."""
    _check_file(given.file)
    columns = None
    if given.columns is not None:
        columns = [name.strip() for name in given.columns.split(",") if name.strip()]
    return Job.from_csv(
        given.file,
        product=given.product,
        change=given.change,
        columns=columns,
        action=given.action,
    )


def _check_file(file: str) -> None:
    """Reject a file before a journal is created for it."""
    path = Path(file)
    if file != STDIN and not path.exists():
        raise CommandError(f"{file}: there is no such file")
    if path.is_dir():
        raise CommandError(f"{file} is a directory, not a file of SIMs")


def check_results(file: str, folder: Path) -> None:
    """Reject results that would overwrite the input, before anything is sent."""
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"--results {folder} is a file: give a folder")
    piped = file == STDIN
    if replaces(folder, _STDIN_DESCRIPTOR if piped else file):
        stem = "job" if piped else Path(file).stem
        raise CommandError(
            f"the results would replace {'standard input' if piped else file}, the job's own input:"
            f" choose another folder for them (--results {stem}-results)"
        )


def check_undo(undo: Path | None, action: str, *others: str | Path) -> None:
    """Reject the undo file of a job that has none, or one that cannot be written."""
    if undo is not None and action != "update":
        raise CommandError("--undo is for jobs that change statuses")
    check_new_file("--undo", undo, *others)


def check_new_file(option: str, file: Path | None, *others: str | Path) -> None:
    """Reject a file that cannot be written, or would replace another one of the job's."""
    if file is None:
        return
    if file.is_dir() or not file.parent.is_dir():
        raise CommandError(f"{option} {file}: give a file in an existing folder")
    if file.exists() and any(Path(one).exists() and file.samefile(one) for one in others):
        raise CommandError(f"{option} {file} would replace a file of the job: choose another file")


async def activate(
    file: InputFile,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[str, Parameter(help="Target status.")] = "active",
    fleet: Fleet = None,
    rate_plan: RatePlan = None,
    clear: Clear = None,
    journal: JournalTarget = None,
    name: JobName = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Activate the SIMs in a file; run it again to resume.

    Example: asyncsim activate batch.csv --fleet my-fleet
    """
    change = changes_of(product, status=status, fleet=fleet, rate_plan=rate_plan, clear=clear)
    given = Input(file=file, product=product, change=change)
    return await run_file(given, vendor, journal, options, dry_run=dry_run, name=name)


bulk = App(name="bulk", help="Jobs over the SIMs in a file.", help_format="plaintext")

_CHANGE = Group("Change (default: the columns of the file)", sort_key=1)
_Text = Annotated[str | None, Parameter(group=_CHANGE, show_default=False)]


@bulk.command
async def change(
    file: InputFile,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[_Text, Parameter(help="Target status.")] = None,
    fleet: Annotated[_Text, Parameter(help="Fleet (Super SIM).")] = None,
    rate_plan: Annotated[_Text, Parameter(help="Rate plan (Wireless).")] = None,
    friendly_name: Annotated[_Text, Parameter(help="Description (Wireless).")] = None,
    account: Annotated[_Text, Parameter(help="SID of the account to move to.")] = None,
    clear: Annotated[Clear, Parameter(group=_CHANGE)] = None,
    columns: Annotated[Columns, Parameter(group=_CHANGE)] = None,
    journal: JournalTarget = None,
    name: JobName = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Update status, Fleet, rate plan, names or account of the SIMs in a file.

    Example: asyncsim bulk change moves.csv --columns fleet --status active
    """
    change = changes_of(
        product,
        status=status,
        fleet=fleet,
        rate_plan=rate_plan,
        friendly_name=friendly_name,
        account_sid=account,
        clear=clear,
    )
    given = Input(file=file, product=product, change=change, columns=columns)
    return await run_file(given, vendor, journal, options, dry_run=dry_run, name=name)


@bulk.command
async def register(
    file: InputFile,
    /,
    *,
    vendor: Vendor = None,
    registration_code: Annotated[_Text, Parameter(help="One code for all rows.")] = None,
    journal: JournalTarget = None,
    name: JobName = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Register Super SIMs, by iccid and registration_code.

    Example: asyncsim bulk register cards.csv
    """
    change = {} if registration_code is None else {"registration_code": registration_code}
    given = Input(file=file, product="supersim", action="register", change=change)
    return await run_file(given, vendor, journal, options, dry_run=dry_run, name=name)


@bulk.command
async def delete(
    file: InputFile,
    /,
    *,
    vendor: Vendor = None,
    journal: JournalTarget = None,
    name: JobName = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Delete the Wireless SIMs in a file; irreversible.

    Example: asyncsim bulk delete scrapped.csv --dry-run
    """
    given = Input(file=file, product="wireless", action="delete")
    return await run_file(given, vendor, journal, options, dry_run=dry_run, name=name)


@bulk.command
async def reset(
    file: InputFile,
    /,
    *,
    vendor: Vendor = None,
    journal: JournalTarget = None,
    name: JobName = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Reset the connectivity of the Wireless SIMs in a file.

    Example: asyncsim bulk reset silent.csv --max-rps 5
    """
    given = Input(file=file, product="wireless", change={"reset_status": "resetting"})
    return await run_file(given, vendor, journal, options, dry_run=dry_run, name=name)


@bulk.command
async def send(
    file: InputFile,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    payload: Annotated[_Text, Parameter(help="Text of the Command.")] = None,
    columns: Annotated[Columns, Parameter(group=_CHANGE)] = None,
    journal: JournalTarget = None,
    name: JobName = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Send an SMS Command to the SIMs in a file, at most once each.

    Example: asyncsim bulk send fleet.csv --payload "report"
    """
    keyword = "command" if product == "wireless" else "payload"
    change = {} if payload is None else {keyword: payload}
    given = Input(file=file, product=product, action="send", change=change, columns=columns)
    return await run_file(given, vendor, journal, options, dry_run=dry_run, name=name)

"""`asyncsim jobs submit`: hands a file's job to the workers of a shared journal."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Annotated, Literal

from attrs import evolve
from cyclopts import Group, Parameter

from asyncsim import Client, bulk
from asyncsim.bulk import JobState, SharedJobs, Submission
from asyncsim.bulk.journal.chunks import ChangedLimits
from asyncsim.cli.accounts import changes_of
from asyncsim.cli.bulk import STDIN, Input, job_of, place_of
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.job_rows import list_job, notes_on
from asyncsim.cli.journals import JobPlace, shared_journal
from asyncsim.cli.options import (
    DEFAULTS,
    ChunkRows,
    Clear,
    Columns,
    Dispatch,
    DryRun,
    InputFile,
    JobName,
    Product,
    RunOptions,
    SharedJournal,
    SubmitOptions,
    Vendor,
)
from asyncsim.cli.output import printable, say
from asyncsim.cli.reports import report_exit_code
from asyncsim.cli.run import JobCommand, logged_in, on_display, plan_job, scratch_journal
from asyncsim.cli.signals import on_hangup
from asyncsim.errors import JournalError

ActionName = Literal["update", "register", "delete", "reset", "send"]

_CHANGE = Group("Change (default: the columns of the file)", sort_key=1)
_Text = Annotated[str | None, Parameter(group=_CHANGE, show_default=False)]
_DEFAULTS = SubmitOptions()


async def submit(
    file: InputFile,
    /,
    *,
    journal: SharedJournal = None,
    name: JobName = None,
    product: Product = "supersim",
    vendor: Vendor = None,
    action: Annotated[
        ActionName,
        Parameter(
            group=_CHANGE,
            help="update (default), register, delete, reset or send.",
            show_default=False,
            show_choices=False,
        ),
    ] = "update",
    status: Annotated[_Text, Parameter(help="Target status.")] = None,
    fleet: Annotated[_Text, Parameter(help="Fleet (Super SIM).")] = None,
    rate_plan: Annotated[_Text, Parameter(help="Rate plan (Wireless).")] = None,
    friendly_name: Annotated[_Text, Parameter(help="Description (Wireless).")] = None,
    account: Annotated[_Text, Parameter(help="SID of the account to move to.")] = None,
    clear: Annotated[Clear, Parameter(group=_CHANGE)] = None,
    columns: Annotated[Columns, Parameter(group=_CHANGE)] = None,
    registration_code: Annotated[_Text, Parameter(help="One code for all rows.")] = None,
    payload: Annotated[_Text, Parameter(help="Text of the Command.")] = None,
    dispatch: Dispatch = "procrastinate",
    chunk_rows: ChunkRows = 1000,
    dry_run: DryRun = False,
    options: SubmitOptions = _DEFAULTS,
) -> Exit:
    """Plan a file's job in a shared journal, and hand it to the workers.

    Example: asyncsim jobs submit batch.csv --status active --journal postgresql://db/asyncsim
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
    given = _with_action(given, action, registration_code=registration_code, payload=payload)
    url = shared_journal(journal)
    run = JobCommand(
        job=job_of(given),
        vendor=vendor,
        options=RunOptions(**asdict(options)),
        piped=file == STDIN,
        place=place_of(file, url, name),
    )
    with on_hangup(run.stop.set):
        if dry_run:
            async with scratch_journal() as scratch:
                return await plan_job(run, scratch)
        return await _submit(run, dispatch, chunk_rows)


def _with_action(
    given: Input, action: ActionName, *, registration_code: str | None, payload: str | None
) -> Input:
    """Complete the arguments of an action; CommandError for those of another action."""
    others = {
        "register": ("--registration-code", registration_code),
        "send": ("--payload", payload),
    }
    for name, (option, value) in others.items():
        if value is not None and action != name:
            raise CommandError(f"{option} is for --action {name}")
    if action == "update":
        return given
    if given.change:
        option = next(iter(given.change)).replace("_", "-")
        raise CommandError(f"--{option} is for --action update, not for {action}")
    if action == "reset":
        return evolve(given, product="wireless", change={"reset_status": "resetting"})
    if action == "delete":
        return evolve(given, product="wireless", action=action)
    if action == "register":
        change = {} if registration_code is None else {"registration_code": registration_code}
        return evolve(given, product="supersim", action=action, change=change)
    keyword = "command" if given.product == "wireless" else "payload"
    return evolve(given, action=action, change={} if payload is None else {keyword: payload})


async def _submit(run: JobCommand, dispatch: str, chunk_rows: int) -> Exit:
    """Hand a job to the workers, and print how to follow it."""
    options, place = run.options, run.place
    assert place is not None  # noqa: S101  # `submit` and `hand_to_workers` give one

    async def work(client: Client) -> Submission:
        async with on_display(run, client, place.arguments) as (observers, confirm):
            return await bulk.submit(
                run.job,
                client,
                place.target,
                name=place.name,
                chunk_rows=chunk_rows,
                dispatch=dispatch,
                observers=observers,
                timeout=options.timeout,
                max_failures=options.max_failures,
                breaker=run.breaker,
                confirm=confirm,
                confirm_above=options.confirm_above,
                retry_failed=run.retry_failed,
                stop=run.stop,
            )

    with run.ndjson:
        submitted = await logged_in(run, work)
        if options.json:
            run.ndjson.write("Report", submitted.report.summary())
    if not options.quiet:
        await _tell(submitted, place)
    # Without a chunk it is finished, and no worker will report its failed rows.
    return Exit.OK if submitted.chunks else report_exit_code(submitted.report)


async def _tell(submitted: Submission, place: JobPlace) -> None:
    rows = submitted.report.rows
    if not submitted.chunks:
        say(printable(f"{submitted.name} is finished: none of its {rows:,} SIMs needs a request"))
        for shortfall in submitted.report.shortfalls:
            sample = f": {shortfall.sample}" if shortfall.sample else ""
            say(printable(f"{shortfall.rows:,} {shortfall.reason}{sample}"))
        if submitted.report.shortfalls:
            say(printable(f"for more: asyncsim jobs report {place.arguments}"))
        return
    chunks = "1 chunk" if submitted.chunks == 1 else f"{submitted.chunks:,} chunks"
    counted = f"{rows:,} SIMs, {chunks} to send"
    say(printable(f"submitted {submitted.name}: {counted}"))
    try:
        async with SharedJobs(place.target) as shared:
            listed = list_job(await shared.fetch(submitted.name), await shared.processes())
    except JournalError as error:  # no reason to fail: the job was submitted
        say(printable(f"its workers could not be listed: {error.message}"))
    else:
        for note in notes_on([listed]):
            say(printable(note))
    say(printable(f"to follow it: asyncsim jobs watch {place.arguments}"))


async def hand_to_workers(
    place: JobPlace,
    options: RunOptions,
    dispatch: str,
    chunk_rows: int,
    *,
    retry_failed: bool = False,
) -> Exit:
    """Let the workers continue a paused job as it is, and an ended one with a new plan."""
    assert place.name is not None  # noqa: S101  # it is shared
    known = {field.name for field in fields(SubmitOptions)}
    for field in fields(RunOptions):
        name = field.name
        if name not in known and getattr(options, name) != getattr(DEFAULTS, name):
            option = name.replace("_", "-")
            raise CommandError(f"--{option} applies to a run in this process only: add --here")
    async with SharedJobs(place.target) as shared:
        job = await shared.fetch(place.name)
        if not retry_failed and job.state in (JobState.PAUSED, JobState.RUNNING):
            changed = _changed_limits(options)
            before = await shared.unpause(place.name, dispatch=dispatch, **changed)
            done = "is running again" if before is JobState.PAUSED else "is running"
            say(printable(f"{place.name} {done}"))
            return Exit.OK
        if retry_failed and job.state is JobState.RUNNING:
            raise CommandError(
                f"{place.name} is running: wait until it has finished, or run `asyncsim jobs pause"
                f" {place.arguments}` first; then retry"
            )
        if retry_failed and job.state is JobState.PAUSED:
            # Failed rows are in chunks that are done: only a new plan puts them into new chunks.
            await shared.cancel(place.name)
    run = JobCommand(
        job=None,
        vendor=job.head.vendor,
        options=options,
        retry_failed=retry_failed,
        place=place,
    )
    with on_hangup(run.stop.set):
        return await _submit(run, dispatch, chunk_rows)


def _changed_limits(options: RunOptions) -> ChangedLimits:
    """Return the limits to resume a paused job with: those that are not the defaults."""
    changed: ChangedLimits = {}
    if options.timeout is not None:
        changed["timeout"] = options.timeout
    if options.max_failures is not None:
        changed["max_failures"] = options.max_failures
    if options.breaker != DEFAULTS.breaker:
        changed["breaker"] = None if options.breaker == "off" else options.breaker
    return changed

"""`asyncsim jobs` for shared journals: watch, pause, cancel, purge, migrate."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cyclopts import Parameter
from cyclopts.validators import Number

from asyncsim.bulk import JobState, Journal, Report, SharedJobs
from asyncsim.bulk.errors import JournalFailed
from asyncsim.bulk.migrate import migrate
from asyncsim.bulk.report import report_on
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.job_watch import JobsDisplay, JobsLines, JobsScreen, Seen
from asyncsim.cli.journals import JobPlace, shared_journal
from asyncsim.cli.options import SharedJournal
from asyncsim.cli.output import printable, say
from asyncsim.cli.reports import report_exit_code
from asyncsim.cli.signals import ended_by_interrupt
from asyncsim.postgres.url import PostgresUrl, is_database

SharedJobName = Annotated[str, Parameter(name="NAME", help="Name of a job.")]
T = TypeVar("T")
_DAY = 86_400.0
_OPENING = 60.0  # seconds for a server that cannot be reached, as for each read


async def watch(
    name: Annotated[
        str | None, Parameter(name="NAME", help="Name of a job; default: all jobs.")
    ] = None,
    /,
    *,
    journal: SharedJournal = None,
    interval: Annotated[
        float, Parameter(help="Seconds between two reads.", validator=Number(gt=0))
    ] = 2.0,
    output: Annotated[
        Literal["table", "ndjson"],
        Parameter(name=["--output", "-o"], help="Format of the data on stdout."),
    ] = "table",
) -> Exit:
    """Show the live progress of jobs and workers; with NAME, until that job has ended.

    Example: asyncsim jobs watch batch.csv
    """
    url = shared_journal(journal)
    drawn = output == "table" and sys.stdout.isatty()
    shown: JobsDisplay = JobsScreen(interval) if drawn else JobsLines(as_json=output == "ndjson")
    async with AsyncExitStack() as stack:
        opening = partial(stack.enter_async_context, SharedJobs(url))
        shared = await _despite_outages(opening, interval, at_most=_OPENING)
        seen: Seen | None = None
        is_first = True
        with ended_by_interrupt(), shown:
            while seen is None or not _has_ended(name, seen):
                if seen is not None:
                    await asyncio.sleep(interval)
                try:
                    seen = await Seen.of(shared, name, seen)
                except JournalFailed as error:
                    if seen is None:  # a wrong URL; later it is probably an outage
                        raise
                    say(printable(f"read failed: {error.message}"))
                    continue
                shown.show(seen)
                if is_first and not seen.jobs:
                    say("no jobs yet; press Ctrl-C to stop")
                is_first = False
    if name is None:
        return Exit.OK
    if seen is None or not _has_ended(name, seen):
        return Exit.CANCELLED  # a script that waits for the job must not go on

    async def report() -> Report:
        async with Journal.open(url, job=name, read_only=True) as opened:
            return await report_on(opened)

    return report_exit_code(await _despite_outages(report, interval))


async def _despite_outages(
    read: Callable[[], Awaitable[T]], interval: float, *, at_most: float = math.inf
) -> T:
    """Read; while the server cannot be reached, say so once, and try again."""
    from asyncsim.postgres.remedies import is_transient  # loads psycopg

    began, said = time.monotonic(), ""
    while True:
        try:
            return await read()
        except JournalFailed as error:
            cause = error.__cause__
            is_outage = cause is not None and is_transient(cause)
            if not is_outage or time.monotonic() - began >= at_most:
                raise
            if error.message != said:  # at once: it may also be a wrong host
                say(printable(f"read failed: {error.message}"))
            said = error.message
        await asyncio.sleep(interval)


def _has_ended(name: str | None, seen: Seen) -> bool:
    return name is not None and seen.jobs[0].state in (JobState.FINISHED, JobState.CANCELLED)


async def pause(name: SharedJobName, /, *, journal: SharedJournal = None) -> None:
    """Pause a job: requests in flight finish, nothing new is sent.

    Example: asyncsim jobs pause batch.csv
    """
    place = JobPlace(shared_journal(journal), name)
    async with SharedJobs(place.target) as shared:
        before = await shared.pause(name)
    done = "was already paused" if before is JobState.PAUSED else "is paused"
    say(printable(f"{name} {done}; to continue: asyncsim jobs resume {place.arguments}"))


async def cancel(name: SharedJobName, /, *, journal: SharedJournal = None) -> None:
    """Cancel a job: requests in flight finish, nothing new is sent.

    Example: asyncsim jobs cancel batch.csv
    """
    place = JobPlace(shared_journal(journal), name)
    async with SharedJobs(place.target) as shared:
        before = await shared.cancel(name)
        left = (await shared.fetch(name)).unfinished
    done = "was already cancelled" if before is JobState.CANCELLED else "is cancelled"
    text = f"{name} {done}; {left:,} of its SIMs are unfinished"
    if left:
        text += f"; to plan these again: asyncsim jobs resume {place.arguments}"
    say(printable(text))


async def purge(
    names: Annotated[
        list[str] | None, Parameter(name="NAME", help="Names of jobs.", negative="")
    ] = None,
    /,
    *,
    journal: SharedJournal = None,
    older_than: Annotated[
        float | None,
        Parameter(
            help="Also jobs that ended at least this many days ago.",
            show_default=False,
            validator=Number(gte=0),
        ),
    ] = None,
) -> None:
    """Delete jobs with all of their rows, unless workers have them.

    Example: asyncsim jobs purge --older-than 30
    """
    if not names and older_than is None:
        raise CommandError("no jobs given: name them, or pass --older-than DAYS")
    async with SharedJobs(shared_journal(journal)) as shared:
        chosen = list(names or ())
        for name in chosen:  # all of them, before anything is deleted
            state = (await shared.fetch(name)).state
            if state in (JobState.RUNNING, JobState.PAUSED):
                raise CommandError(f"job {name!r} is {state}: cancel it first")
        if older_than is not None:
            chosen += await shared.ended_before(older_than * _DAY)
        for name in dict.fromkeys(chosen):
            count = await shared.purge(name)
            say(printable(f"{name}: {count:,} rows deleted"))
        if not chosen:
            say("no job ended that long ago")


async def migrate_(
    file: Annotated[Path | None, Parameter(help="Journal of a job, such as batch.db.")] = None,
    /,
    *,
    journal: SharedJournal = None,
) -> None:
    """Create the tables of a shared journal, or upgrade those of an older version.

    Example: asyncsim jobs migrate --journal postgresql://db.example.com/asyncsim
    """
    if file is not None and journal is not None:
        raise CommandError("pass a file, or --journal with a URL, not both")
    if file is not None and is_database(str(file)):
        raise CommandError("pass the URL as --journal")
    if file is not None and not file.exists():
        raise CommandError(f"there is no journal {file}")
    target = str(file) if file is not None else shared_journal(journal)
    before, now = await migrate(target)
    shown = target if file is not None else PostgresUrl.parse(target).shown
    if before == now:
        say(f"{shown} is up to date: format {now}")
    elif before:
        say(f"upgraded {shown} from format {before} to {now}")
    else:
        say(f"created the tables of {shown}: format {now}")

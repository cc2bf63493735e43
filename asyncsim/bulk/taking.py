"""Taking a job's input into its journal, whole, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal, Repeated
from asyncsim.bulk.plan import line_numbers
from asyncsim.errors import JobError, JournalError
from asyncsim.events import JobProgressed, Observer, tell


async def take_in(job: Job, journal: Journal, observers: Sequence[Observer]) -> None:
    """Read a job's input into the journal; JobError has all that is wrong with it, at once."""
    reading = job.read()
    async for batch in reading.batches():
        await journal.add(batch)
        tell(observers, JobProgressed(phase="reading", done=reading.rows, total=None))
    problems = [*reading.problems, *_repetitions(await journal.repeated())]
    if problems:
        await journal.discard()
        raise JobError(f"{job.label} cannot be used as it is; nothing was sent", problems)
    await journal.seal(
        header=reading.header,
        applied=reading.applied,
        digest=reading.digest,
        notes=reading.notes,
    )


async def check_same(job: Job, journal: Journal, observers: Sequence[Observer]) -> None:
    """Make sure that the input is the one which the journal began with."""
    reading = job.read()
    async for _ in reading.batches():
        tell(observers, JobProgressed(phase="reading", done=reading.rows, total=None))
    if reading.digest != journal.digest:
        raise JournalError(
            f"journal {journal.target} was begun with another input: {job.label} has changed"
            " since. Give what it is now a journal of its own, or bring back what it was"
        )


async def refuse_twins(label: str, journal: Journal) -> None:
    """Refuse rows that turned out to mean the same SIM by different names."""
    twins = list(_repetitions(await journal.twins()))
    if twins:
        raise JobError(f"{label} has different names of the same SIM; leave one of each", twins)


def _repetitions(repeated: Iterable[Repeated]) -> Iterable[str]:
    for one in repeated:
        what = "is to become different things" if one.conflicting else "is named more than once"
        yield f"{one.name} {what}: {line_numbers(one.lines, one.times)}"

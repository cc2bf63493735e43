"""The jobs of a shared journal: their counts, their states, and their chunks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import Factory, asdict, field, fields, frozen
from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.chunks import ChangedLimits, WorkerLimits, count_failures
from asyncsim.bulk.journal.processes import KnownProcess
from asyncsim.bulk.journal.schema import chunks, jobs, rows
from asyncsim.bulk.records import (
    IN_DOUBT,
    SENT,
    SUCCEEDED,
    UNFINISHED,
    WHOLE_JOB,
    ChunkRef,
    Head,
    JobState,
    State,
    account_key,
)
from asyncsim.errors import JournalError
from asyncsim.suggestions import did_you_mean

_TO_SEND = (State.READY, *sorted(IN_DOUBT))


ENDED = (JobState.FINISHED, JobState.CANCELLED, JobState.PURGING)


@frozen(kw_only=True)
class SharedJob:
    """A job of a shared journal, with its counts."""

    id: int
    name: str
    state: JobState = field(converter=JobState)
    reason: str | None
    """Why it is paused, or was cancelled."""
    head: Head
    created_at: datetime
    ended_at: datetime | None
    """When it was finished or cancelled."""
    states: Mapping[State, int] = Factory(dict)
    """Rows by state."""
    retries: int = 0
    """Failed rows that are to be retried."""
    chunks: Mapping[str, int] = Factory(dict)
    """Chunks by state: `queued`, `running`, `done`. Those of dead workers count as queued."""
    owners: Mapping[str, int] = Factory(dict)
    """Processes that work on it now, with the number of their chunks."""

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.states.values())

    @property
    def succeeded(self) -> int:
        """Rows whose SIMs are at their target."""
        return sum(self.states.get(state, 0) for state in SUCCEEDED)

    @property
    def unfinished(self) -> int:
        """Rows that are still to be sent, or whose outcome is open."""
        return sum(self.states.get(state, 0) for state in UNFINISHED) + self.retries

    @property
    def failed(self) -> int:
        """Rows that failed, are impossible, or whose outcome is unknown."""
        return self.rows - self.succeeded - self.unfinished

    def waiting_for(self, processes: Collection[KnownProcess]) -> str | None:
        """Say why no worker will claim its queued chunks, or verify it; None if one will."""
        # Without an owner and with all chunks done, it is still to be verified.
        if self.state is not JobState.RUNNING or (self.owners and not self.chunks.get("queued")):
            return None
        workers = [one for one in processes if one.kind == "worker" and one.is_alive]
        if not workers:
            return "a worker: none is running"
        head = self.head
        key = account_key(head.vendor, head.product, head.account)
        if any(key in worker.accounts for worker in workers):
            return None
        return f"a worker with credentials of {head.vendor}, account {head.account}"


# Reading.


async def check_input_is_alone(
    connection: AsyncConnection, job: int, dead: ColumnElement[datetime]
) -> list[str]:
    """JournalError if another job sends the same changes; returns such jobs that have ended.

    Of two processes that read the same input at the same time, at least one finds the other.
    """
    this, other = jobs.alias("this"), jobs.alias("other")
    alike = ("vendor", "product", "account", "action", "digest")
    same = and_(other.c.id != this.c.id, *(other.c[one] == this.c[one] for one in alike))
    owned = exists().where(
        *(chunks.c.job == other.c.id, chunks.c.number == WHOLE_JOB),
        *(chunks.c.owner.is_not(None), chunks.c.heartbeat_at >= dead),
    )
    # By a run in one process that has ended: the next run of that job continues.
    begun = exists().where(rows.c.job == other.c.id, rows.c.state.in_(sorted(SENT)))
    found = (
        select(other.c.name, other.c.state, owned, begun, this.c.change, other.c.change)
        .join_from(this, other, same)
        .where(this.c.id == job)
        .order_by(other.c.id)
    )
    ended = []
    for name, state, is_owned, has_begun, change, others in await connection.execute(found):
        if change != others:
            continue
        if state in ENDED:
            ended.append(name)
        elif is_owned or has_begun or state in (JobState.RUNNING, JobState.PAUSED):
            lives = is_owned or state == JobState.RUNNING
            remedy = "follow that job (`jobs watch`)" if lives else "`jobs resume` continues it"
            raise JournalError(
                f"job {name!r} has the same input and is {state}: this job would send its changes a"
                f" second time, so nothing was sent now; {remedy}"
            )
    return ended


async def list_jobs(
    connection: AsyncConnection, dead: ColumnElement[datetime], name: str | None = None
) -> list[SharedJob]:
    """Return all jobs, or the one of that name, the oldest one first.

    `dead`: the last heartbeat of an owner that does not count any more.
    """
    head = [field.name for field in fields(Head)]
    others = ("id", "name", "state", "reason", "created_at", "ended_at")
    chosen = true() if name is None else jobs.c.name == name
    found = select(*(jobs.c[one] for one in (*others, *head))).where(chosen).order_by(jobs.c.id)
    listed = (await connection.execute(found)).mappings().all()
    # Of a single job, only its own rows and chunks are read.
    job = None if name is None else [row["id"] for row in listed]
    states, retries = await _count_rows(connection, job)
    by_state, owners = await _count_chunks(connection, dead, job)
    return [
        SharedJob(
            **{one: row[one] for one in others},
            head=Head(**{one: row[one] for one in head}),
            states=states[row["id"]],
            retries=retries[row["id"]],
            chunks=by_state[row["id"]],
            owners=owners[row["id"]],
        )
        for row in listed
    ]


def check_name(name: object) -> None:
    """TypeError unless the name of a job is text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a job must be text, not {type(name).__name__}")


async def find_job(
    connection: AsyncConnection, name: str, target: str, *, lock: bool = False
) -> tuple[int, JobState]:
    """Return the id and state of a job; JournalError if there is none of that name."""
    check_name(name)
    wanted = select(jobs.c.id, jobs.c.state).where(jobs.c.name == name)
    if lock:
        wanted = wanted.with_for_update()
    found = (await connection.execute(wanted)).first()
    if found is None:
        raise await _unknown(connection, name, target)
    return found.id, JobState(found.state)


async def _unknown(connection: AsyncConnection, name: str, target: str) -> JournalError:
    known = (await connection.execute(select(jobs.c.name).order_by(jobs.c.id))).scalars().all()
    hint = did_you_mean(name, known, "`asyncsim jobs list` shows all" if known else "it is empty")
    return JournalError(f"journal {target} has no job {name!r}: {hint}")


async def _count_rows(
    connection: AsyncConnection, ids: Sequence[int] | None
) -> tuple[Mapping[int, Mapping[State, int]], Mapping[int, int]]:
    """Count the rows of jobs by state, and their failed rows that are to be retried."""
    counted = select(rows.c.job, rows.c.state, rows.c.retry, func.count().label("number_of_rows"))
    # One pass over the table: an index on a column that changes with every step would cost each of
    # a million updates more than this costs a list now and then.
    chosen = true() if ids is None else rows.c.job.in_(ids)
    groups = counted.where(chosen).group_by(rows.c.job, rows.c.state, rows.c.retry)
    states: defaultdict[int, Counter[State]] = defaultdict(Counter)
    retries: Counter[int] = Counter()
    for job, state, retry, count in await connection.execute(groups):
        states[job][state] += count
        retries[job] += count if retry else 0
    return states, retries


async def _count_chunks(
    connection: AsyncConnection, dead: ColumnElement[datetime], ids: Sequence[int] | None
) -> tuple[Mapping[int, Mapping[str, int]], Mapping[int, Mapping[str, int]]]:
    """Count the chunks of jobs by state, and those of each living owner.

    Chunks of dead owners count as queued: the next worker claims them.
    """
    alive = and_(chunks.c.owner.is_not(None), chunks.c.heartbeat_at >= dead)
    each = (
        select(
            chunks.c.job,
            (chunks.c.number == WHOLE_JOB).label("is_whole"),
            chunks.c.state,
            chunks.c.owner,
            func.coalesce(alive, false()).label("is_alive"),
        )
        .where(true() if ids is None else chunks.c.job.in_(ids))
        .subquery()
    )
    # Grouped outside, because PostgreSQL does not see that two expressions with parameters are one.
    groups = select(*each.c, func.count().label("number_of_chunks")).group_by(*each.c)
    states: defaultdict[int, Counter[str]] = defaultdict(Counter)
    owners: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for one in (await connection.execute(groups)).mappings():
        if not one["is_whole"]:
            orphaned = one["state"] == "running" and not one["is_alive"]
            state = "queued" if orphaned else one["state"]
            states[one["job"]][state] += one["number_of_chunks"]
        if one["is_alive"]:
            owners[one["job"]][one["owner"]] += one["number_of_chunks"]
    return states, owners


async def ended_since(
    connection: AsyncConnection, since: ColumnElement[datetime]
) -> Mapping[str, int]:
    """Count the rows that each owner has brought to an end since then, in its latest chunks."""
    # Few chunks have a recent heartbeat, so only their rows are read.
    recent = and_(chunks.c.number != WHOLE_JOB, chunks.c.heartbeat_at >= since)
    theirs = and_(
        rows.c.job == chunks.c.job,
        rows.c.number.between(chunks.c.first_row, chunks.c.last_row),
        rows.c.ended_at >= since,
    )
    counted = select(chunks.c.owner, func.count()).join_from(chunks, rows, theirs)
    found = await connection.execute(
        counted.where(recent, chunks.c.owner.is_not(None)).group_by(chunks.c.owner)
    )
    return {owner: count for owner, count in found}  # noqa: C416  # rows are no pairs for mypy


# States.


async def set_state(
    connection: AsyncConnection,
    job: int,
    state: JobState,
    now: ColumnElement[datetime],
    *,
    reason: str | None = None,
) -> None:
    """Change the state of a job, whose row the same transaction has locked to read it."""
    # Locked, because another process may finish or cancel it between the two.
    ended = now if state in ENDED else null()
    this = update(jobs).where(jobs.c.id == job)
    await connection.execute(this.values(state=state.value, reason=reason, ended_at=ended))


async def pause(
    connection: AsyncConnection, name: str, now: ColumnElement[datetime], target: str
) -> JobState:
    """Pause a running job; returns its state before."""
    job, state = await find_job(connection, name, target, lock=True)
    if state not in (JobState.RUNNING, JobState.PAUSED):
        raise JournalError(
            f"job {name!r} is {state}: only a job that workers run can be paused; `jobs cancel`"
            " stops a run in one process"
        )
    if state is JobState.RUNNING:
        await set_state(connection, job, JobState.PAUSED, now, reason="paused by hand")
    return state


async def unpause(
    connection: AsyncConnection,
    name: str,
    changed: ChangedLimits,
    now: ColumnElement[datetime],
    target: str,
) -> tuple[int, JobState]:
    """Let workers continue a paused job, with other limits; returns its id and its state before."""
    job, state = await find_job(connection, name, target, lock=True)
    values: dict[str, Any] = {**changed}
    if state is JobState.PAUSED:
        # Earlier failures no longer count: the person who resumes the job knows of them.
        values["failed_before"] = await count_failures(connection, job)
        await set_state(connection, job, JobState.RUNNING, now)
    if values:
        await connection.execute(update(jobs).where(jobs.c.id == job).values(**values))
    return job, state


async def cancel(
    connection: AsyncConnection,
    name: str,
    now: ColumnElement[datetime],
    dead: ColumnElement[datetime],
    target: str,
) -> JobState:
    """Take a job from its workers, or stop the process that runs it; returns its state before."""
    job, state = await find_job(connection, name, target, lock=True)
    stops = await claims.ask_to_stop(connection, job, "cancelled by hand", dead)
    if state in (JobState.FINISHED, JobState.PURGING) and not stops:
        raise JournalError(f"job {name!r} is {state} and cannot be cancelled")
    if state is not JobState.CANCELLED:
        await set_state(connection, job, JobState.CANCELLED, now, reason="cancelled by hand")
    return state


async def finish_if_complete(
    connection: AsyncConnection, job: int, now: ColumnElement[datetime]
) -> None:
    """Record that a job of one process is finished, if no row is left to be sent."""
    left = select(rows.c.number).where(
        rows.c.job == job, or_(rows.c.state.in_(UNFINISHED), rows.c.retry)
    )
    own = jobs.c.state.in_([JobState.PLANNED.value, JobState.CANCELLED.value])
    this = update(jobs).where(jobs.c.id == job, own, not_(exists(left)))
    await connection.execute(
        this.values(state=JobState.FINISHED.value, reason=null(), ended_at=now)
    )


async def reopen(connection: AsyncConnection, job: int) -> None:
    """Let the process that owns an ended job plan it again."""
    # Otherwise it would look finished while it is planned, and if that is interrupted.
    ended = jobs.c.state.in_([JobState.FINISHED.value, JobState.CANCELLED.value])
    this = update(jobs).where(jobs.c.id == job, ended)
    await connection.execute(
        this.values(state=JobState.PLANNED.value, reason=null(), ended_at=null())
    )


# Chunks.


async def hand_over(
    connection: AsyncConnection,
    job: int,
    chunk_rows: int,
    limits: WorkerLimits,
    now: ColumnElement[datetime],
    dead: ColumnElement[datetime],
) -> list[ChunkRef]:
    """Give the rows of a planned job that need work to the workers; returns the new chunks.

    A job without such rows is finished. JournalError if it was cancelled while it was planned.
    """
    held = select(jobs.c.name, jobs.c.state).where(jobs.c.id == job).with_for_update()
    name, state = (await connection.execute(held)).one()
    if state != JobState.PLANNED:
        raise JournalError(f"job {name!r} is now {state}: it was not handed to the workers")
    await check_no_workers(connection, job, dead)
    last = select(func.coalesce(func.max(chunks.c.number), 0)).where(chunks.c.job == job)
    base: int = (await connection.execute(last)).scalar_one()  # of earlier submissions
    # Their numbers are not reused: a former owner of one of them finds no row, and writes nothing.
    old = and_(chunks.c.job == job, chunks.c.number != WHOLE_JOB)
    await connection.execute(delete(chunks).where(old))
    # Chunks have equal numbers of rows to send: a file that is nine tenths done needs a tenth of
    # the chunks.
    place = func.row_number().over(order_by=rows.c.number) - 1
    to_send = or_(rows.c.state.in_(_TO_SEND), rows.c.retry)
    each = (
        select(rows.c.number, (place // literal(chunk_rows, Integer)).label("place"))
        .where(rows.c.job == job, to_send)
        .subquery()
    )
    ranges = select(
        literal(job, Integer),
        literal(base + 1, Integer) + each.c.place,
        func.min(each.c.number),
        func.max(each.c.number),
        literal("queued"),
        literal(0, Integer),
    ).group_by(each.c.place)
    columns = ["job", "number", "first_row", "last_row", "state", "epoch"]
    await connection.execute(insert(chunks).from_select(columns, ranges))
    made = await queued_chunks(connection, job)
    obeyed = asdict(limits) | {"failed_before": await count_failures(connection, job)}
    await connection.execute(update(jobs).where(jobs.c.id == job).values(**obeyed))
    await set_state(connection, job, JobState.RUNNING if made else JobState.FINISHED, now)
    return made


async def check_no_workers(
    connection: AsyncConnection, job: int, dead: ColumnElement[datetime]
) -> None:
    """JournalError while workers still own chunks of a job: requests in flight finish."""
    working = select(func.count()).where(
        chunks.c.job == job, chunks.c.number != WHOLE_JOB, chunks.c.heartbeat_at >= dead
    )
    if count := (await connection.execute(working)).scalar_one():
        raise JournalError(
            f"workers still finish requests of this job (chunks: {count:,}): try again in a minute"
        )


async def queued_chunks(connection: AsyncConnection, job: int) -> list[ChunkRef]:
    """Return the queued chunks of a job."""
    return await _refs(connection, job, chunks.c.state == "queued")


async def _refs(
    connection: AsyncConnection, job: int, condition: ColumnElement[bool]
) -> list[ChunkRef]:
    of = select(chunks.c.number, jobs.c.vendor, jobs.c.product, jobs.c.account).join_from(
        chunks, jobs, chunks.c.job == jobs.c.id
    )
    found = of.where(chunks.c.job == job, condition).order_by(chunks.c.number)
    return [
        ChunkRef(job, number, account_key(vendor, product, account))
        for number, vendor, product, account in await connection.execute(found)
    ]

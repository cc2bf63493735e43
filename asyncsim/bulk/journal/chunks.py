"""Chunks of submitted jobs: claimed, kept by heartbeats, handed back, finished.

`now` and `dead` are times by the database's clock: owners with a heartbeat before `dead` count as
dead.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, TypedDict

from attrs import frozen
from sqlalchemy import ColumnElement, and_, exists, func, not_, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.schema import chunks, jobs, rows
from asyncsim.bulk.records import FAILURES, WHOLE_JOB, ChunkClaim, ChunkRef, JobState, account_key

_RUNNING = "running"


@frozen(kw_only=True)
class WorkerLimits:
    """Limits for the workers of a job."""

    timeout: float | None = None
    """Seconds to wait for each SIM; None: the default."""
    max_failures: int | None = None
    breaker: int | None = None


class ChangedLimits(TypedDict, total=False):
    """New limits of a job; absent ones stay unchanged."""

    timeout: float | None
    max_failures: int | None
    breaker: int | None


@frozen(kw_only=True)
class TakenChunk:
    """A claimed chunk, with the limits of its job."""

    claim: ChunkClaim
    job_name: str
    account: str
    """As `account_key` spells it."""
    limits: WorkerLimits
    failed_before: int
    """Rows that had failed when the job was handed to the workers, or resumed."""

    @property
    def ref(self) -> ChunkRef:
        """Its place in the queue."""
        return ChunkRef(self.claim.job_id, self.claim.number, self.account)


@frozen
class Beat:
    """A chunk that still belongs to its owner, and the state of its job."""

    job_id: int
    number: int
    epoch: int
    job_state: str
    job_reason: str | None


# Claiming.


async def claim(
    connection: AsyncConnection,
    owner: str,
    now: ColumnElement[datetime],
    dead: ColumnElement[datetime],
    accounts: Collection[str],
    ref: ChunkRef | None = None,
) -> TakenChunk | None:
    """Claim this chunk, or the next one of these accounts; None if there is none to claim.

    A chunk can be claimed if its job is running, and it is queued or its owner is dead. The whole
    job comes after all of its chunks.
    """
    conditions = [jobs.c.state == JobState.RUNNING.value, _is_free(dead), _is_its_turn]
    if ref is not None:
        conditions += [chunks.c.job == ref.job_id, chunks.c.number == ref.number]
    # Running jobs are few, and their accounts are texts of several columns: compared here.
    known = await _jobs_of(connection, accounts)
    if not known:
        return None
    found = (
        select(
            chunks.c.job, chunks.c.number, chunks.c.epoch,
            jobs.c.name, jobs.c.timeout, jobs.c.max_failures, jobs.c.breaker, jobs.c.failed_before,
        )
        .join(jobs, jobs.c.id == chunks.c.job)
        .where(*conditions, chunks.c.job.in_(list(known)))
        # The first chunks of all jobs before the second ones: a long job holds up no short one.
        .order_by(chunks.c.number, chunks.c.job)
        .limit(1)
        # Others look at the same moment: each one gets a chunk that no other is about to claim.
        .with_for_update(of=chunks, skip_locked=True)
    )  # fmt: skip
    chunk = (await connection.execute(found)).mappings().first()
    if chunk is None:
        return None
    claimed = ChunkClaim(chunk["job"], chunk["number"], owner, chunk["epoch"] + 1)
    # Read again, now that the chunk is locked: the job may have been cancelled meanwhile, and
    # claimed as a whole.
    running = exists().where(jobs.c.id == claimed.job_id, jobs.c.state == JobState.RUNNING.value)
    taken = update(chunks).where(
        chunks.c.job == claimed.job_id,
        chunks.c.number == claimed.number,
        chunks.c.epoch == chunk["epoch"],
        running,
    )
    values = {"state": _RUNNING, "owner": owner, "epoch": claimed.epoch, "heartbeat_at": now}
    if not (await connection.execute(taken.values({**values, "reason": null()}))).rowcount:
        return None
    return TakenChunk(
        claim=claimed,
        job_name=chunk["name"],
        account=known[claimed.job_id],
        limits=WorkerLimits(
            timeout=chunk["timeout"],
            max_failures=chunk["max_failures"],
            breaker=chunk["breaker"],
        ),
        failed_before=chunk["failed_before"],
    )


def _is_free(dead: ColumnElement[datetime]) -> ColumnElement[bool]:
    orphaned = and_(chunks.c.state == _RUNNING, chunks.c.heartbeat_at < dead)
    return or_(chunks.c.state == "queued", orphaned)


# The owner of the whole job sends all rows that are left, even those that others are sending.
_others = chunks.alias("others")
_open_others = exists().where(
    _others.c.job == chunks.c.job, _others.c.number != WHOLE_JOB, _others.c.state != "done"
)
_is_its_turn = or_(chunks.c.number != WHOLE_JOB, not_(_open_others))


async def _jobs_of(connection: AsyncConnection, accounts: Collection[str]) -> dict[int, str]:
    """Return the running jobs of these accounts, each with its account."""
    identity = select(jobs.c.id, jobs.c.vendor, jobs.c.product, jobs.c.account)
    found = await connection.execute(identity.where(jobs.c.state == JobState.RUNNING.value))
    keys = {one.id: account_key(one.vendor, one.product, one.account) for one in found}
    return {number: key for number, key in keys.items() if key in accounts}


# Keeping.


async def heartbeat(
    connection: AsyncConnection, owner: str, now: ColumnElement[datetime]
) -> Sequence[Beat]:
    """Renew all chunks of an owner; returns those that it still owns."""
    # Subqueries instead of a join: SQLite returns columns of the updated table only.
    job: Any = chunks.c.job
    state = select(jobs.c.state).where(jobs.c.id == job).scalar_subquery()
    reason = select(jobs.c.reason).where(jobs.c.id == job).scalar_subquery()
    mine = update(chunks).where(chunks.c.owner == owner, chunks.c.state == _RUNNING)
    renewed = mine.values(heartbeat_at=now).returning(
        chunks.c.job, chunks.c.number, chunks.c.epoch, state, reason
    )
    return [Beat(*one) for one in await connection.execute(renewed)]


def _mine(claim: ChunkClaim) -> ColumnElement[bool]:
    return and_(
        chunks.c.job == claim.job_id,
        chunks.c.number == claim.number,
        chunks.c.owner == claim.owner,
        chunks.c.epoch == claim.epoch,
    )


# Giving back.


async def release(connection: AsyncConnection, claim: ChunkClaim, reason: str | None) -> bool:
    """Hand a chunk back, for another worker; False if another one already owns it."""
    free = {"state": "queued", "owner": null(), "heartbeat_at": null(), "reason": reason}
    result = await connection.execute(update(chunks).where(_mine(claim)).values(free))
    return bool(result.rowcount)


async def finish(
    connection: AsyncConnection, claim: ChunkClaim, now: ColumnElement[datetime]
) -> ChunkRef | None:
    """Record that a chunk is done. After the last one, the whole job is queued, to be verified.

    In that case, returns the chunk of the whole job; once it is done, the job is finished. Does
    nothing if another worker owns the chunk now.
    """
    # Serialised: otherwise, of two chunks that finish last, each would see the other one running.
    whole = and_(chunks.c.job == claim.job_id, chunks.c.number == WHOLE_JOB)
    await connection.execute(select(chunks.c.number).where(whole).with_for_update())
    done = {"state": "done", "owner": null(), "heartbeat_at": null(), "reason": null()}
    mine = await connection.execute(update(chunks).where(_mine(claim)).values(done))
    if not mine.rowcount:
        return None
    open_chunks = select(func.count()).where(
        chunks.c.job == claim.job_id, chunks.c.number != WHOLE_JOB, chunks.c.state != "done"
    )
    if (await connection.execute(open_chunks)).scalar_one():
        return None
    if claim.number == WHOLE_JOB:
        # Also if it was just paused: nothing is left to pause, and it would never finish.
        unended = jobs.c.state.in_([JobState.RUNNING.value, JobState.PAUSED.value])
        ended = {"state": JobState.FINISHED.value, "reason": null(), "ended_at": now}
        this = update(jobs).where(jobs.c.id == claim.job_id, unended)
        await connection.execute(this.values(ended))
        return None
    # `done` by the plan; already queued, if a chunk was handed back and finished again.
    queued = update(chunks).where(whole, chunks.c.state == "done").values(state="queued")
    if not (await connection.execute(queued)).rowcount:
        return None
    identity = select(jobs.c.vendor, jobs.c.product, jobs.c.account)
    job = (await connection.execute(identity.where(jobs.c.id == claim.job_id))).one()
    key = account_key(job.vendor, job.product, job.account)
    return ChunkRef(claim.job_id, WHOLE_JOB, key)


async def pause_job(connection: AsyncConnection, job_id: int, reason: str | None) -> None:
    """Pause a job, unless it is not running any more."""
    running = update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING.value)
    await connection.execute(running.values(state=JobState.PAUSED.value, reason=reason))


async def count_failures(connection: AsyncConnection, job: int) -> int:
    """Count the rows that have failed, or whose outcome is unknown; not those to be retried."""
    # By state, not by time: the clocks of workers differ.
    failed = select(func.count()).where(
        rows.c.job == job, rows.c.state.in_(FAILURES), not_(rows.c.retry)
    )
    return int((await connection.execute(failed)).scalar_one())

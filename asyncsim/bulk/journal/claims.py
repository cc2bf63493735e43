"""Claims of chunks: the owner of each chunk, and the fence in front of its writes."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, and_, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.errors import Fenced
from asyncsim.bulk.journal.schema import chunks, jobs
from asyncsim.bulk.records import WHOLE_JOB, ChunkClaim, JobState
from asyncsim.errors import JournalError

HEARTBEAT = 2.0
"""Seconds between two heartbeats of an owner."""
# Three heartbeats: a single late one, in a busy process or network, does no harm.
DEAD_AFTER = 6.0
"""Seconds after its last heartbeat until an owner counts as dead, by the database's clock."""


def new_owner() -> str:
    """Return the name of a new owner: `HOST:PID:random`."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


# The statement that begins each transaction of an owner: it finds no row if another process owns
# the chunk. It locks the row, so that the chunk cannot be taken over between this check and the end
# of the transaction: a takeover first locks the row FOR UPDATE, which conflicts with KEY SHARE.
# Heartbeats do not conflict with it: they would have to wait for all writes of all chunks of their
# process, one after the other. It compares the epoch, not only the owner, because a process may
# have lost a chunk and claimed it again, with an older transaction still waiting to be written.
# It renews nothing: only heartbeats renew the lease, so only they may renew the claim. Otherwise
# the chunk of a dead worker would stay with it for six seconds after its last write.
FENCE = (
    select(chunks.c.epoch)
    .where(
        chunks.c.job == bindparam("of_job", type_=Integer),
        chunks.c.number == bindparam("of_chunk", type_=Integer),
        chunks.c.owner == bindparam("of_owner", type_=Text),
        chunks.c.epoch == bindparam("of_epoch", type_=Integer),
    )
    .with_for_update(read=True, key_share=True)  # FOR KEY SHARE
)
"""Its parameters are `fence_of`."""


def fence_of(claim: ChunkClaim) -> dict[str, Any]:
    """The parameters of `FENCE`."""
    return {
        "of_job": claim.job_id,
        "of_chunk": claim.number,
        "of_owner": claim.owner,
        "of_epoch": claim.epoch,
    }


async def renew(
    connection: AsyncConnection, claim: ChunkClaim, now: ColumnElement[datetime]
) -> str | None:
    """Renew the heartbeat of a claim, in a transaction of its owner; returns why it should stop."""
    whole = chunks.c.job == claim.job_id, chunks.c.number == claim.number
    renewed = update(chunks).where(*whole).values(heartbeat_at=now)
    reason: str | None = (
        await connection.execute(renewed.returning(chunks.c.reason))
    ).scalar_one_or_none()
    return reason


async def ask_to_stop(
    connection: AsyncConnection, job_id: int, reason: str, dead: ColumnElement[datetime]
) -> bool:
    """Ask the process that owns a whole job to stop, at its next heartbeat; False if it is dead."""
    mine = chunks.c.job == job_id, chunks.c.number == WHOLE_JOB, chunks.c.owner.is_not(None)
    # Also one that counts as dead: it may only be silent while a person is asked to confirm.
    asked = (
        update(chunks).where(*mine).values(reason=reason).returning(chunks.c.heartbeat_at >= dead)
    )
    return bool((await connection.execute(asked)).scalar_one_or_none())


def fenced(claim: ChunkClaim, target: str) -> Fenced:
    """Return the error of a claim that is no longer valid."""
    job = f"job {claim.job_id}"
    what = job if claim.number == WHOLE_JOB else f"chunk {claim.number} of {job}"
    return Fenced(
        f"journal {target}: another process has taken over {what}; this one sends nothing more"
    )


async def lock_unused(
    connection: AsyncConnection, job_id: int, name: str, dead: ColumnElement[datetime], target: str
) -> None:
    """Lock all chunks of a job; JournalError while one of them has a living owner."""
    # First without locks, which would hold up the heartbeats of living owners: those of a worker
    # are one statement for all of its jobs.
    await _check_unused(connection, job_id, name, dead, target)
    # Waits for transactions that are writing or claiming a chunk. In a fixed order, so that no two
    # of these wait for each other.
    every = select(chunks.c.number).where(chunks.c.job == job_id).order_by(chunks.c.number)
    await connection.execute(every.with_for_update())
    await _check_unused(connection, job_id, name, dead, target)


async def _check_unused(
    connection: AsyncConnection, job_id: int, name: str, dead: ColumnElement[datetime], target: str
) -> None:
    # Also of a cancelled job: its workers may still wait for their last responses.
    owned = and_(chunks.c.owner.is_not(None), chunks.c.heartbeat_at >= dead)
    alive = select(chunks.c.owner).where(chunks.c.job == job_id, owned).limit(1)
    owner = (await connection.execute(alive)).scalar_one_or_none()
    if owner is not None:
        raise JournalError(
            f"job {name!r} in journal {target} is in use by process {owner}: wait until it has"
            " ended, or stop it; `asyncsim jobs status` shows the job's progress"
        )


async def claim_job(
    connection: AsyncConnection,
    job_id: int,
    owner: str,
    now: ColumnElement[datetime],
    dead: ColumnElement[datetime],
    target: str,
) -> ChunkClaim:
    """Claim the whole job; JournalError while another process or the workers own it."""
    # The job's row is locked, so that it is not handed to the workers at the same time.
    job = select(jobs.c.name, jobs.c.state).where(jobs.c.id == job_id).with_for_update()
    found = (await connection.execute(job)).first()
    if found is None:
        text = f"journal {target}: another process has just deleted this job; nothing was sent"
        raise JournalError(text)
    name, state = found
    if state in (JobState.RUNNING, JobState.PAUSED):
        wait = "Wait until it has finished" if state == JobState.RUNNING else "Resume it"
        raise JournalError(
            f"job {name!r} in journal {target} is {state} and belongs to workers. {wait}, or cancel"
            " it; then try again"
        )
    if state == JobState.PURGING:
        raise JournalError(
            f"job {name!r} in journal {target} is being deleted: purge it again to complete this"
        )
    await lock_unused(connection, job_id, name, dead, target)
    whole = and_(chunks.c.job == job_id, chunks.c.number == WHOLE_JOB)
    values = {"owner": owner, "epoch": chunks.c.epoch + 1, "heartbeat_at": now, "state": "running"}
    await connection.execute(update(chunks).where(whole).values({**values, "reason": None}))
    epoch = (await connection.execute(select(chunks.c.epoch).where(whole))).scalar_one()
    return ChunkClaim(job_id, WHOLE_JOB, owner, epoch)


async def release_job(connection: AsyncConnection, claim: ChunkClaim) -> None:
    """Release the whole job."""
    mine = and_(chunks.c.job == claim.job_id, chunks.c.number == WHOLE_JOB)
    values = {"owner": None, "heartbeat_at": None, "state": "done", "reason": None}
    await connection.execute(update(chunks).where(mine).values(values))

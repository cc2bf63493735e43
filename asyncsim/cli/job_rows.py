"""Jobs of a shared journal, and the processes that work on them, as rows of output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from asyncsim.bulk import SharedJob
from asyncsim.bulk.actions import describe
from asyncsim.bulk.journal.processes import KnownProcess


@frozen(kw_only=True)
class ListedSharedJob:
    """A job of a shared journal in the list of jobs."""

    name: str
    state: str
    reason: str | None
    """Why it is paused, or was cancelled."""
    waiting_for: str | None
    """Why no worker claims its queued chunks, or verifies it."""
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
    queued: int
    """Chunks that no process works on, also because its worker has died."""
    running: int
    """Chunks that a process works on."""
    done: int
    workers: int
    """Processes that work on it."""
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_verifying(self) -> bool:
        """Whether all chunks are done, and one worker reads the SIMs again."""
        return self.state == "running" and self.done > 0 and not (self.queued or self.running)

    @property
    def is_held(self) -> bool:
        """Whether a process submits it, or runs it without workers."""
        return self.state in ("reading", "planned") and self.workers > 0


HELD = "in use by a process that submits or runs it"

_SHOWN_NAME = 40  # characters
IN_A_TABLE = ("name", "change", "rows", "at_target", "failed", "unfinished", "state", "workers")


@frozen(kw_only=True)
class ListedProcess:
    """A worker or receiver of a shared journal."""

    process: str
    """`HOST:PID:random`."""
    kind: str
    """`worker` or `receiver`."""
    state: str
    """`alive` or `dead`."""
    chunks: int
    """Chunks that it owns."""
    rate: float
    """SIMs per second that it has finished in the last half minute."""
    accounts: tuple[str, ...]
    started_at: datetime
    heartbeat_at: datetime


PROCESS_IN_A_TABLE = ("process", "kind", "state", "chunks", "rate", "heartbeat_at")


def cropped(name: str) -> str:
    """Shorten the name of a job, so that its line of a table stays readable."""
    return name if len(name) <= _SHOWN_NAME else name[: _SHOWN_NAME - 1] + "…"


def list_job(job: SharedJob, processes: Collection[KnownProcess]) -> ListedSharedJob:
    """Return a job as a row."""
    head = job.head
    return ListedSharedJob(
        name=job.name,
        state=job.state.value,
        reason=job.reason,
        waiting_for=job.waiting_for(processes),
        job=f"{head.action} of {head.label}",
        change=describe(head.change),
        product=head.product,
        vendor=head.vendor,
        account=head.account,
        rows=job.rows,
        at_target=job.succeeded,
        failed=job.failed,
        unfinished=job.unfinished,
        queued=job.chunks.get("queued", 0),
        running=job.chunks.get("running", 0),
        done=job.chunks.get("done", 0),
        workers=len(job.owners),
        created_at=job.created_at,
        ended_at=job.ended_at,
    )


def list_process(
    process: KnownProcess, jobs: Collection[SharedJob], rates: Mapping[str, float]
) -> ListedProcess:
    """Return a process as a row, with the number of its chunks of these jobs."""
    return ListedProcess(
        process=process.id,
        kind=process.kind,
        state="alive" if process.is_alive else "dead",
        chunks=sum(job.owners.get(process.id, 0) for job in jobs),
        rate=round(rates.get(process.id, 0.0), 1),
        accounts=process.accounts,
        started_at=process.started_at,
        heartbeat_at=process.heartbeat_at,
    )


def notes_on(jobs: Collection[ListedSharedJob]) -> list[str]:
    """Say which jobs are paused, in use by one process, or waiting for a missing worker."""
    notes = [f"{job.name} is paused: {job.reason}" for job in jobs if job.state == "paused"]
    notes += [f"{job.name} is {HELD}" for job in jobs if job.is_held]
    for job in jobs:
        if job.waiting_for:
            queued = _counted(job.queued, "chunk") if job.queued else "its verification"
            notes.append(f"{job.name} waits for {job.waiting_for} ({queued} in the queue)")
    return notes


def count_processes(processes: Collection[KnownProcess]) -> str:
    """Say how many workers and receivers are running, and how many have died lately."""
    counts = Counter((one.kind, one.is_alive) for one in processes)
    parts = [_counted(counts[kind, True], kind) for kind in ("worker", "receiver")]
    died = [_counted(counts[kind, False], kind) for kind in ("worker", "receiver")
            if counts[kind, False]]  # fmt: skip
    text = f"running: {', '.join(parts)}"
    return f"{text}; died in the last hour: {', '.join(died)}" if died else text


def _counted(count: int, kind: str) -> str:
    return f"{count:,} {kind}{'' if count == 1 else 's'}"


def status_of(job: SharedJob, processes: Collection[KnownProcess]) -> Mapping[str, Any]:
    """Return the status of a job: its rows by state, its chunks, its workers."""
    listed = list_job(job, processes)
    return {
        "name": listed.name,
        "job": listed.job,
        "product": listed.product,
        "vendor": listed.vendor,
        "account": listed.account,
        "change": listed.change,
        "state": listed.state,
        "reason": listed.reason,
        "waiting_for": listed.waiting_for,
        "rows": listed.rows,
        **{state.value: count for state, count in job.states.items()},
        "at_target": listed.at_target,
        "unfinished": listed.unfinished,
        "chunks_queued": listed.queued,
        "chunks_running": listed.running,
        "chunks_done": listed.done,
        "created_at": listed.created_at,
        "ended_at": listed.ended_at,
        "workers": dict(job.owners),
    }

"""The live progress of a shared journal: its jobs, workers and receivers."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from attrs import asdict, frozen
from rich.console import Group
from rich.live import Live
from rich.text import Text

from asyncsim.bulk import SharedJobs
from asyncsim.cli.job_rows import (
    HELD,
    ListedProcess,
    ListedSharedJob,
    cropped,
    list_job,
    list_process,
    notes_on,
)
from asyncsim.cli.output import Row, fitting_table, printable, printer, stdout_console

_JOB_COLUMNS = ("name", "state", "at_target", "failed", "unfinished", "per_second", "chunks")
_PROCESS_COLUMNS = ("process", "kind", "state", "chunks", "per_second", "seen")
# Columns that a narrow terminal drops, in this order.
_JOB_EXPENDABLE = ("chunks", "per_second", "failed")
_PROCESS_EXPENDABLE = ("chunks", "kind", "per_second")


@frozen(kw_only=True)
class Seen:
    """A snapshot of the jobs and processes of a shared journal."""

    jobs: Sequence[ListedSharedJob]
    processes: Sequence[ListedProcess]
    rates: Mapping[str, float]
    """SIMs per second that each job has finished since the previous snapshot; empty at first."""
    time: float

    @classmethod
    async def of(cls, journal: SharedJobs, name: str | None, before: Seen | None) -> Seen:
        """Read all jobs, or the one of this name, and the processes."""
        found = await journal.list() if name is None else [await journal.fetch(name)]
        processes, rates = await journal.processes(), await journal.rates()
        listed = [list_job(job, processes) for job in found]
        now = time.monotonic()
        return cls(
            jobs=listed,
            processes=[list_process(one, found, rates) for one in processes],
            rates={} if before is None else _rates(before, listed, now),
            time=now,
        )


def _rates(before: Seen, jobs: Sequence[ListedSharedJob], now: float) -> dict[str, float]:
    """Return how many SIMs of each job have ended per second."""
    seconds = max(now - before.time, 1e-3)
    # While a job is verified, its SIMs count as unfinished until a list scan has seen them.
    earlier = {job.name: job.rows - job.unfinished for job in before.jobs if not job.is_verifying}
    return {
        job.name: max((job.rows - job.unfinished - earlier[job.name]) / seconds, 0.0)
        for job in jobs
        if job.name in earlier and not job.is_verifying
    }


class JobsDisplay(Protocol):
    """Shows snapshots."""

    def __enter__(self) -> object:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End; what was shown last stays."""

    def show(self, seen: Seen) -> None:
        """Show a snapshot."""


class JobsScreen:
    """Tables of jobs and processes, drawn in place."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._console = stdout_console()
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> object:
        return self._live.__enter__()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, seen: Seen) -> None:
        """Draw both tables; a dead process is red."""
        jobs: list[tuple[Row, str | None]] = []
        processes: list[tuple[Row, str | None]] = []
        for job in seen.jobs:
            total = job.queued + job.running + job.done
            row = asdict(job) | {
                "name": cropped(job.name),
                "state": "verifying" if job.is_verifying else job.state,
                "per_second": _shown(seen.rates.get(job.name)),
                "chunks": f"{job.done:,} of {total:,}, {job.running:,} running",
            }
            jobs.append((row, "bold" if job.running else None))
        for process in seen.processes:
            age = (datetime.now(UTC) - process.heartbeat_at).total_seconds()
            row = asdict(process) | {
                "per_second": _shown(process.rate),
                "seen": f"{max(age, 0):.0f} s ago",
            }
            if process.kind == "receiver":  # it has no chunks
                row |= {"chunks": "", "per_second": ""}
            processes.append((row, "red" if process.state == "dead" else None))
        notes = [Text(printable(note), "yellow") for note in notes_on(seen.jobs)]
        caption = f"{datetime.now(UTC):%H:%M:%S} UTC, every {self._interval:g} s; Ctrl-C stops"
        self._live.update(
            Group(
                fitting_table(self._console, _JOB_COLUMNS, _JOB_EXPENDABLE, jobs),
                Text(),
                fitting_table(self._console, _PROCESS_COLUMNS, _PROCESS_EXPENDABLE, processes),
                *notes,
                Text(caption, style="dim"),
            ),
            refresh=True,
        )


def _shown(rate: float | None) -> str:
    return "" if rate is None else f"{rate:,.1f}"


class JobsLines:
    """Prints a line for each job at first, and whenever it changes: text, or JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._printer = printer("ndjson", ()) if as_json else None
        self._before: dict[str, Row] = {}

    def __enter__(self) -> object:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def show(self, seen: Seen) -> None:
        """Print the jobs that have changed."""
        at = datetime.now(UTC).replace(microsecond=0)
        for job in seen.jobs:
            row = asdict(job)
            if self._before.get(job.name) == row:
                continue
            self._before[job.name] = row
            rate = seen.rates.get(job.name)
            if self._printer is not None:
                alive = [asdict(one) for one in seen.processes]
                self._printer.row({"at": at, **row, "per_second": rate, "processes": alive})
                continue
            began = f"{at:%H:%M:%S} {job.name}"
            workers = f"{job.workers:,} worker{'' if job.workers == 1 else 's'}"
            workers = HELD if job.is_held else workers
            if job.is_verifying:
                parts = [f"{began}: verifying its {job.rows:,} SIMs by a list scan", workers]
            else:
                parts = [
                    f"{began}: {job.state}{f' ({job.reason})' if job.reason else ''}",
                    f"{job.at_target:,} of {job.rows:,} at their target",
                    f"{job.failed:,} failed",
                    f"{job.unfinished:,} unfinished",
                    workers,
                ]
                parts += [f"{rate:,.1f} per second"] if rate is not None else []
            parts += [f"waits for {job.waiting_for}"] if job.waiting_for else []
            sys.stdout.write(printable(", ".join(parts)) + "\n")
        sys.stdout.flush()

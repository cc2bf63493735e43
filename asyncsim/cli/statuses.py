"""How far a job is, from its journal alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from asyncsim.bulk.actions import describe
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import UNFINISHED, Head, JobRun


async def status_of(journal: Journal) -> dict[str, Any]:
    """What the job is, how many rows are in which state, and whether somebody runs it."""
    head, counts, runs = await journal.head(), await journal.counts(), await journal.runs()
    if head is None:
        return {"job": "none yet"}
    left = sum(count for state, count in counts.items() if state in UNFINISHED)
    return {
        **_who(head),
        "rows": sum(counts.values()),
        **{state.value: count for state, count in counts.items()},
        "unfinished": left,
        "runs": len(runs),
        "run": _told(runs, left),
    }


def _who(head: Head) -> Mapping[str, str]:
    return {
        "job": f"{head.action} of {head.label}",
        "product": head.product,
        "vendor": head.vendor,
        "account": head.account,
        "change": describe(head.change),
    }


def _told(runs: Iterable[JobRun], left: int) -> str:
    """What the last run is doing, or has done."""
    *_, last = runs
    began = f"since {_at(last.started_at)} by process {last.pid} on {last.host}"
    if last.ended_at is not None:
        return f"ended at {_at(last.ended_at)}{f': {last.reason}' if last.reason else ''}"
    return f"running {began}" if _lives(last) else f"broken off; it ran {began}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _lives(run: JobRun) -> bool:
    """Tell whether a run's process is there; of another machine's nothing is known, so yes."""
    if run.host != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

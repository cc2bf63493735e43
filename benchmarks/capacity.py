"""The plan of a large job, computed from what one SIM costs."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from attrs import frozen

BUSY = 0.6  # of a core: a worker that is busier than that delays its own heartbeats
_HOUR = 3600.0
HEAD = (
    "SIMs a second of each account",
    "hours",
    "SIMs a second, in all",
    "workers",
    "cores of the database",
    "commits a second",
    "log, MiB a second",
)


@frozen(kw_only=True)
class Costs:
    """What one SIM costs."""

    worker: float
    """Seconds of a worker's core."""
    database: float
    """Seconds of a core of the database."""
    submitter: float
    """Seconds of the core that plans the job."""
    planned: float
    """Seconds of a core of the database while the job is planned."""
    commits: float
    requests: float
    """POST and reads."""
    log: float
    """Bytes of the write-ahead log, planned and carried out."""
    disk: float
    """Bytes in the tables when it is done."""


def rows(
    costs: Costs, *, sims: int, accounts: int, rates: Sequence[float]
) -> list[tuple[str, ...]]:
    """A row for each number of SIMs a second that the vendor allows each account."""
    found: list[tuple[str, ...]] = []
    for rate in rates:
        total = rate * accounts
        found.append(
            (
                f"{rate:g}",
                f"{sims / total / _HOUR:.1f}",
                f"{total:,.0f}",
                f"{ceil(total * costs.worker / BUSY):,}",
                f"{total * costs.database:.1f}",
                f"{total * costs.commits:,.0f}",
                f"{total * costs.log / 2**20:.1f}",
            )
        )
    return found


def totals(costs: Costs, *, sims: int) -> list[tuple[str, str]]:
    """What the whole job costs, however long it takes."""
    return [
        ("core-hours of the workers", f"{sims * costs.worker / _HOUR:.1f}"),
        (
            "core-hours of the database",
            f"{sims * (costs.database + costs.planned) / _HOUR:.1f}",
        ),
        ("core-hours to plan it", f"{sims * costs.submitter / _HOUR:.1f}"),
        ("requests to the vendor, millions", f"{sims * costs.requests / 1e6:.1f}"),
        ("disk when it is done, GiB", f"{sims * costs.disk / 2**30:.1f}"),
        ("write-ahead log, GiB", f"{sims * costs.log / 2**30:.1f}"),
    ]

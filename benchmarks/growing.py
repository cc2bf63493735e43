"""Runs of growing size, for the benchmarks `growth` and `million`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.result import Table, Target
from benchmarks.stub.process import counts, serving
from benchmarks.stub.vendor import Terms
from benchmarks.variants import run

WAYS = ("update_many", "job")
_LONGEST = 3600.0  # seconds; a million take a quarter of it
_WORKER = "benchmarks.cases._growth_worker"
_HEAD = ("SIMs", "seconds", "µs a SIM", "CPU, µs a SIM", "requests a SIM", "peak, MiB")

Run = Mapping[str, Any]


class NotAllRight(Exception):
    """Some SIMs did not come to their goal."""


def grow(variant: str, way: str, sims: int, fleet: int) -> dict[str, Any]:
    """Change so many of an account's SIMs, in a process of its own."""
    with serving(Terms(sims=fleet)) as port:
        found: dict[str, Any] = run(
            _WORKER, str(port), variant, way, str(sims), str(fleet), timeout=_LONGEST
        )
        asked = counts(port)
    if found["right"] != sims:
        raise NotAllRight(f"{way} of {sims}: {found['right']} are at their goal")
    return {**found, "requests": asked["GET"] + asked["POST"]}


def table(title: str, runs: Sequence[Run]) -> Table:
    """Show runs of one way."""
    return Table(title=title, head=_HEAD, rows=[_row(one) for one in runs])


def _row(one: Run) -> Sequence[str]:
    sims = one["sims"]
    return (
        f"{sims:,}",
        f"{one['wall']:.1f}",
        f"{one['wall'] / sims * 1e6:.0f}",
        f"{one['cpu'] / sims * 1e6:.0f}",
        f"{one['requests'] / sims:.3f}",
        f"{one['peak'] / 2**20:.0f}",
    )


def linear(what: str, less: Run, more: Run) -> list[Target]:
    """Set the targets: each SIM of the larger run costs what one of the smaller does."""
    found = []
    for name, key in (("seconds", "wall"), ("CPU", "cpu"), ("requests", "requests")):
        per_sim = (more[key] / more["sims"]) / (less[key] / less["sims"])
        text = f"{what}: {name} a SIM, {more['sims']:,} to {less['sims']:,}"
        found.append(Target(what=text, measured=per_sim, bound=1.10, spread="one run each"))
    return found


def flat(what: str, one: Run) -> Target:
    """Set the target: after a fifth of it no more memory is needed."""
    return Target(
        what=f"{what}: peak of memory to that after a fifth of {one['sims']:,}",
        measured=one["peak"] / one["early"],
        bound=1.10,
        spread="resident",
    )

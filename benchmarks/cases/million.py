"""A million SIMs changed on one machine. Runs only if named, or by `nox -s million`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases.growth import WAYS, flat, grow, linear, runs_table
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Target
from benchmarks.rounds import Spread

LONG = True
_SIMS = (100_000, 1_000_000)
_MOST = 300.0  # MiB


def measure() -> Result:
    """Change a million SIMs, by `update_many` and as a job."""
    samples = {way: [grow(way, sims, _SIMS[-1]) for sims in _SIMS] for way in WAYS}
    targets = []
    for way, (less, more) in samples.items():
        peak = Target(
            what=f"{way}: MiB at most, {more['sims']:,} SIMs",
            measured=more["peak"] / 2**20,
            bound=_MOST,
            spread="resident",
        )
        targets += [*linear(way, less, more), flat(way, more), peak]
    return Result(
        name="million",
        question="Can one machine change a million SIMs, and which costs grow?",
        targets=targets,
        tables=[runs_table(way, runs) for way, runs in samples.items()],
        notes=("As `growth`, in an account of a million SIMs.",),
        samples=samples,
    )


def plot(result: Result, path: Path) -> None:
    """Draw microseconds per SIM."""
    groups = {
        f"{number:,}": {
            way: Spread.of([runs[at]["cpu"] / number * 1e6]) for way, runs in result.samples.items()
        }
        for at, number in enumerate(_SIMS)
    }
    grouped_bars(groups, "CPU, µs a SIM", path)

"""Memory of a job that plans a million ICCIDs and streams its first 100,000 results.

Runs only if named, or by `nox -s million`: it takes minutes.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases.growth import WrongOutcome
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.stub.process import serving
from benchmarks.stub.vendor import Terms
from benchmarks.workers import run

LONG = True
_SIMS, _RESULTS = 1_000_000, 100_000
_LONGEST = 1200.0  # seconds
_WORKER = "benchmarks.cases._first_results_worker"


def measure() -> Result:
    """Run one job with a limit."""
    with serving(Terms(sims=_SIMS, settles=1.0)) as port:
        found = run(_WORKER, str(port), str(_SIMS), str(_RESULTS), timeout=_LONGEST)
    if found["done"] != _RESULTS:
        raise WrongOutcome(f"{found['done']} of {_RESULTS} are at their target")
    stages = [(stage, f"{wall:.0f}", f"{peak:.0f}") for stage, wall, peak in found["stages"]]
    return Result(
        name="first_results",
        question="How much memory does a job with a million rows need?",
        targets=[
            Target(what="MiB at most", measured=found["peak"], bound=300.0, spread="resident"),
            Target(
                what="list requests to plan a million ICCIDs",
                measured=found["planned"],
                bound=_SIMS / 1000 + 1,
                spread="counted",
            ),
        ],
        tables=[Table(title="Stages", head=("stage", "seconds", "MiB at most"), rows=stages)],
        samples=found,
    )


def plot(result: Result, path: Path) -> None:
    """Draw the peak of resident memory per stage."""
    stages = {stage: {"resident": Spread.of([peak])} for stage, _, peak in result.samples["stages"]}
    grouped_bars(stages, "MiB at most, until then", path)

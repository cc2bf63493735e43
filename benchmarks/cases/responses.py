"""Mixed-up responses: of 200 requests in flight, how many get the response to another."""

from __future__ import annotations

from pathlib import Path

from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.stub.process import serving
from benchmarks.stub.vendor import Terms
from benchmarks.workers import run

_WORKER = "benchmarks.cases._responses_worker"


def measure() -> Result:
    """Request 200 different Sims at once."""
    with serving(Terms(sims=1000, takes=0.05)) as port:
        found: dict[str, int] = run(_WORKER, str(port))
    requested = found.pop("requested")
    return Result(
        name="responses",
        question="Of 200 requests in flight, how many get a response about another Sim?",
        targets=[
            Target(
                what=f"asyncsim: wrong responses of {requested}",
                measured=found["asyncsim"],
                bound=0,
                spread="counted",
            )
        ],
        tables=[
            Table(
                title=f"Wrong responses of {requested}",
                head=("contender", "wrong"),
                rows=[(contender, str(wrong)) for contender, wrong in found.items()],
            )
        ],
        notes=(
            "twilio-python keeps the last response in its HTTP client, and without a pool it closes"
            " a session between writing it there and returning it: others write there meanwhile.",
        ),
        samples=found,
    )


def plot(result: Result, path: Path) -> None:
    """Draw the wrong responses."""
    bars = {contender: Spread.of([float(wrong)]) for contender, wrong in result.samples.items()}
    grouped_bars({"of 200 in flight": bars}, "wrong responses", path)

"""Cost of observers: instructions of a `fetch` and an `update` with each of them.

Counted, not timed, in one process over plain HTTP, where the rest costs least. Without observers
the methods have no frame and no event is built. OpenTelemetry without an SDK is dropped when the
client opens: what is left is the frame of each public call.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import callgrind
from benchmarks.cases._observers_counter import COUNTED, OBSERVERS
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.stub.process import serving

_COUNTER = "benchmarks.cases._observers_counter"
_BOUND = 1.02
_VERBS = ("fetch", "update")
_BOUNDED = "OpenTelemetry without an SDK"


def measure() -> Result:
    """Count all cases in one process."""
    if not callgrind.available():
        raise RuntimeError("valgrind is not installed: nothing can be counted")
    with serving() as port:
        counts = callgrind.count(_COUNTER, f"http://127.0.0.1:{port}")[1::2]
    found = dict(zip(COUNTED, counts, strict=True))
    targets = [
        Target(
            what=f"{verb}, {_BOUNDED}: instructions to no observer",
            measured=found[_BOUNDED, verb] / found["none", verb],
            bound=_BOUND,
            spread="counted",
        )
        for verb in _VERBS
    ]
    rows = [
        (name, *(f"{found[name, verb] / found['none', verb]:.3f}" for verb in _VERBS))
        for name in OBSERVERS
    ]
    table = Table(title="Instructions, no observers = 1", head=("observers", *_VERBS), rows=rows)
    samples = {verb: {name: found[name, verb] for name in OBSERVERS} for verb in _VERBS}
    return Result(
        name="observers",
        question="What do observers cost a request?",
        targets=targets,
        tables=[table],
        notes=["300 requests each, 32 in flight, asyncio's own loop, plain HTTP"],
        samples=samples,
    )


def plot(result: Result, path: Path) -> None:
    """Draw the instructions of each case, relative to none."""
    groups = {
        verb: {name: Spread.of([count / counts["none"]]) for name, count in counts.items()}
        for verb, counts in result.samples.items()
    }
    grouped_bars(groups, "instructions, no observers = 1", path)

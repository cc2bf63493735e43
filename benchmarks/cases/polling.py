"""500 SIMs activated by `update_many` and by polling loops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table
from benchmarks.rounds import Spread
from benchmarks.stub.process import counts, serving
from benchmarks.stub.vendor import Terms, changing
from benchmarks.workers import run

_WORKER = "benchmarks.cases._polling_worker"
_WHO = ("asyncsim", "aiohttp, polling", "twilio, polling")
_SIMS, _TIMES, _ROUNDS = 500, 30, 1
_TERMS = Terms(sims=_SIMS, settles=20 / _TIMES, sigma=0.8, takes=0.1 / _TIMES, concurrency=100)
_HEAD = ("contender", "last known, s", "mean delay, s", "requests a SIM", "throttled", "CPU, s")


def _run(contender: str) -> dict[str, Any]:
    """Run one contender with its own vendor; a SIM's change takes the same time for each."""
    with serving(_TERMS) as port:
        found = run(_WORKER, str(port), contender, "0", str(_SIMS), str(_TIMES))
        sent = counts(port)
    takes = changing(_TERMS)
    ends = [takes(number) * _TIMES for number in range(_SIMS)]
    delays = [known - end for known, end in zip(found["known"], ends, strict=True)]
    return {
        "last": max(found["known"]),
        "least": max(ends),
        "delay": sum(delays) / _SIMS,
        "requests": (sent["GET"] + sent["POST"]) / _SIMS,
        "throttled": sent["throttled"],
        "cpu": found["cpu"],
    }


def _row(contender: str, found: Sequence[dict[str, Any]]) -> Sequence[str]:
    def of(key: str) -> float:
        return float(median(one[key] for one in found))

    return (
        contender,
        f"{of('last'):.1f}",
        f"{of('delay'):.1f}",
        f"{of('requests'):.2f}",
        f"{of('throttled'):.0f}",
        f"{of('cpu'):.2f}",
    )


def measure() -> Result:
    """Run all contenders in turn."""
    found: dict[str, list[dict[str, Any]]] = {contender: [] for contender in _WHO}
    for _ in range(_ROUNDS):
        for contender in _WHO:
            found[contender].append(_run(contender))
    least = found["asyncsim"][0]["least"]
    return Result(
        name="polling",
        question="What does it cost to activate 500 SIMs and to confirm all of them?",
        targets=[],  # the benchmark `waiting` has the targets
        tables=[
            Table(
                title="Each",
                head=_HEAD,
                rows=[_row(contender, all_) for contender, all_ in found.items()],
            )
        ],
        notes=(
            f"Real sockets, a vendor per contender, and time that runs {_TIMES} times as fast"
            " for all: changes take a lognormal time with a median of 20 s and sigma 0.8, each"
            " request 0.1 s, and the concurrency limit is 100, which the polling clients know.",
            f"The last change takes {least:.0f} s; delays count from the first update on, including"
            " the time that an update is queued. The poll interval is 5 s.",
            "Seconds are the vendor's, except CPU seconds, which are real.",
        ),
        samples=found,
    )


def plot(result: Result, path: Path) -> None:
    """Draw requests, CPU and delay, relative to aiohttp polling."""
    base = result.samples[_WHO[1]]
    groups = {
        what: {
            contender: Spread.of(
                [one[key] / other[key] for one, other in zip(found, base, strict=True)]
            )
            for contender, found in result.samples.items()
        }
        for what, key in (("requests", "requests"), ("CPU", "cpu"), ("mean delay", "delay"))
    }
    grouped_bars(groups, "to aiohttp, polling", path)

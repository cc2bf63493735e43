"""Waiting at real sockets, to confirm the simulated figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from attrs import asdict

from benchmarks.live.waiting import watch as live
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.simulated.loop import simulate
from benchmarks.simulated.outcome import Waited
from benchmarks.simulated.watcher import watch as simulated

_SIMS, _FASTER = 1000, 10.0
_SEEDS = range(1, 4)
_CASES = {"all there is": (0, 0.1), "among 50,000 others": (50_000, 1.15)}
_KEYS = ("reads", "pages", "requests", "slot_seconds", "p50", "p99", "worst", "seconds")
_HEAD = ("1,000 SIMs", "how", "reads", "pages", "requests", "slot-s", "p50 s", "p99 s", "longest s")


def _target(what: str, waited: Sequence[Waited], key: str, bound: float) -> Target:
    values = [getattr(one, key) for one in waited]
    spread = f"{min(values):.3g} to {max(values):.3g}"
    return Target(what=what, measured=median(values), bound=bound, spread=spread)


def _targets(name: str, waited: Sequence[Waited], requests: float) -> list[Target]:
    return [
        _target(f"requests, {name}", waited, "requests", requests),
        _target(f"p99 delay, {name}", waited, "p99", 7.0),
    ]


def measure() -> Result:
    """Wait for each fleet, over sockets and simulated."""
    found = {
        name: {
            "at sockets": live(_SIMS, others, _SEEDS, _FASTER),
            "simulated": [simulate(simulated(_SIMS, others, seed=seed)) for seed in _SEEDS],
        }
        for name, (others, _) in _CASES.items()
    }
    rows = [
        (name, how, *(f"{median(getattr(one, key) for one in waited):.3g}" for key in _KEYS))
        for name, ways in found.items()
        for how, waited in ways.items()
    ]
    return Result(
        name="waiting_live",
        question="Does waiting at real sockets cost what the simulation says?",
        targets=[
            target
            for name, (_, bound) in _CASES.items()
            for target in _targets(name, found[name]["at sockets"], bound)
        ],
        tables=[
            Table(
                title="Per SIM, beyond its POST: the median of the seeds",
                head=(*_HEAD, "until all s"),
                rows=rows,
            )
        ],
        notes=(
            "`update_many` of a real client, with the vendor in its own process. Both run at"
            f" {_FASTER:g} seconds per real second, and figures are in those seconds."
            " CPU time is not shortened, so it counts tenfold.",
        ),
        samples={
            name: {how: [asdict(one) for one in waited] for how, waited in ways.items()}
            for name, ways in found.items()
        },
    )


def plot(result: Result, path: Path) -> None:
    """Draw delays at sockets next to the simulated ones."""
    groups: dict[str, dict[str, Spread]] = {}
    for name, ways in result.samples.items():
        for key in ("p50", "p99"):
            groups[f"{key}, {name}"] = {
                how: Spread.of([one[key] for one in waited]) for how, waited in ways.items()
            }
    grouped_bars(groups, "seconds until it is known", path)

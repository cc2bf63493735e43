"""10,000 updates at a vendor whose limit is unknown: the limiter simulated, and at real sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from attrs import asdict

from benchmarks.live.sending import fan_out as live
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.simulated.loop import simulate
from benchmarks.simulated.sending import Sent, fan_out

_SEEDS = range(1, 6)
_HEAD = ("case", "seconds", "bound", "ratio", "refused %")


def _steady(now: float) -> int:
    return 100


def _falling(now: float) -> int:
    return 20 if 1.5 <= now < 3.5 else 100


_CASES: dict[str, tuple[Sequence[int], Callable[[float], int], int]] = {
    "limit of 100": ([10_000], _steady, 0),
    "falls to 20 for 2 s and rises again": ([10_000], _falling, 0),
    "two clients, 5,000 each": ([5000, 5000], _steady, 0),
    "another client holds 50": ([10_000], _steady, 50),
}

_PHASES = [(0.0, 100), (1.5, 20), (3.5, 100)]
_LIVE: dict[str, tuple[Sequence[int], Sequence[tuple[float, int]]]] = {
    "limit of 100": ([10_000], _PHASES[:1]),
    "falls to 20 for 2 s and rises again": ([10_000], _PHASES),
    "two clients, 5,000 each": ([5000, 5000], _PHASES[:1]),
}


def _targets(name: str, found: Sequence[Sent]) -> list[Target]:
    ratios, refused = [one.ratio for one in found], [100 * one.refused for one in found]
    return [
        Target(
            what=f"{name}: time to bound",
            measured=median(ratios),
            bound=1.10,
            spread=f"{min(ratios):.3f} to {max(ratios):.3f}",
        ),
        Target(
            what=f"{name}: refused, %",
            measured=median(refused),
            bound=2.0,
            spread=f"{min(refused):.2f} to {max(refused):.2f}",
        ),
    ]


def measure() -> Result:
    """Simulate all cases."""
    found = {
        name: [simulate(fan_out(many, slots, seed=seed, held=held)) for seed in _SEEDS]
        for name, (many, slots, held) in _CASES.items()
    }
    found |= {f"{name}, real": [live(*case)] for name, case in _LIVE.items()}
    rows = [
        (
            name,
            f"{one.seconds:.2f}",
            f"{one.bound:.2f}",
            f"{one.ratio:.3f}",
            f"{100 * one.refused:.2f}",
        )
        for name, sent in found.items()
        for one in sent
    ]
    return Result(
        name="fan_out",
        question="How long do 10,000 updates take at a vendor that allows an unknown number?",
        targets=[target for name, sent in found.items() for target in _targets(name, sent)],
        tables=[Table(title="Every seed", head=_HEAD, rows=rows)],
        notes=(
            "The limiter and the limit themselves, in an event loop whose time jumps; the server"
            " takes 50 ms, give or take a tenth, and 5 ms to refuse.",
            "Those called real: `sims.update` of real clients, at sockets, one run each; the vendor"
            " is a process of its own. All that takes time takes twice as long and the figures are"
            " halved again, as both sides share two processors. Nothing failed, and each answer"
            " was for its SIM.",
            "The bound is the integral of the limit: what a client takes that knows it.",
        ),
        samples={name: [asdict(one) for one in sent] for name, sent in found.items()},
    )


def plot(result: Result, path: Path) -> None:
    """Draw time to bound."""
    groups: dict[str, dict[str, Spread]] = {}
    for name, sent in result.samples.items():
        case = name.removesuffix(", real")
        how = "at sockets" if name.endswith("real") else "simulated"
        ratios = [one["seconds"] / one["bound"] for one in sent]
        groups.setdefault(case, {})[how] = Spread.of(ratios)
    grouped_bars(groups, "time, the bound = 1", path)

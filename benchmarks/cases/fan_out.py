"""10,000 updates against an unknown concurrency limit, simulated and at real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from attrs import asdict

from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.simulated.limiter import Sent, fan_out
from benchmarks.simulated.loop import simulate
from benchmarks.stub.process import certificate
from benchmarks.workers import SPEED, run

_SEEDS = range(1, 6)
_HEAD = ("case", "seconds", "bound", "ratio", "throttled %")


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
_LIVE: dict[str, dict[str, Any]] = {
    "limit of 100": {"shares": [10_000], "phases": _PHASES[:1]},
    "falls to 20 for 2 s and rises again": {"shares": [10_000], "phases": _PHASES},
    "two clients, 5,000 each": {"shares": [5000, 5000], "phases": _PHASES[:1]},
}
_WORKER = "benchmarks.cases._fan_out_worker"


def _targets(name: str, found: Sequence[Sent]) -> list[Target]:
    ratios, throttled = [one.ratio for one in found], [100 * one.throttled for one in found]
    return [
        Target(
            what=f"{name}: time to bound",
            measured=median(ratios),
            bound=1.10,
            spread=f"{min(ratios):.3f} to {max(ratios):.3f}",
        ),
        Target(
            what=f"{name}: throttled, %",
            measured=median(throttled),
            bound=2.0,
            spread=f"{min(throttled):.2f} to {max(throttled):.2f}",
        ),
    ]


def _live(case: Mapping[str, Any], authority: Path | None = None) -> tuple[Sent, float]:
    found = run(_WORKER, json.dumps(case), authority=authority)
    cpu: float = found.pop("cpu")
    return Sent(**found), cpu


def measure() -> Result:
    """Simulate all cases; then send over sockets, with plain HTTP and TLS."""
    found = {
        name: [simulate(fan_out(many, slots, seed=seed, held=held)) for seed in _SEEDS]
        for name, (many, slots, held) in _CASES.items()
    }
    real = {f"{name}, real": _live(case) for name, case in _LIVE.items()}
    with certificate() as made:
        for name, case in _LIVE.items():
            tls = {**case, "chain": str(made.chain)}
            real[f"{name}, real, TLS"] = _live(tls, made.authority)
            real[f"{name}, real, TLS, {SPEED}"] = _live({**tls, "speed": True}, made.authority)
    found |= {name: [sent] for name, (sent, _) in real.items()}
    processor = [
        (
            name,
            *(f"{real[f'{name}, real{how}'][1]:.1f}" for how in ("", ", TLS", f", TLS, {SPEED}")),
        )
        for name in _LIVE
    ]
    rows = [
        (
            name,
            f"{one.seconds:.2f}",
            f"{one.bound:.2f}",
            f"{one.ratio:.3f}",
            f"{100 * one.throttled:.2f}",
        )
        for name, sent in found.items()
        for one in sent
    ]
    return Result(
        name="fan_out",
        question="How long do 10,000 updates take against an unknown concurrency limit?",
        targets=[target for name, sent in found.items() for target in _targets(name, sent)],
        tables=[
            Table(title="Every seed", head=_HEAD, rows=rows),
            Table(
                title="CPU of a client's process at sockets, s",
                head=("case", "plain HTTP", "TLS", f"TLS, {SPEED}"),
                rows=processor,
            ),
        ],
        notes=(
            "Simulated with the library's limiter, in an event loop whose time jumps; a request"
            " takes 50 ms, plus or minus 10 %, and a 429 takes 5 ms.",
            "Cases called real: `sims.update` of real clients over sockets, one run each; the"
            " vendor and each client have their own process. All durations are doubled"
            " and the figures halved again, as both sides share two processors. Nothing"
            " failed, and each response was about its SIM.",
            "The bound is the integral of the limit: the time of a client that knows it.",
        ),
        samples={name: [asdict(one) for one in sent] for name, sent in found.items()},
    )


def plot(result: Result, path: Path) -> None:
    """Draw time to bound."""
    groups: dict[str, dict[str, Spread]] = {}
    for name, sent in result.samples.items():
        case, at_sockets, more = name.partition(", real")
        how = f"at sockets{more}" if at_sockets else "simulated"
        ratios = [one["seconds"] / one["bound"] for one in sent]
        groups.setdefault(case, {})[how] = Spread.of(ratios)
    grouped_bars(groups, "time, the bound = 1", path)

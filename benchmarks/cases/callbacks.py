"""Incoming callbacks: the receiver, and applications that verify less or nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from statistics import median

from benchmarks import callgrind
from benchmarks.cases._callbacks_worker import NAMES, contenders, feed
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread

_TIMES, _ROUNDS, _COUNTED = 3000, 5, 500


async def _timed() -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(_ROUNDS):
        for name, make in contenders(_TIMES).items():
            found[name].append(await feed(make(), _TIMES, lambda: None))
    return found


def _counted() -> dict[str, float]:
    """Instructions per callback: those between its marks, without those before the first."""
    counts = callgrind.count("benchmarks.cases._callbacks_worker", str(_COUNTED))
    return {name: counts[2 * at + 1] / _COUNTED for at, name in enumerate(NAMES)}


def measure() -> Result:
    """Time all, and count instructions if valgrind is installed."""
    seconds = {name: median(took) for name, took in asyncio.run(_timed()).items()}
    counts = _counted() if callgrind.available() else {}
    base = counts or seconds
    rows = [
        (
            name,
            f"{counts[name] / 1000:.0f}" if counts else "",
            f"{base[name] / base['bare']:.2f}",
            f"{seconds[name] * 1e6:.0f}",
            f"{1 / seconds[name]:,.0f}",
        )
        for name in NAMES
    ]
    return Result(
        name="callbacks",
        question="What does a callback cost: verified, deduplicated, delivered to its wait?",
        targets=[
            Target(
                what="instructions against a bare aiohttp handler",
                measured=base["ours"] / base["bare"],
                bound=1.7,
                spread="counted" if counts else "processor time",
            ),
            Target(
                what="callbacks a second on one core",
                measured=1 / seconds["ours"],
                bound=10_000,
                at_most=False,
            ),
        ],
        tables=[
            Table(
                title="Each",
                head=("application", "thousand instructions", "ratio", "µs", "a second"),
                rows=rows,
            )
        ],
        notes=(
            "Fed straight into aiohttp's protocol: no socket, no kernel, no client.",
            "Beyond ticket, form and signature, ours drops duplicates, finds and ends the wait, and"
            " updates the SIM's record.",
            "A receiver on its own port has no router; one mounted in an application has.",
        ),
        samples={"seconds": seconds, "instructions": counts},
    )


def plot(result: Result, path: Path) -> None:
    """Draw the cost of each application."""
    samples = result.samples
    costs = samples["instructions"] or samples["seconds"]
    bars = {name: Spread.of([cost / costs["bare"]]) for name, cost in costs.items()}
    grouped_bars({"a callback": bars}, "cost, bare aiohttp handler = 1", path)

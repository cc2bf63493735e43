"""Plots, where matplotlib is installed (extra `bench`)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any

from benchmarks.rounds import Spread

_COSTS = {"requests": "requests per SIM", "slot_seconds": "slot-seconds per SIM"}
_LABEL = 16  # characters per line, so that neighbouring labels do not overlap


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def grouped_bars(
    groups: Mapping[str, Mapping[str, Spread]], unit: str, path: Path, *, log: bool = False
) -> None:
    """Draw bars with their quartiles, one group per key."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        found = [(at, group[name]) for at, group in enumerate(groups.values()) if name in group]
        axes.bar(
            [at + place * width for at, _ in found],
            [one.median for _, one in found],
            width,
            yerr=[
                [one.median - one.low for _, one in found],
                [one.high - one.median for _, one in found],
            ],
            label=name,
        )
    middle = 0.4 - width / 2
    axes.set_xticks(
        [at + middle for at in range(len(groups))], [fill(name, _LABEL) for name in groups]
    )
    axes.set_ylabel(unit)
    if log:
        axes.set_yscale("log")
    figure.legend(loc="outside upper center", ncols=4)
    figure.savefig(path)


def cost_and_delay(sizes: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw the cost of waiting against its delay, with one column per number of SIMs.

    One row shows requests, the other slot-seconds.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(sizes), 7.5), layout="constrained")
    panels = figure.subplots(len(_COSTS), len(sizes), sharex="row", sharey=True, squeeze=False)
    for row, cost in zip(panels, _COSTS, strict=True):
        for panel, (sims, ways) in zip(row, sizes.items(), strict=True):
            _scatter(panel, ways, cost)
            panel.set_title(f"{int(sims):,} SIMs")
            panel.set_xlabel(_COSTS[cost])
        row[0].set_ylabel("p99 delay, s")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.suptitle("Lower left is better; circles are ours, squares are tasks that poll")
    figure.savefig(path)


def _scatter(panel: Any, ways: Mapping[str, Any], cost: str) -> None:
    for name, waited in ways.items():
        spent = median(one[cost] for one in waited)
        delay = median(one["p99"] for one in waited)
        shape = "o" if name.startswith("ours") else "s"
        panel.scatter(spent, delay, s=70, marker=shape, label=name, alpha=0.8)
    panel.set(xscale="log", yscale="log")
    panel.grid(alpha=0.3)

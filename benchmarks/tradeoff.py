"""What waiting costs against how late an end is known: requests, slot-seconds, delay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.result import Result

_COSTS = {"requests": "requests per SIM", "slot_seconds": "slot-seconds per SIM"}


def draw(result: Result, path: Path) -> None:
    """Draw a column for each number of SIMs, a row for each cost; nothing without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    sizes = result.samples
    figure = Figure(figsize=(3.4 * len(sizes), 7.5), layout="constrained")
    panels = figure.subplots(len(_COSTS), len(sizes), sharex="row", sharey=True, squeeze=False)
    for row, cost in zip(panels, _COSTS, strict=True):
        for panel, (sims, ways) in zip(row, sizes.items(), strict=True):
            _draw(panel, ways, cost)
            panel.set_title(f"{int(sims):,} SIMs")
            panel.set_xlabel(_COSTS[cost])
        row[0].set_ylabel("p99 delay, s")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.suptitle("Lower left is better; circles are ours, squares are tasks that poll")
    figure.savefig(path)


def _draw(panel: Any, ways: Mapping[str, Any], cost: str) -> None:
    for name, waited in ways.items():
        spent = median(one[cost] for one in waited)
        delay = median(one["p99"] for one in waited)
        shape = "o" if name.startswith("ours") else "s"
        panel.scatter(spent, delay, s=70, marker=shape, label=name, alpha=0.8)
    panel.set(xscale="log", yscale="log")
    panel.grid(alpha=0.3)

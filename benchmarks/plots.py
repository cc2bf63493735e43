"""Plots, where matplotlib is installed (extra `bench`)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill

from benchmarks.rounds import Spread

_LABEL = 16  # letters in a line, so that neighbours do not overlap


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def grouped_bars(
    groups: Mapping[str, Mapping[str, Spread]], unit: str, path: Path, *, log: bool = False
) -> None:
    """Draw bars with their quartiles, a group for each key."""
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

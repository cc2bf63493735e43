"""A page of 1,000 Sims as records, and the little of it that a sweep needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread, ratios
from benchmarks.variants import VARIANTS, run

_BOUNDS = {"asyncsim, records": 7.0, "asyncsim, SID and status": 12.0}

_JSON_ALONE = (
    "JSON alone bounds what can be had without the extra, where dicts of all rows are made first;"
    " with it, msgspec makes records straight from the bytes"
)


def _targets(variant: str, seconds: Mapping[str, Sequence[float]]) -> list[Target]:
    found = []
    for name, bound in _BOUNDS.items():
        faster = ratios(seconds["twilio"], seconds[name])
        found.append(
            Target(
                what=f"{name}, {variant}: times as fast as twilio-python",
                measured=faster.median,
                bound=bound,
                at_most=False,
                spread=faster.text(1, 1),
            )
        )
    return found


def _table(variant: str, seconds: Mapping[str, Sequence[float]]) -> Table:
    rows = [
        (who, ratios(seconds["twilio"], turns).text(1, 1), Spread.of(turns).text(1e6))
        for who, turns in seconds.items()
    ]
    return Table(title=variant, head=("who", "times as fast", "CPU, us a Sim"), rows=rows)


def measure() -> Result:
    """Measure both variants."""
    samples: dict[str, Any] = {}
    targets: list[Target] = []
    tables = []
    for variant in VARIANTS:
        samples[variant] = run("benchmarks.cases._pages_worker", variant)
        targets += _targets(variant, samples[variant])
        tables.append(_table(variant, samples[variant]))
    return Result(
        name="pages",
        question="How long does a page of 1,000 Sims take from bytes to typed records?",
        targets=targets,
        tables=tables,
        notes=["every SID of every page was checked", _JSON_ALONE],
        samples=samples,
    )


def plot(result: Result, path: Path) -> None:
    """Draw CPU per Sim."""
    groups = {
        variant: {who: Spread.of([one * 1e6 for one in turns]) for who, turns in found.items()}
        for variant, found in result.samples.items()
    }
    grouped_bars(groups, "CPU, µs a Sim (log)", path, log=True)

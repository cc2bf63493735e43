"""Reading a list page of 1,000 Sims: as records, and as SID and status for a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread, ratios
from benchmarks.workers import run

_PRODUCTS = {"wireless": "Programmable Wireless", "supersim": "Super SIM"}
_BOUNDS = {
    "wireless": {"asyncsim, records": 5.0, "asyncsim, SID and status": 12.0},
    "supersim": {"asyncsim, records": 10.0, "asyncsim, SID and status": 12.0},
}

_NOTES = (
    "every SID of every page was checked",
    "a Programmable Wireless Sim has 24 fields, of which three are null here, and a Super SIM"
    " has ten",
    "orjson to dicts is the lower bound of a client without records",
)


def _targets(product: str, seconds: Mapping[str, Sequence[float]]) -> list[Target]:
    found = []
    for name, bound in _BOUNDS[product].items():
        faster = ratios(seconds["twilio"], seconds[name])
        found.append(
            Target(
                what=f"{_PRODUCTS[product]}, {name}: times as fast as twilio-python",
                measured=faster.median,
                bound=bound,
                at_most=False,
                spread=faster.text(1, 1),
            )
        )
    return found


def _table(product: str, seconds: Mapping[str, Sequence[float]]) -> Table:
    rows = [
        (contender, ratios(seconds["twilio"], turns).text(1, 1), Spread.of(turns).text(1e6))
        for contender, turns in seconds.items()
    ]
    head = ("contender", "times as fast", "CPU, us a Sim")
    return Table(title=_PRODUCTS[product], head=head, rows=rows)


def measure() -> Result:
    """Measure both products, the slower one first."""
    samples: dict[str, Any] = {
        product: run("benchmarks.cases._pages_worker", product) for product in _PRODUCTS
    }
    return Result(
        name="pages",
        question="How long does a page of 1,000 Sims take from bytes to typed records?",
        targets=[target for product in _PRODUCTS for target in _targets(product, samples[product])],
        tables=[_table(product, samples[product]) for product in _PRODUCTS],
        notes=_NOTES,
        samples=samples,
    )


def plot(result: Result, path: Path) -> None:
    """Draw CPU per Sim."""
    groups = {
        name: {
            contender: Spread.of([one * 1e6 for one in turns])
            for contender, turns in result.samples[product].items()
        }
        for product, name in _PRODUCTS.items()
    }
    grouped_bars(groups, "CPU, µs a Sim (log)", path, log=True)

"""Whether the cost grows with the work, and what the garbage collector has of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.growing import flat, grow, linear, table
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.stub.process import serving
from benchmarks.stub.vendor import Terms
from benchmarks.variants import VARIANTS, run

_SIMS = (1000, 10_000, 100_000)
# Not the job without the extra, which would take another minute: its journal is the same.
_RUNS = (("update_many", VARIANTS[0]), ("update_many", VARIANTS[1]), ("job", VARIANTS[1]))
_COLLECTOR = "benchmarks.cases._collector_worker"
_SETTINGS = ("as it comes", "gc.freeze()", "gc.set_threshold(50_000)")
_WHO = ("update_many", "gather")
_OBJECTS = "benchmarks.cases._objects_worker"
_SENDERS = ("bare aiohttp", "update", "update_many")


def _collected() -> dict[str, dict[str, Any]]:
    with serving(Terms(sims=10_000, settles=0.0)) as port:
        return {
            f"{who}, {setting}": run(_COLLECTOR, str(port), who, setting)
            for who in _WHO
            for setting in _SETTINGS
        }


def _collector_table(found: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = [
        (name, f"{100 * one['share']:.0f}", f"{one['cpu'] * 1e6:.0f}", f"{one['full']:.0f}")
        for name, one in found.items()
    ]
    head = ("who", "of its CPU time, %", "CPU, µs a request", "full collections")
    return Table(title="The garbage collector at 1,000 in flight", head=head, rows=rows)


def _kept() -> dict[str, float]:
    found: dict[str, float] = {}
    for who in _SENDERS:
        with serving(Terms(sims=1000, settles=0.0, takes=3.0)) as port:
            found[who] = run(_OBJECTS, str(port), who)
    return found


def _kept_table(found: Mapping[str, float]) -> Table:
    rows = [(who, f"{number:.0f}") for who, number in found.items()]
    return Table(title="Objects that a POST under way keeps", head=("who", "objects"), rows=rows)


def measure() -> Result:
    """Measure all sizes both ways."""
    samples: dict[str, Any] = {}
    targets: list[Target] = []
    tables = []
    for way, variant in _RUNS:
        name = f"{way}, {variant}"
        runs = [grow(variant, way, sims, _SIMS[-1]) for sims in _SIMS]
        samples[name] = runs
        targets += [*linear(name, *runs[-2:]), flat(name, runs[-1])]
        tables.append(table(name, runs))
    collected, kept = _collected(), _kept()
    return Result(
        name="growth",
        question="Do 100,000 SIMs cost ten times what 10,000 do, or more?",
        targets=targets,
        tables=[*tables, _collector_table(collected), _kept_table(kept)],
        notes=(
            f"An account of {_SIMS[-1]:,} SIMs, whose changes take 0.2 s. Those that are changed"
            " lie in all parts of its list, which shows them in another order than that of the"
            " updates. All outcomes were checked.",
            "At most 5,000 SIMs are between being sent and being settled, so that 10,000 fill that"
            " window twice; 1,000 do not, and most of their time is one wait.",
            "What is paid once, as for opening connections, weighs more in a smaller run.",
            "A job reads a CSV of ICCIDs, plans, keeps its journal, and writes its results.",
            "The collector: 10,000 updates, 1,000 in flight, which settle at once. `update_many`"
            " decodes, throttles and retries; `gather` has bare aiohttp, a semaphore and a task"
            " for each of the 10,000. `gc.freeze()` is called when all is imported.",
            "Objects: those that the collector goes through, beyond what is there without a request"
            " under way.",
        ),
        samples={"growth": samples, "collector": collected, "objects": kept},
    )


def plot(result: Result, path: Path) -> None:
    """Draw microseconds per SIM."""
    groups: dict[str, dict[str, Spread]] = {}
    for name, runs in result.samples["growth"].items():
        for one in runs:
            per_sim = Spread.of([one["cpu"] / one["sims"] * 1e6])
            groups.setdefault(f"{one['sims']:,}", {})[name] = per_sim
    grouped_bars(groups, "CPU, µs a SIM", path)

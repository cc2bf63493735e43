"""Cost per SIM from 1,000 to 100,000 SIMs, and the share of the garbage collector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.stub.process import counts, serving
from benchmarks.stub.vendor import Terms
from benchmarks.workers import run

_SIMS = (1000, 10_000, 100_000)
WAYS = ("update_many", "job")
_LONGEST = 3600.0  # seconds; a million SIMs take a quarter of it
_WORKER = "benchmarks.cases._growth_worker"
_HEAD = ("SIMs", "seconds", "µs a SIM", "CPU, µs a SIM", "requests a SIM", "peak, MiB")
_COLLECTOR = "benchmarks.cases._collector_worker"
_SETTINGS = ("as it comes", "gc.freeze()", "gc.set_threshold(50_000)")
_WHO = ("update_many", "gather")
_OBJECTS = "benchmarks.cases._objects_worker"
_SENDERS = ("bare aiohttp", "update", "update_many")

Run = Mapping[str, Any]


class WrongOutcome(Exception):
    """Some SIMs did not reach their target."""


def grow(way: str, sims: int, fleet: int) -> dict[str, Any]:
    """Change `sims` SIMs of an account of `fleet`, in a separate process."""
    with serving(Terms(sims=fleet)) as port:
        found: dict[str, Any] = run(
            _WORKER, str(port), way, str(sims), str(fleet), timeout=_LONGEST
        )
        sent = counts(port)
    if found["right"] != sims:
        raise WrongOutcome(f"{way} of {sims}: {found['right']} are at their target")
    return {**found, "requests": sent["GET"] + sent["POST"]}


def runs_table(title: str, runs: Sequence[Run]) -> Table:
    """A table of the runs of one way."""
    return Table(title=title, head=_HEAD, rows=[_row(one) for one in runs])


def _row(one: Run) -> Sequence[str]:
    sims = one["sims"]
    return (
        f"{sims:,}",
        f"{one['wall']:.1f}",
        f"{one['wall'] / sims * 1e6:.0f}",
        f"{one['cpu'] / sims * 1e6:.0f}",
        f"{one['requests'] / sims:.3f}",
        f"{one['peak'] / 2**20:.0f}",
    )


def linear(what: str, less: Run, more: Run) -> list[Target]:
    """Targets: a SIM costs the same in the larger run as in the smaller."""
    found = []
    for name, key in (("seconds", "wall"), ("CPU", "cpu"), ("requests", "requests")):
        per_sim = (more[key] / more["sims"]) / (less[key] / less["sims"])
        text = f"{what}: {name} a SIM, {more['sims']:,} to {less['sims']:,}"
        found.append(Target(what=text, measured=per_sim, bound=1.10, spread="one run each"))
    return found


def flat(what: str, one: Run) -> Target:
    """Target: no memory growth after a fifth of the run."""
    return Target(
        what=f"{what}: peak of memory to that after a fifth of {one['sims']:,}",
        measured=one["peak"] / one["early"],
        bound=1.10,
        spread="resident",
    )


def _collected() -> dict[str, dict[str, Any]]:
    with serving(Terms(sims=10_000, settles=0.0)) as port:
        return {
            f"{contender}, {setting}": run(_COLLECTOR, str(port), contender, setting)
            for contender in _WHO
            for setting in _SETTINGS
        }


def _collector_table(found: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = [
        (name, f"{100 * one['share']:.0f}", f"{one['cpu'] * 1e6:.0f}", f"{one['full']:.0f}")
        for name, one in found.items()
    ]
    head = ("contender", "of its CPU time, %", "CPU, µs a request", "full collections")
    return Table(title="The garbage collector at 1,000 in flight", head=head, rows=rows)


def _kept() -> dict[str, float]:
    found: dict[str, float] = {}
    for contender in _SENDERS:
        with serving(Terms(sims=1000, settles=0.0, takes=3.0)) as port:
            found[contender] = run(_OBJECTS, str(port), contender)
    return found


def _kept_table(found: Mapping[str, float]) -> Table:
    rows = [(contender, f"{number:.0f}") for contender, number in found.items()]
    return Table(
        title="Objects that a POST in flight keeps", head=("contender", "objects"), rows=rows
    )


def measure() -> Result:
    """Measure all sizes, then the collector."""
    samples: dict[str, Any] = {}
    targets: list[Target] = []
    tables = []
    for way in WAYS:
        runs = [grow(way, sims, _SIMS[-1]) for sims in _SIMS]
        samples[way] = runs
        targets += [*linear(way, *runs[-2:]), flat(way, runs[-1])]
        tables.append(runs_table(way, runs))
    collected, kept = _collected(), _kept()
    return Result(
        name="growth",
        question="Does the cost per SIM stay the same from 10,000 to 100,000 SIMs?",
        targets=targets,
        tables=[*tables, _collector_table(collected), _kept_table(kept)],
        notes=(
            f"An account of {_SIMS[-1]:,} SIMs, whose changes take 0.2 s. The SIMs to change come"
            " from all parts of its list, whose order differs from that of the"
            " updates. All outcomes were checked.",
            "At most 5,000 SIMs are pending at once, so 10,000 fill that"
            " window twice; 1,000 do not, so most of their time is one wait.",
            "One-time costs, such as opening connections, weigh more in a smaller run.",
            "A job reads a CSV of ICCIDs, plans, writes its journal, and writes its results.",
            "Collector: 10,000 updates, 1,000 in flight, which settle at once. `update_many`"
            " decodes, throttles and retries; `gather` has bare aiohttp, a semaphore and a task"
            " for each of the 10,000. `gc.freeze()` is called after all imports.",
            "Objects: those that the collector traverses, beyond those that exist when nothing"
            " is in flight.",
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

"""What a typed, throttled, retried request costs beside bare aiohttp and the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import callgrind
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread, ratios
from benchmarks.stub.process import serving
from benchmarks.variants import VARIANTS, run

_BOUNDS = {"fetch": 1.05, "update": 0.90}
_WORKER = "benchmarks.cases._requests_worker"
_COUNTER = "benchmarks.cases._requests_counter"

_HTTPX = (
    "httpx's pool looks at all of its connections for each of its requests, several times over, so"
    " its cost grows with what is in flight: alone, a request takes a third of that"
)
_COLLECTOR = (
    "at 1,000 in flight the collector goes through the objects of all of them; twilio-python's"
    " session has 100 connections, and what waits for one has few objects yet, so it takes less of"
    " its time: the rows with the collector off show how much"
)
_CHECKED = "every answer was checked against the SID it was asked for"
_COUNTED_IN = "instructions are counted in asyncio's loop, times with the extra in uvloop's"

Samples = Mapping[str, Sequence[Mapping[str, float]]]


def _ratio(cell: Samples, one: str, other: str, what: str) -> Spread:
    return ratios(*([sample[what] for sample in cell[name]] for name in (one, other)))


def _targets(variant: str, cells: Mapping[str, Samples]) -> list[Target]:
    found = []
    for name, cell in cells.items():
        verb = name.split()[0]
        cpu = _ratio(cell, "asyncsim", "bare aiohttp", "cpu")
        found.append(
            Target(
                what=f"{name}, {variant}: CPU to bare aiohttp",
                measured=cpu.median,
                bound=_BOUNDS[verb],
                spread=cpu.text(),
            )
        )
        faster = _ratio(cell, "twilio", "asyncsim", "wall")
        found.append(
            Target(
                what=f"{name}, {variant}: throughput to twilio-python",
                measured=faster.median,
                bound=2.0 if variant == VARIANTS[1] else 1.75,
                at_most=False,
                spread=faster.text(),
            )
        )
    return found


def _counted() -> tuple[list[Target], list[str]]:
    if not callgrind.available():
        return [], ["valgrind is not installed: no instructions were counted"]
    targets, notes = [], []
    with serving() as port:
        for variant in VARIANTS:
            counts = callgrind.count(_COUNTER, str(port), variant)[1::2]
            for verb, bare, ours in zip(_BOUNDS, counts[:2], counts[2:], strict=True):
                targets.append(
                    Target(
                        what=f"{verb}, {variant}: instructions to bare aiohttp",
                        measured=ours / bare,
                        bound=_BOUNDS[verb],
                        spread="counted",
                    )
                )
            notes.append(f"{variant}: instructions of all requests of a turn: {counts}")
    return targets, notes


def _table(variant: str, cells: Mapping[str, Samples]) -> Table:
    rows = []
    for name, cell in cells.items():
        for who in cell:
            cpu = Spread.of([one["cpu"] for one in cell[who]])
            wall = Spread.of([1 / one["wall"] for one in cell[who]])
            beside = _ratio(cell, who, "bare aiohttp", "cpu")
            rows.append((name, who, beside.text(), cpu.text(1e6, 0), wall.text(1, 0)))
    head = ("verb, in flight", "who", "CPU to bare", "CPU, us a request", "requests per second")
    return Table(title=variant, head=head, rows=rows)


def _throughputs(variants: Mapping[str, Mapping[str, Samples]]) -> Table:
    """Compare with twilio-python, bare aiohttp too: beyond that nobody gets who sends by it."""
    who = ("asyncsim", "bare aiohttp")
    rows = [
        (name, variant, *(_ratio(cell, "twilio", one, "wall").text() for one in who))
        for variant, cells in variants.items()
        for name, cell in cells.items()
    ]
    return Table(
        title="Throughput, twilio-python = 1", head=("verb, in flight", "variant", *who), rows=rows
    )


def measure() -> Result:
    """Measure both variants, then count."""
    samples: dict[str, Any] = {}
    targets, tables, notes = [], [], []
    with serving() as port:
        for variant in VARIANTS:
            found = run(_WORKER, str(port), variant)
            samples[variant] = found["cells"]
            targets += _targets(variant, found["cells"])
            tables.append(_table(variant, found["cells"]))
            notes.append(f"{variant}: the stub answers {found['ceiling']:,.0f} requests per second")
    counted, more = _counted()
    return Result(
        name="requests",
        question="What does one request cost: `sims.fetch` (GET) and `sims.update` (form POST)?",
        targets=[*counted, *targets],
        tables=[_throughputs(samples), *tables],
        notes=[*notes, *more, _CHECKED, _COUNTED_IN, _HTTPX, _COLLECTOR],
        samples=samples,
    )


def plot(result: Result, path: Path) -> None:
    """Draw CPU per request."""
    cells = result.samples[VARIANTS[1]]
    groups = {
        name: {who: Spread.of([one["cpu"] * 1e6 for one in turns]) for who, turns in cell.items()}
        for name, cell in cells.items()
    }
    grouped_bars(groups, "CPU, µs a request (log)", path, log=True)

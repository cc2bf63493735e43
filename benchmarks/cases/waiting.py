"""Simulated cost and delay of waiting for many SIMs, and of polling each of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from statistics import median
from typing import Any

from attrs import asdict

from benchmarks.plots import cost_and_delay
from benchmarks.result import Result, Table, Target
from benchmarks.simulated.loop import simulate
from benchmarks.simulated.outcome import Waited
from benchmarks.simulated.peers import poll
from benchmarks.simulated.watcher import watch

_SIMS = {100: 5, 1000: 5, 10_000: 3, 100_000: 1}  # SIMs: seeds
_OTHERS = 50_000
_HEAD = ("SIMs", "how", "reads", "pages", "requests", "slot-s", "p50 s", "p99 s", "longest s")
_KEYS = ("reads", "pages", "requests", "slot_seconds", "p50", "p99", "worst")

Figures = dict[str, list[Waited]]


def _wait(sims: int, seeds: range) -> Figures:
    ways: dict[str, Callable[[int], Coroutine[Any, Any, Waited]]] = {
        "ours, all there is": lambda seed: watch(sims, 0, seed=seed),
        "ours, among 50,000 others": lambda seed: watch(sims, _OTHERS, seed=seed),
        "ours, callbacks of which 1 % are lost": lambda seed: watch(sims, 0, seed=seed, lost=0.01),
        "ours, the same among 50,000 others": lambda seed: watch(
            sims, _OTHERS, seed=seed, lost=0.01
        ),
        "each polled every 5 s, all queued first": lambda seed: poll(sims, every=5.0, seed=seed),
        "each polled every 5 s, fed by workers": lambda seed: poll(
            sims, every=5.0, fed=True, seed=seed
        ),
        "botocore's waiter, every 15 s": lambda seed: poll(
            sims, every=15.0, at_once=True, seed=seed
        ),
    }
    return {name: [simulate(way(seed)) for seed in seeds] for name, way in ways.items()}


def _of(waited: list[Waited], key: str) -> float:
    return float(median(getattr(one, key) for one in waited))


def _spread(waited: list[Waited], key: str) -> str:
    values = [getattr(one, key) for one in waited]
    return f"{min(values):.3g} to {max(values):.3g}" if len(values) > 1 else "one seed"


def _target(what: str, waited: list[Waited], key: str, bound: float) -> Target:
    spread = _spread(waited, key)
    return Target(what=what, measured=_of(waited, key), bound=bound, spread=spread)


def _targets(sims: int, found: Figures) -> list[Target]:
    alone, among, called, called_among, polled, *_ = found.values()
    few = sims < 1000
    targets = [
        _target(f"requests, {sims} SIMs, all there is", alone, "requests", 1.4 if few else 0.1),
        _target(f"requests, {sims} among others", among, "requests", 1.4 if few else 1.15),
    ]
    if few:
        return targets
    slowest = 7.0 if sims == 1000 else 1.5 * _of(polled, "p99")
    targets += [
        _target(f"p99 delay, {sims} SIMs, all there is", alone, "p99", slowest),
        _target(f"p99 delay, {sims} among others", among, "p99", slowest),
    ]
    for name, one in (("", called), (" among others", called_among)):
        targets.append(_target(f"requests, {sims}{name}, callbacks", one, "requests", 0.02))
        bound = 1.0 if sims == 1000 else 8.0
        targets.append(_target(f"p99 delay, {sims}{name}, callbacks", one, "p99", bound))
    return targets


def measure() -> Result:
    """Simulate all sizes."""
    found = {sims: _wait(sims, range(1, seeds + 1)) for sims, seeds in _SIMS.items()}
    rows = [
        (f"{sims:,}", name, *(f"{_of(waited, key):.3g}" for key in _KEYS))
        for sims, ways in found.items()
        for name, waited in ways.items()
    ]
    return Result(
        name="waiting",
        question="What does it cost per SIM, beyond its POST, to learn that it has settled?",
        targets=[target for sims, ways in found.items() for target in _targets(sims, ways)],
        tables=[Table(title="Median of the seeds", head=_HEAD, rows=rows)],
        notes=(
            "Simulated with the library's watcher and limiter, in an event loop whose"
            " time jumps; the same seeds always give the same figures.",
            "The bound for polling is the case that queues all updates first, as a gather does."
            " Fed by workers, polls go before the remaining updates: results come sooner, with five"
            " requests each, but the last is done half as long again later.",
            "Concurrency limit 100; a read takes 0.1 s, a page 0.2 s plus 0.4 ms per row; changes"
            " take a lognormal time with a median of 20 s and sigma 0.8.",
        ),
        samples={
            str(sims): {name: [asdict(one) for one in waited] for name, waited in ways.items()}
            for sims, ways in found.items()
        },
    )


def plot(result: Result, path: Path) -> None:
    """Draw cost against delay."""
    cost_and_delay(result.samples, path)

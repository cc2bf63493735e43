"""Interleaved measurements: contenders take turns, so a busy machine slows all of them alike.

A ratio is taken within each round and only then summarized: across processes, and even across
minutes, the same ratio varied from 1.2 to 2.4.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median, quantiles

from attrs import asdict, frozen


@frozen
class Sample:
    """Seconds per piece of work in one turn."""

    cpu: float
    wall: float


@frozen
class Spread:
    """Many turns summarized in three numbers."""

    median: float
    low: float
    high: float
    """The quartiles, so that one slow turn does not widen the range."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarize values; a single value is its own quartiles."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high)

    def text(self, scale: float = 1.0, digits: int = 2) -> str:
        """Format as `1.02 (0.99 to 1.05)`."""
        middle, low, high = (f"{one * scale:.{digits}f}" for one in asdict(self).values())
        return f"{middle} ({low} to {high})"


Turn = Callable[[int], None]
"""Does the given number of pieces of work."""


def interleave(turns: Mapping[str, Turn], *, rounds: int, pieces: int) -> dict[str, list[Sample]]:
    """Give every contender a turn in every round; each round starts with another one."""
    names = list(turns)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for name in names:  # warm-up of connections, caches and generated code
        turns[name](max(pieces // 4, 1))
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            samples[name].append(_measure(turns[name], pieces))
    return samples


def _measure(turn: Turn, pieces: int) -> Sample:
    gc.collect()  # garbage of the previous turn
    wall, cpu = time.perf_counter(), time.process_time()
    turn(pieces)
    return Sample((time.process_time() - cpu) / pieces, (time.perf_counter() - wall) / pieces)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Summarize the ratio of ours to theirs, round by round."""
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])

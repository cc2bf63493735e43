"""Interleaved measurements: contenders take turns, so that a busy machine slows all of them alike.

A ratio is made within each round and only then summed up: across processes, and even across
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
    """What one turn took, in seconds for each piece of work."""

    cpu: float
    wall: float


@frozen
class Spread:
    """Many turns in three numbers."""

    median: float
    low: float
    high: float
    """Quartiles: one slow turn must not show as a range."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sum up; of a single value, that value."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high)

    def text(self, scale: float = 1.0, digits: int = 2) -> str:
        """Write as `1.02 (0.99 to 1.05)`."""
        middle, low, high = (f"{one * scale:.{digits}f}" for one in asdict(self).values())
        return f"{middle} ({low} to {high})"


Turn = Callable[[int], None]
"""Does that many pieces of work."""


def interleave(turns: Mapping[str, Turn], *, rounds: int, pieces: int) -> dict[str, list[Sample]]:
    """Give every contender its turn in every round, each round beginning with another."""
    names = list(turns)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for name in names:  # connections, caches, generated code: not what is measured
        turns[name](max(pieces // 4, 1))
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            samples[name].append(_measure(turns[name], pieces))
    return samples


def _measure(turn: Turn, pieces: int) -> Sample:
    gc.collect()  # what the one before left behind
    wall, cpu = time.perf_counter(), time.process_time()
    turn(pieces)
    return Sample((time.process_time() - cpu) / pieces, (time.perf_counter() - wall) / pieces)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Sum up ours to theirs, round by round."""
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])

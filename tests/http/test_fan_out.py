"""Fan-out to a vendor of unknown limit, simulated with the real limiter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.simulated.limiter import fan_out
from benchmarks.simulated.loop import simulate


def steady(now: float) -> int:
    return 100


def falling(now: float) -> int:
    return 20 if 1.5 <= now < 3.5 else 100


@pytest.mark.parametrize(
    ("requests", "slots", "held"),
    [
        ([10_000], steady, 0),
        ([10_000], falling, 0),
        ([5000, 5000], steady, 0),
        ([5000], steady, 50),
    ],
    ids=["steady", "falls-and-rises", "two-clients", "half-is-held"],
)
def test_10_000_updates_take_little_longer_than_with_a_known_limit(
    requests: list[int], slots: Callable[[float], int], held: int
) -> None:
    sent = simulate(fan_out(requests, slots, held=held))
    assert sent.ratio <= 1.10
    assert sent.throttled <= 0.02

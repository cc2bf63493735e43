"""Requests and delays of large waits, simulated with the real watcher and limiter.

The vendor has 100 slots; a read takes 0.1 s, a page 0.2 s plus 0.4 ms per row; changes take a
lognormal time with a median of 20 s and sigma 0.8. Requests exclude the POSTs.
"""

from __future__ import annotations

import pytest

from benchmarks.simulated.loop import simulate
from benchmarks.simulated.peers import poll
from benchmarks.simulated.waits import weigh
from benchmarks.simulated.watcher import watch

OTHERS = 50_000


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("others", [0, OTHERS])
def test_100_sims_need_at_most_1_45_requests_each(others: int, seed: int) -> None:
    assert simulate(watch(100, others, seed=seed)).requests <= 1.45


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("others", "most"), [(0, 0.1), (OTHERS, 1.15)])
def test_1000_sims_are_confirmed_within_7_seconds(others: int, most: float, seed: int) -> None:
    waited = simulate(watch(1000, others, seed=seed))
    assert waited.requests <= most
    assert waited.p99 <= 7.0


@pytest.mark.parametrize(("others", "most"), [(0, 0.1), (OTHERS, 1.15)])
def test_10_000_sims_are_confirmed_almost_as_soon_as_by_polling_each(
    others: int, most: float
) -> None:
    waited, polled = simulate(watch(10_000, others)), simulate(poll(10_000, every=5.0))
    assert waited.requests <= most
    assert waited.p99 <= 1.5 * polled.p99
    assert polled.requests > 4.0


@pytest.mark.parametrize("others", [0, OTHERS])
@pytest.mark.parametrize(("sims", "p99"), [(1000, 1.0), (10_000, 8.0)])
def test_with_1_percent_of_callbacks_lost_hardly_any_requests_are_sent(
    sims: int, p99: float, others: int
) -> None:
    waited = simulate(watch(sims, others, lost=0.01))
    assert waited.requests <= 0.02
    assert waited.p99 <= p99


def test_a_pending_wait_weighs_at_most_640_bytes_beyond_its_sid() -> None:
    assert simulate(weigh(5_000, drops_records=True)) <= 640

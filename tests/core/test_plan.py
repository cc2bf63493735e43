from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from asyncsim.core.plan import Situation, read_pause, sweep_pause, sweeps, walk_instead
from asyncsim.core.settings import Watching

WATCHING = Watching()


@pytest.mark.parametrize(
    ("pending", "trusted", "answer"),
    [(0, True, False), (24, True, False), (25, True, True), (9999, True, True), (25, False, False)],
)
def test_many_pending_sims_are_swept_while_the_filter_is_trusted(
    pending: int, trusted: bool, answer: bool
) -> None:
    situation = Situation(pending=pending, expecting=0, trusted=trusted)
    assert sweeps(WATCHING, situation) is answer


@pytest.mark.parametrize(("expecting", "pause"), [(0, 2.0), (50, 2.0), (51, 15.0), (100, 15.0)])
def test_sweeps_are_only_a_safety_net_while_most_callbacks_are_to_come(
    expecting: int, pause: float
) -> None:
    assert sweep_pause(WATCHING, Situation(pending=100, expecting=expecting), 0.1) == pause


def test_a_sweep_takes_no_more_than_half_of_the_time() -> None:
    assert sweep_pause(WATCHING, Situation(pending=100, expecting=0), 9.0) == 9.0


@given(reads=st.integers(0, 10_000), draw=st.floats(0, 1))
def test_a_pause_between_reads_stays_within_its_bounds(reads: int, draw: float) -> None:
    pause = read_pause(WATCHING, reads, draw, expecting=False)
    assert 0.1 <= pause <= min(30.0, 2.0 ** min(reads, 60))


def test_pauses_between_reads_double_until_the_longest() -> None:
    pauses = [read_pause(WATCHING, reads, 1.0, expecting=False) for reads in range(8)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_the_longest_pause_wins_over_a_longer_first_one() -> None:
    watching = Watching(first=100.0, longest=5.0)
    assert read_pause(watching, 0, 0.0, expecting=False) == 5.0


@pytest.mark.parametrize("reads", [0, 3, 99])
def test_reads_are_only_a_safety_net_while_a_callback_is_to_come(reads: int) -> None:
    assert read_pause(WATCHING, reads, 0.5, expecting=True) == 15.0


@pytest.mark.parametrize(
    ("absent", "population", "answer"),
    [
        (1, None, False),
        (2, None, True),  # the first walk tells what a walk costs
        (1, 10, False),
        (2, 10, True),
        (50, 50_000, False),
        (51, 50_000, True),
        (51, 50_001, False),
        (0, 0, False),
    ],
)
def test_a_walk_is_taken_when_it_has_fewer_requests_than_single_reads(
    absent: int, population: int | None, answer: bool
) -> None:
    assert walk_instead(absent, population) is answer

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from asyncsim.core.polling import (
    ListSize,
    PollState,
    list_pause,
    next_list_request,
    project_size,
    read_pause,
    scan_pays,
    should_scan,
    should_sweep,
)
from asyncsim.core.settings import Watching

WATCHING = Watching()


def poll_state(pending: int, expecting: int = 0, **more: object) -> PollState:
    return PollState(pending=pending, expecting=expecting, **more)  # type: ignore[arg-type]  # mixed value types


@pytest.mark.parametrize(
    ("pending", "healthy", "expected"),
    [(0, True, False), (24, True, False), (25, True, True), (9999, True, True), (25, False, False)],
)
def test_25_or_more_pending_sims_are_swept_while_the_filter_is_healthy(
    pending: int, healthy: bool, expected: bool
) -> None:
    assert should_sweep(WATCHING, poll_state(pending, healthy=healthy)) is expected


@pytest.mark.parametrize(("pending", "expected"), [(24, True), (2, True), (1, False), (0, False)])
def test_a_running_sweep_continues_down_to_the_last_two_sims(pending: int, expected: bool) -> None:
    assert should_sweep(WATCHING, poll_state(pending, by_list=True)) is expected


def test_sweep_from_1_sweeps_a_single_sim() -> None:
    assert should_sweep(Watching(sweep_from=1), poll_state(1, by_list=True))


# Pauses between list requests.


@pytest.mark.parametrize(("expecting", "pause"), [(0, 2.0), (50, 2.0), (51, 15.0), (100, 15.0)])
def test_list_requests_use_the_safety_interval_while_most_callbacks_are_due(
    expecting: int, pause: float
) -> None:
    assert list_pause(WATCHING, poll_state(100, expecting), 1, 0.1) == pause


def test_list_pauses_grow_with_sqrt_of_age_and_requests_and_shrink_with_sqrt_of_waits() -> None:
    base = list_pause(WATCHING, poll_state(10, age=20.0), 1, 0.0)
    assert base == pytest.approx(20**0.5)
    assert list_pause(WATCHING, poll_state(10, age=80.0), 1, 0.0) == pytest.approx(2 * base)
    assert list_pause(WATCHING, poll_state(10, age=20.0), 4, 0.0) == pytest.approx(2 * base)
    assert list_pause(WATCHING, poll_state(40, age=20.0), 4, 0.0) == pytest.approx(base)


@pytest.mark.parametrize(
    ("expecting", "age", "pause"),
    [
        (0, 60.0, 2.0),
        (0, 200.0, 6.0),
        (0, 600.0, 15.0),
        (50_000, 200.0, 15.0),
        (50_000, 400.0, 20.0),
    ],
)
def test_list_pauses_are_3_percent_of_the_age_however_many_sims_are_pending(
    expecting: int, age: float, pause: float
) -> None:
    state = poll_state(50_000, expecting, age=age)
    assert list_pause(WATCHING, state, 50, 0.5) == pytest.approx(pause)


@pytest.mark.parametrize(("expecting", "longest"), [(0, 15.0), (1, 60.0)])
def test_list_pauses_are_bounded(expecting: int, longest: float) -> None:
    assert list_pause(WATCHING, poll_state(1, expecting, age=1e9), 1, 0.0) == longest


def test_sweep_every_wins_over_a_shorter_safety_interval() -> None:
    assert list_pause(Watching(sweep_every=40.0), poll_state(100, age=5.0), 1, 0.0) == 40.0


def test_list_requests_pause_for_a_quarter_of_the_time_they_take() -> None:
    assert list_pause(WATCHING, poll_state(100), 1, 36.0) == 9.0


# Sweep or list scan.


@pytest.mark.parametrize(
    ("pending", "lists", "requests"), [(25, 1, 1), (25, 2, 2), (1000, 2, 2), (28_001, 1, 29)]
)
def test_a_sweep_takes_one_page_per_1000_sims_and_at_least_one_per_list(
    pending: int, lists: int, requests: int
) -> None:
    request = next_list_request(poll_state(pending, lists=lists), ListSize(), found=9999)
    assert (request.scan, request.requests) == (False, requests)


@pytest.mark.parametrize(
    ("pages", "found", "scan"),
    [(3, 0, True), (4, 10, False), (4, 11, True), (60, 1463, False), (60, 1465, True)],
)
def test_a_list_scan_comes_first_when_no_longer_than_a_sweep_or_when_it_pays(
    pages: int, found: int, scan: bool
) -> None:
    list_size = ListSize(pages=pages, seconds=pages * 0.6, whole=True)
    request = next_list_request(poll_state(3000), list_size, found)
    assert (request.scan, request.requests) == (scan, pages if scan else 3)


def test_no_list_scan_comes_first_while_the_list_size_is_unknown() -> None:
    assert not next_list_request(poll_state(3000), ListSize(pages=1), found=3000).scan


@pytest.mark.parametrize(
    ("absent", "pages", "seconds", "expected"),
    [(1, 1, 0.5, False), (2, 1, 0.5, True), (114, 50, 1.0, False), (116, 50, 1.0, True)],
)
def test_the_longer_a_list_scan_takes_the_more_requests_it_must_save(
    absent: int, pages: int, seconds: float, expected: bool
) -> None:
    list_size = ListSize(pages=pages, seconds=seconds)
    assert scan_pays(absent, poll_state(absent), list_size) is expected


def test_a_list_scan_pays_sooner_while_single_reads_would_delay_posts() -> None:
    list_size = ListSize(pages=50, seconds=1.0)
    assert not scan_pays(86, poll_state(86, posts_pending=86), list_size)
    assert scan_pays(86, poll_state(86, posts_pending=87), list_size)


def test_the_size_of_a_list_scan_is_projected_from_the_sims_seen_so_far() -> None:
    projected = project_size(1, 0.6, waits=99, seen=1)
    assert (projected.pages, projected.whole) == (50, False)
    assert projected.seconds == pytest.approx(30.0)
    assert project_size(7, 4.2, waits=99, seen=99).pages == 7


def test_a_size_projected_from_few_waits_is_measured_again_with_many() -> None:
    projected = project_size(1, 0.6, waits=100, seen=0)
    assert not should_scan(60, poll_state(200), projected)
    assert should_scan(60, poll_state(201), projected)
    assert not should_scan(60, poll_state(201), ListSize(pages=100, seconds=60.0, whole=True))


# Single reads.


@given(reads=st.integers(0, 10_000), draw=st.floats(0, 1), age=st.floats(0, 1e6))
def test_a_pause_between_reads_stays_within_its_bounds(reads: int, draw: float, age: float) -> None:
    pause = read_pause(WATCHING, reads, draw, expecting=False, age=age)
    assert 0.1 <= pause <= min(30.0, max(2.0 ** min(reads, 60), age / 4))


def test_pauses_between_reads_double_until_the_longest() -> None:
    pauses = [read_pause(WATCHING, reads, 1.0, expecting=False) for reads in range(8)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_an_old_wait_is_not_read_at_the_pace_of_a_new_one() -> None:
    assert read_pause(WATCHING, 0, 1.0, expecting=False, age=80.0) == 20.0


def test_longest_wins_over_a_longer_first() -> None:
    watching = Watching(first=100.0, longest=5.0)
    assert read_pause(watching, 0, 0.0, expecting=False) == 5.0


@pytest.mark.parametrize("reads", [0, 3, 99])
def test_reads_use_the_safety_interval_while_a_callback_is_due(reads: int) -> None:
    assert read_pause(WATCHING, reads, 0.5, expecting=True) == 15.0


# Every value of clocks and counters gives a plan.

ANY_SECONDS = st.floats() | st.floats(-1e9, 1e9)
COUNTS = st.integers(0, 10**7)
POLL_STATES = st.builds(
    PollState,
    pending=COUNTS,
    expecting=COUNTS,
    age=ANY_SECONDS,
    posts_pending=COUNTS,
    lists=st.integers(1, 3),
    by_list=st.booleans(),
    healthy=st.booleans(),
)
LIST_SIZES = st.builds(
    ListSize, pages=st.integers(0, 10**5), seconds=ANY_SECONDS, whole=st.booleans(), basis=COUNTS
)
SECONDS = st.floats(0.001, 1e6)
WATCHINGS = st.builds(
    Watching,
    first=SECONDS,
    longest=SECONDS,
    sweep_from=st.integers(1, 1000),
    sweep_every=SECONDS,
    safety_every=SECONDS,
)


@given(WATCHINGS, POLL_STATES, COUNTS, ANY_SECONDS)
def test_the_pause_before_a_list_request_is_never_zero_or_infinite(
    watching: Watching, state: PollState, requests: int, took: float
) -> None:
    pause = list_pause(watching, state, requests, took)
    least = min(watching.sweep_every, watching.safety_every)
    assert least <= pause < math.inf


@given(WATCHINGS, COUNTS, st.floats(0.0, 1.0), st.booleans(), ANY_SECONDS)
def test_the_pause_before_a_read_is_never_zero_or_infinite(
    watching: Watching, reads: int, draw: float, expecting: bool, age: float
) -> None:
    pause = read_pause(watching, reads, draw, expecting=expecting, age=age)
    assert 0.0 < pause <= max(watching.longest, watching.safety_every)


@given(POLL_STATES, LIST_SIZES, COUNTS)
def test_every_state_gives_a_decision(state: PollState, list_size: ListSize, number: int) -> None:
    assert should_sweep(WATCHING, state) in (True, False)
    assert next_list_request(state, list_size, number).requests >= 0
    assert should_scan(number, state, list_size) in (True, False)
    assert scan_pays(number, state, list_size) in (True, False)


@given(st.integers(1, 10**5), ANY_SECONDS, COUNTS, COUNTS)
def test_every_partial_scan_gives_a_projection(
    pages: int, seconds: float, waits: int, seen: int
) -> None:
    projected = project_size(pages, seconds, waits, seen)
    assert projected.pages >= 0
    assert projected.seconds >= 0.0

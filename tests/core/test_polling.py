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


def situation(pending: int, expecting: int = 0, **more: object) -> PollState:
    return PollState(pending=pending, expecting=expecting, **more)  # type: ignore[arg-type]  # of several types


@pytest.mark.parametrize(
    ("pending", "healthy", "answer"),
    [(0, True, False), (24, True, False), (25, True, True), (9999, True, True), (25, False, False)],
)
def test_many_pending_sims_are_swept_while_the_filter_is_trusted(
    pending: int, healthy: bool, answer: bool
) -> None:
    assert should_sweep(WATCHING, situation(pending, healthy=healthy)) is answer


@pytest.mark.parametrize(("pending", "answer"), [(24, True), (2, True), (1, False), (0, False)])
def test_what_is_left_of_many_is_swept_down_to_the_last_two(pending: int, answer: bool) -> None:
    assert should_sweep(WATCHING, situation(pending, by_list=True)) is answer


def test_whoever_wants_sweeps_for_one_has_them_for_one() -> None:
    assert should_sweep(Watching(sweep_from=1), situation(1, by_list=True))


# Pauses between looks.


@pytest.mark.parametrize(("expecting", "pause"), [(0, 2.0), (50, 2.0), (51, 15.0), (100, 15.0)])
def test_looks_are_only_a_safety_net_while_most_callbacks_are_to_come(
    expecting: int, pause: float
) -> None:
    assert list_pause(WATCHING, situation(100, expecting), 1, 0.1) == pause


def test_pauses_grow_with_the_root_of_age_and_requests_and_shrink_with_that_of_waits() -> None:
    base = list_pause(WATCHING, situation(10, age=20.0), 1, 0.0)
    assert base == pytest.approx(20**0.5)
    assert list_pause(WATCHING, situation(10, age=80.0), 1, 0.0) == pytest.approx(2 * base)
    assert list_pause(WATCHING, situation(10, age=20.0), 4, 0.0) == pytest.approx(2 * base)
    assert list_pause(WATCHING, situation(40, age=20.0), 4, 0.0) == pytest.approx(base)


@pytest.mark.parametrize(("expecting", "longest"), [(0, 15.0), (1, 60.0)])
def test_pauses_between_looks_are_bounded(expecting: int, longest: float) -> None:
    assert list_pause(WATCHING, situation(1, expecting, age=1e9), 1, 0.0) == longest


def test_a_pause_between_sweeps_that_is_longer_than_the_safety_nets_wins() -> None:
    assert list_pause(Watching(sweep_every=40.0), situation(100, age=5.0), 1, 0.0) == 40.0


def test_looks_leave_a_fifth_of_the_time_to_others() -> None:
    assert list_pause(WATCHING, situation(100), 1, 36.0) == 9.0


# Sweep or walk.


@pytest.mark.parametrize(
    ("pending", "lists", "requests"), [(25, 1, 1), (25, 2, 2), (1000, 2, 2), (28_001, 1, 29)]
)
def test_a_sweep_takes_a_page_for_each_1000_and_each_list(
    pending: int, lists: int, requests: int
) -> None:
    look = next_list_request(situation(pending, lists=lists), ListSize(), found=9999)
    assert (look.scan, look.requests) == (False, requests)


@pytest.mark.parametrize(
    ("pages", "found", "walk"),
    [(3, 0, True), (4, 10, False), (4, 11, True), (60, 1463, False), (60, 1465, True)],
)
def test_a_walk_is_begun_with_when_it_is_no_longer_than_a_sweep_or_will_pay(
    pages: int, found: int, walk: bool
) -> None:
    fleet = ListSize(pages=pages, seconds=pages * 0.6, whole=True)
    look = next_list_request(situation(3000), fleet, found)
    assert (look.scan, look.requests) == (walk, pages if walk else 3)


def test_no_walk_is_begun_with_on_a_guess() -> None:
    assert not next_list_request(situation(3000), ListSize(pages=1), found=3000).scan


@pytest.mark.parametrize(
    ("absent", "pages", "seconds", "answer"),
    [(1, 1, 0.5, False), (2, 1, 0.5, True), (114, 50, 1.0, False), (116, 50, 1.0, True)],
)
def test_a_walk_pays_when_it_saves_requests_the_more_the_longer_it_takes(
    absent: int, pages: int, seconds: float, answer: bool
) -> None:
    fleet = ListSize(pages=pages, seconds=seconds)
    assert scan_pays(absent, situation(absent), fleet) is answer


def test_a_walk_pays_sooner_while_each_read_would_hold_up_a_post() -> None:
    fleet = ListSize(pages=50, seconds=1.0)
    assert not scan_pays(86, situation(86, posts_pending=86), fleet)
    assert scan_pays(86, situation(86, posts_pending=87), fleet)


def test_a_walk_is_projected_from_those_seen_so_far() -> None:
    guess = project_size(1, 0.6, waits=99, seen=1)
    assert (guess.pages, guess.whole) == (50, False)
    assert guess.seconds == pytest.approx(30.0)
    assert project_size(7, 4.2, waits=99, seen=99).pages == 7


def test_what_was_guessed_from_a_few_waits_is_guessed_again_from_many() -> None:
    guess = project_size(1, 0.6, waits=100, seen=0)
    assert not should_scan(60, situation(200), guess)
    assert should_scan(60, situation(201), guess)
    assert not should_scan(60, situation(201), ListSize(pages=100, seconds=60.0, whole=True))


# Single reads.


@given(reads=st.integers(0, 10_000), draw=st.floats(0, 1), age=st.floats(0, 1e6))
def test_a_pause_between_reads_stays_within_its_bounds(reads: int, draw: float, age: float) -> None:
    pause = read_pause(WATCHING, reads, draw, expecting=False, age=age)
    assert 0.1 <= pause <= min(30.0, max(2.0 ** min(reads, 60), age / 4))


def test_pauses_between_reads_double_until_the_longest() -> None:
    pauses = [read_pause(WATCHING, reads, 1.0, expecting=False) for reads in range(8)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_who_has_waited_for_long_is_not_read_as_if_it_were_new() -> None:
    assert read_pause(WATCHING, 0, 1.0, expecting=False, age=80.0) == 20.0


def test_the_longest_pause_wins_over_a_longer_first_one() -> None:
    watching = Watching(first=100.0, longest=5.0)
    assert read_pause(watching, 0, 0.0, expecting=False) == 5.0


@pytest.mark.parametrize("reads", [0, 3, 99])
def test_reads_are_only_a_safety_net_while_a_callback_is_to_come(reads: int) -> None:
    assert read_pause(WATCHING, reads, 0.5, expecting=True) == 15.0


# Whatever clocks and counters say, there is a plan.

ANY_SECONDS = st.floats() | st.floats(-1e9, 1e9)
COUNTS = st.integers(0, 10**7)
SITUATIONS = st.builds(
    PollState,
    pending=COUNTS,
    expecting=COUNTS,
    age=ANY_SECONDS,
    posts_pending=COUNTS,
    lists=st.integers(1, 3),
    by_list=st.booleans(),
    healthy=st.booleans(),
)
FLEETS = st.builds(
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


@given(WATCHINGS, SITUATIONS, COUNTS, ANY_SECONDS)
def test_there_is_always_a_next_look_and_it_is_neither_at_once_nor_never(
    watching: Watching, now: PollState, requests: int, took: float
) -> None:
    pause = list_pause(watching, now, requests, took)
    least = min(watching.sweep_every, watching.safety_every)
    assert least <= pause < math.inf


@given(WATCHINGS, COUNTS, st.floats(0.0, 1.0), st.booleans(), ANY_SECONDS)
def test_there_is_always_a_next_read_and_it_is_neither_at_once_nor_never(
    watching: Watching, reads: int, draw: float, expecting: bool, age: float
) -> None:
    pause = read_pause(watching, reads, draw, expecting=expecting, age=age)
    assert 0.0 < pause <= max(watching.longest, watching.safety_every)


@given(SITUATIONS, FLEETS, COUNTS)
def test_there_is_always_a_choice(now: PollState, fleet: ListSize, number: int) -> None:
    assert should_sweep(WATCHING, now) in (True, False)
    assert next_list_request(now, fleet, number).requests >= 0
    assert should_scan(number, now, fleet) in (True, False)
    assert scan_pays(number, now, fleet) in (True, False)


@given(st.integers(1, 10**5), ANY_SECONDS, COUNTS, COUNTS)
def test_there_is_always_a_guess(pages: int, seconds: float, waits: int, seen: int) -> None:
    guess = project_size(pages, seconds, waits, seen)
    assert guess.pages >= 0
    assert guess.seconds >= 0.0

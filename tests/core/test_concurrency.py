from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from asyncsim.core.concurrency import AdaptiveLimit
from asyncsim.core.settings import Throttle
from tests.core.simulation import simulate


def limit_of(*, ceiling: float = math.inf, slow: float = 7.5, **settings: float) -> AdaptiveLimit:
    return AdaptiveLimit(Throttle(**settings), ceiling=ceiling, slow=slow)  # type: ignore[arg-type]  # some are whole


def fill(limit: AdaptiveLimit) -> None:
    while limit.has_room:
        limit.started()


def test_it_begins_at_the_given_limit_within_its_bounds() -> None:
    assert limit_of().value == 64
    assert limit_of(limit=2000, maximum=512).value == 512
    assert limit_of(limit=4, minimum=10).value == 10
    assert limit_of(ceiling=20).value == 20
    assert limit_of(minimum=30, ceiling=20).value == 20  # a pool has no more connections


def test_there_is_room_up_to_the_limit() -> None:
    limit = limit_of(limit=2)
    limit.started()
    assert limit.has_room
    limit.started()
    assert not limit.has_room
    limit.abandoned()
    assert limit.has_room


def test_before_the_first_refusal_it_doubles_with_each_round() -> None:
    limit = limit_of(limit=10)
    fill(limit)
    for _ in range(10):
        limit.accepted(0.1, 0.1)
        fill(limit)
    assert limit.value == 20


def test_it_does_not_grow_while_there_is_room_to_spare() -> None:
    limit = limit_of(limit=10)
    limit.started()
    limit.accepted(0.1, 0.1)
    assert limit.value == 10


def test_it_does_not_grow_while_answers_are_slow() -> None:
    limit = limit_of(limit=1, slow=0.5)
    limit.started()
    limit.accepted(1.0, 0.51)
    assert limit.value == 1
    limit.started()
    limit.accepted(2.0, 0.5)
    assert limit.value == 2


def test_it_never_grows_above_its_ceiling() -> None:
    limit = limit_of(limit=9.5, maximum=10)
    for _ in range(5):
        fill(limit)
        limit.accepted(0.1, 0.1)
    assert limit.value == 10


def test_a_refusal_brings_it_to_just_below_what_is_in_flight_and_accepted() -> None:
    limit = limit_of(limit=64)
    fill(limit)
    for _ in range(24):
        assert limit.throttled(1.0) == 0.0
    assert limit.in_flight == 40
    assert limit.value == pytest.approx(0.95 * 40)


def test_a_refusal_never_raises_it() -> None:
    limit = limit_of(limit=10)
    for _ in range(30):
        limit.started()
    limit.throttled(1.0)
    assert limit.value == 10


def test_growth_speeds_up_with_the_time_since_the_last_refusal() -> None:
    steps = []
    for later in (0.0, 0.1, 0.5, 100.0):
        limit = limit_of(limit=20)
        fill(limit)
        limit.throttled(0.0)
        before = limit.value
        fill(limit)
        limit.accepted(later, 0.1)
        steps.append(limit.value - before)
    assert steps == sorted(steps)
    assert steps[0] == pytest.approx(0.5 / (0.95 * 19))
    assert steps[0] < steps[1] < steps[-1]
    assert steps[-1] == 1.0


def test_only_refusals_at_the_minimum_pause_and_ever_longer() -> None:
    limit = limit_of(limit=1)
    pauses, now = [], 0.0
    for _ in range(10):
        limit.started()
        pauses.append(limit.throttled(now))
        now += pauses[-1]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    limit.started()
    limit.accepted(now, 0.1)
    limit.started()
    limit.throttled(now)
    limit.started()
    assert limit.throttled(now + 1) == 0.5  # the acceptance began it anew


def test_a_volley_of_refusals_at_the_minimum_is_one_pause() -> None:
    limit = limit_of(limit=10, minimum=10)
    fill(limit)
    assert [limit.throttled(0.01 * n) for n in range(10)] == [0.25] + [0.0] * 9
    fill(limit)
    assert limit.throttled(0.25) == 0.5


def test_a_refusal_of_the_only_request_in_flight_pauses() -> None:
    limit = limit_of(limit=64)
    limit.started()
    assert limit.throttled(0.0) == 0.25
    assert limit.value == 1


def test_an_answer_that_did_not_come_slows_down_without_a_pause() -> None:
    limit = limit_of(limit=20)
    fill(limit)
    limit.overloaded(1.0)
    assert limit.value == pytest.approx(0.95 * 19)
    assert limit.throttled_at == 1.0


def test_what_was_abandoned_says_nothing_about_the_limit() -> None:
    limit = limit_of(limit=20)
    fill(limit)
    limit.abandoned()
    assert (limit.value, limit.in_flight, limit.throttled_at) == (20, 19, None)


def test_a_cap_lowers_the_ceiling_and_never_raises_it() -> None:
    limit = limit_of(limit=64, minimum=8)
    limit.cap(5)
    assert (limit.value, limit.ceiling) == (5, 5)
    limit.cap(100)
    assert limit.ceiling == 5
    limit.started()
    assert limit.throttled(0.0) == 0.25
    assert limit.value == 5  # its minimum now


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "accepted", "refused", "overloaded", "abandoned"]),
            st.floats(0, 2),
        ),
        max_size=200,
    )
)
def test_it_stays_between_minimum_and_ceiling_whatever_happens(
    happenings: list[tuple[str, float]],
) -> None:
    limit = limit_of(limit=8, minimum=2, maximum=16)
    now = 0.0
    for name, later in happenings:
        now += later
        if name == "start" and limit.has_room:
            limit.started()
        elif name != "start" and limit.in_flight:
            if name == "accepted":
                limit.accepted(now, later)
            elif name == "refused":
                assert 0 <= limit.throttled(now) <= 30
            elif name == "overloaded":
                limit.overloaded(now)
            else:
                limit.abandoned()
        assert 2 <= limit.value <= 16
        assert 0 <= limit.in_flight <= 16


# A server of 100 slots and 50 ms does 2,000 a second: 10,000 requests take 5 s at the least.


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("begin", [8, 64, 1024])
def test_it_finds_the_servers_limit_and_stays_there(begin: int, seed: int) -> None:
    found = simulate(limit_of(limit=begin), 10_000, lambda now: 100, seed=seed)
    assert found.seconds <= 1.10 * 5.0
    assert found.refused <= 0.02 * 10_000 + max(0, begin - 100)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_follows_a_servers_limit_that_falls_and_rises_again(seed: int) -> None:
    def slots(now: float) -> int:
        return 20 if 1.0 <= now < 3.0 else 100

    # 2,000 in the first second, 400 in each of the next two, 2,000 in each second after.
    bound = 3.0 + (10_000 - 2_000 - 2 * 400) / 2_000
    found = simulate(limit_of(), 10_000, slots, seed=seed)
    assert found.seconds <= 1.10 * bound
    assert found.refused <= 0.02 * 10_000


def test_a_server_of_one_slot_is_served_one_by_one() -> None:
    found = simulate(limit_of(), 500, lambda now: 1)
    assert found.seconds <= 1.5 * 500 * 0.05


def test_it_does_not_outgrow_its_maximum_at_a_server_without_limit() -> None:
    found = simulate(limit_of(maximum=200), 10_000, lambda now: 10_000)
    assert found.highest == 200
    assert found.refused == 0

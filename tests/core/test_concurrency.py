from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from asyncsim.core.concurrency import AdaptiveLimit
from asyncsim.core.settings import Throttle
from tests.core.simulation import simulate


def limit_of(*, ceiling: float = math.inf, slow: float = 7.5, **settings: float) -> AdaptiveLimit:
    return AdaptiveLimit(Throttle(**settings), ceiling=ceiling, slow=slow)  # type: ignore[arg-type]  # some are int


def fill(limit: AdaptiveLimit) -> None:
    while limit.has_room:
        limit.started()


def test_the_initial_limit_is_clamped_to_its_bounds() -> None:
    assert limit_of().value == 64
    assert limit_of(limit=2000, maximum=512).value == 512
    assert limit_of(limit=4, minimum=10).value == 10
    assert limit_of(ceiling=20).value == 20
    assert limit_of(minimum=30, ceiling=20).value == 20  # the connection pool has no more


def test_there_is_room_up_to_the_limit() -> None:
    limit = limit_of(limit=2)
    limit.started()
    assert limit.has_room
    limit.started()
    assert not limit.has_room
    limit.abandoned()
    assert limit.has_room


def test_the_limit_doubles_each_round_until_the_first_429() -> None:
    limit = limit_of(limit=10)
    fill(limit)
    for _ in range(10):
        limit.accepted(0.1, 0.1)
        fill(limit)
    assert limit.value == 20


def test_the_limit_does_not_grow_while_slots_are_free() -> None:
    limit = limit_of(limit=10)
    limit.started()
    limit.accepted(0.1, 0.1)
    assert limit.value == 10


def test_the_limit_does_not_grow_while_responses_are_slow() -> None:
    limit = limit_of(limit=1, slow=0.5)
    limit.started()
    limit.accepted(1.0, 0.51)
    assert limit.value == 1
    limit.started()
    limit.accepted(2.0, 0.5)
    assert limit.value == 2


def test_the_limit_never_grows_above_its_ceiling() -> None:
    limit = limit_of(limit=9.5, maximum=10)
    for _ in range(5):
        fill(limit)
        limit.accepted(0.1, 0.1)
    assert limit.value == 10


def test_a_429_lowers_the_limit_to_just_below_the_accepted_requests_in_flight() -> None:
    limit = limit_of(limit=64)
    fill(limit)
    for _ in range(24):
        assert limit.throttled(1.0) == 0.0
    assert limit.in_flight == 40
    assert limit.value == pytest.approx(0.95 * 40)


def test_a_429_never_raises_the_limit() -> None:
    limit = limit_of(limit=10)
    for _ in range(30):
        limit.started()
    limit.throttled(1.0)
    assert limit.value == 10


def test_growth_speeds_up_with_the_time_since_the_last_429() -> None:
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


def test_only_429s_at_the_minimum_pause_and_pauses_double_up_to_30_seconds() -> None:
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
    assert limit.throttled(now + 1) == 0.5  # reset by the accepted request


def test_a_burst_of_429s_at_the_minimum_causes_one_pause() -> None:
    limit = limit_of(limit=10, minimum=10)
    fill(limit)
    assert [limit.throttled(0.01 * n) for n in range(10)] == [0.25] + [0.0] * 9
    fill(limit)
    assert limit.throttled(0.25) == 0.5


def test_a_429_of_the_only_request_in_flight_causes_a_pause() -> None:
    limit = limit_of(limit=64)
    limit.started()
    assert limit.throttled(0.0) == 0.25
    assert limit.value == 1


def test_a_missing_response_lowers_the_limit_without_a_pause() -> None:
    limit = limit_of(limit=20)
    fill(limit)
    limit.overloaded(1.0)
    assert limit.value == pytest.approx(0.95 * 19)
    assert limit.throttled_at == 1.0


def test_an_abandoned_request_leaves_the_limit_unchanged() -> None:
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
    assert limit.value == 5  # now its minimum


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "accepted", "throttled", "overloaded", "abandoned"]),
            st.floats(0, 2),
        ),
        max_size=200,
    )
)
def test_the_limit_stays_between_minimum_and_ceiling_in_any_order_of_events(
    events: list[tuple[str, float]],
) -> None:
    limit = limit_of(limit=8, minimum=2, maximum=16)
    now = 0.0
    for name, later in events:
        now += later
        if name == "start" and limit.has_room:
            limit.started()
        elif name != "start" and limit.in_flight:
            if name == "accepted":
                limit.accepted(now, later)
            elif name == "throttled":
                assert 0 <= limit.throttled(now) <= 30
            elif name == "overloaded":
                limit.overloaded(now)
            else:
                limit.abandoned()
        assert 2 <= limit.value <= 16
        assert 0 <= limit.in_flight <= 16


# A server of 100 slots at 50 ms handles 2,000 requests a second: 10,000 take at least 5 s.


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("begin", [8, 64, 1024])
def test_the_limit_converges_to_the_servers_limit(begin: int, seed: int) -> None:
    found = simulate(limit_of(limit=begin), 10_000, lambda now: 100, seed=seed)
    assert found.seconds <= 1.10 * 5.0
    assert found.throttled <= 0.02 * 10_000 + max(0, begin - 100)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_limit_follows_a_server_limit_that_drops_and_recovers(seed: int) -> None:
    def slots(now: float) -> int:
        return 20 if 1.0 <= now < 3.0 else 100

    # 2,000 in the first second, 400 in each of the next two, 2,000 in each second after.
    bound = 3.0 + (10_000 - 2_000 - 2 * 400) / 2_000
    found = simulate(limit_of(), 10_000, slots, seed=seed)
    assert found.seconds <= 1.10 * bound
    assert found.throttled <= 0.02 * 10_000


def test_a_server_with_one_slot_gets_one_request_at_a_time() -> None:
    found = simulate(limit_of(), 500, lambda now: 1)
    assert found.seconds <= 1.5 * 500 * 0.05


def test_the_limit_stops_at_its_maximum_with_an_unlimited_server() -> None:
    found = simulate(limit_of(maximum=200), 10_000, lambda now: 10_000)
    assert found.highest == 200
    assert found.throttled == 0

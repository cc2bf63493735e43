from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from asyncsim.core.concurrency import AdaptiveLimit
from asyncsim.core.settings import Throttle
from asyncsim.core.shared_limit import (
    DEAD_AFTER,
    TICK,
    LeasedLimit,
    LimitGrant,
    LimitReport,
    SharedTotal,
    divide,
)
from tests.core.shared_simulation import SharedWorld, bound_of

DEMANDS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 60), min_size=1)


def leased(**settings: float) -> LeasedLimit:
    return LeasedLimit(AdaptiveLimit(Throttle(**settings), ceiling=math.inf))  # type: ignore[arg-type]  # some are int


def grant(share: int, **facts: float) -> LimitGrant:
    values = {"standing": 1, "total": 100.0, "falls": 0, "since_429": 60.0}
    values |= {"pause": 0.0, "vendor_pause": 0.0, "every": TICK, "wake": False, **facts}
    return LimitGrant(share=share, **values)  # type: ignore[arg-type]


def fill(limit: LeasedLimit) -> None:
    while limit.has_room:
        limit.started()


def report_all(total: SharedTotal, demands: dict[str, int], now: float) -> dict[str, LimitGrant]:
    return {
        name: total.exchange(name, LimitReport(demand=demand), now)
        for name, demand in demands.items()
    }


# The division.


def test_all_get_what_they_need_while_there_is_enough() -> None:
    assert divide(100, {"a": 10, "b": 60, "c": 0}) == {"a": 10, "b": 60, "c": 0}


def test_those_that_lack_permits_have_the_same_share() -> None:
    assert divide(100, {"a": 10, "b": 60, "c": 500}) == {"a": 10, "b": 45, "c": 45}


def test_what_cannot_be_divided_goes_to_others_each_turn() -> None:
    demands = dict.fromkeys("abc", 9)
    assert [divide(4, demands, turn) for turn in range(3)] == [
        {"a": 2, "b": 1, "c": 1},
        {"b": 2, "c": 1, "a": 1},
        {"c": 2, "a": 1, "b": 1},
    ]


@given(total=st.integers(0, 200), demands=DEMANDS, turn=st.integers(0, 10**9))
def test_the_division_is_max_min_fair(total: int, demands: dict[str, int], turn: int) -> None:
    shares = divide(total, demands, turn)
    assert set(shares) == set(demands)
    assert sum(shares.values()) == min(total, sum(demands.values()))
    assert all(0 <= shares[name] <= demands[name] for name in demands)
    lacking = [share for name, share in shares.items() if share < demands[name]]
    if lacking:
        assert max(shares.values()) <= min(lacking) + 1


@given(
    total=st.integers(1, 20), demands=st.dictionaries(st.integers().map(str), st.integers(1, 30))
)
def test_nobody_starves_even_if_there_are_more_processes_than_permits(
    total: int, demands: dict[str, int]
) -> None:
    turns = [divide(total, demands, turn) for turn in range(len(demands))]
    assert all(any(shares[name] for shares in turns) for name in demands)


# The exchange.


def test_one_process_alone_may_use_the_whole_total() -> None:
    total = SharedTotal(64.0)
    assert total.exchange("a", LimitReport(demand=500), 0.0).share == 64


def test_a_second_process_gets_half_once_the_first_has_returned_it() -> None:
    total = SharedTotal(64.0)
    total.exchange("a", LimitReport(demand=500), 0.0)
    begins = total.exchange("b", LimitReport(demand=500), 0.1)
    assert begins.share == 16  # the standing share: half of an equal one, at once
    assert begins.wake
    assert total.exchange("a", LimitReport(demand=500), 0.1).share == 32
    assert total.exchange("b", LimitReport(demand=500), 0.2).share == 32


def test_an_idle_process_holds_no_permits_but_may_begin_at_once() -> None:
    total = SharedTotal(64.0)
    idle = total.exchange("a", LimitReport(demand=0), 0.0)
    assert (idle.share, total.members["a"].permits) == (32, 0)
    assert total.exchange("b", LimitReport(demand=500), 0.1).share == 64


def test_a_429_at_one_lowers_the_shares_of_all() -> None:
    total = SharedTotal(100.0)
    demands = dict.fromkeys("abcd", 500)
    for now in (0.0, 0.1):
        report_all(total, demands, now)
    assert [one.permits for one in total.members.values()] == [25] * 4
    fell = total.exchange("a", LimitReport(demand=500, fell_to=5), 0.2)
    assert fell.wake
    assert total.total == pytest.approx(0.95 * 80)
    assert [one.share for one in report_all(total, demands, 0.3).values()] == [5, 19, 19, 19]
    assert [one.share for one in report_all(total, demands, 0.4).values()] == [19] * 4


def test_reports_of_the_same_fall_only_return_what_was_not_accepted() -> None:
    total = SharedTotal(100.0)
    for now in (0.0, 0.1):
        report_all(total, dict.fromkeys("abcd", 500), now)
    for name in "abcd":
        total.exchange(name, LimitReport(demand=500, fell_to=24), 0.2)
    # 99 were accepted, not 96: those that reported later had not yet returned theirs.
    assert 0.95 * 94 <= total.total <= 0.95 * 99
    assert total.falls == 1


def test_the_total_grows_only_while_all_of_it_is_needed() -> None:
    total = SharedTotal(64.0)
    total.exchange("a", LimitReport(demand=10), 0.0)
    total.exchange("a", LimitReport(demand=10, earned=10.0), 0.1)
    assert total.total == 64.0
    total.exchange("a", LimitReport(demand=100), 0.2)
    total.exchange("a", LimitReport(demand=100, earned=10.0), 0.3)
    assert total.total == 74.0


def test_the_permits_of_a_process_that_is_not_heard_of_go_to_the_others_within_6_seconds() -> None:
    total = SharedTotal(100.0)
    for now in (0.0, 0.1):
        report_all(total, {"a": 500, "b": 500}, now)
    assert total.exchange("a", LimitReport(demand=500), 5.5).share == 50
    assert total.exchange("a", LimitReport(demand=500), 0.1 + DEAD_AFTER).share == 100
    assert DEAD_AFTER + 2 * TICK < 6.0


def test_a_process_that_returns_after_its_lease_has_lost_its_permits() -> None:
    total = SharedTotal(100.0)
    for now in (0.0, 0.1):
        report_all(total, {"a": 500, "b": 500}, now)
    for now in (3.0, 6.0):
        total.exchange("a", LimitReport(demand=500), now)
    assert total.exchange("b", LimitReport(demand=500), 6.1).share == 25


def test_a_429_at_the_minimum_pauses_all_and_pauses_double() -> None:
    total, now, pauses = SharedTotal(1.0), 0.0, []
    for _ in range(9):
        granted = total.exchange("a", LimitReport(demand=5, fell_to=0, falls=total.falls), now)
        pauses.append(granted.pause)
        now += granted.pause
        assert total.exchange("b", LimitReport(demand=5), now - 0.01).pause == pytest.approx(0.01)
    assert pauses == pytest.approx([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0])
    total.exchange("b", LimitReport(demand=5, accepted=True), now)
    assert total.exchange("a", LimitReport(demand=5, fell_to=0), now).pause == 0.25


def test_a_retry_after_holds_for_all() -> None:
    total = SharedTotal(100.0)
    assert total.exchange("a", LimitReport(demand=5, retry_after=30.0), 0.0).wake
    heard = total.exchange("b", LimitReport(demand=5), 10.0)
    assert heard.vendor_pause == pytest.approx(20.0)
    # Handed on with the delays of both ways, it must not grow.
    total.exchange("b", LimitReport(demand=5, retry_after=20.0), 10.05)
    assert total.exchange("a", LimitReport(demand=5), 30.0).vendor_pause == 0.0


STEPS = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.integers(0, 80),
        st.none() | st.integers(0, 40),
        st.floats(0, 5),
        st.sampled_from([0.0, 0.01, 0.1, 2.0, 7.0]),
    ),
    max_size=80,
)


@given(start=st.integers(1, 100), steps=STEPS)
@settings(max_examples=300)
def test_the_shares_never_exceed_the_total_beyond_the_stated_transients(
    start: int, steps: list[tuple[str, int, int | None, float, float]]
) -> None:
    total, now = SharedTotal(float(start)), 0.0
    for name, demand, fell_to, earned, later in steps:
        now += later
        alive = {
            one: member.permits
            for one, member in total.members.items()
            if now - member.seen_at < DEAD_AFTER
        }
        before = sum(alive.values())
        report = LimitReport(demand=demand, fell_to=fell_to, falls=total.falls, earned=earned)
        granted = total.exchange(name, report, now)
        held = sum(member.permits for member in total.members.values())
        own = total.members[name].permits
        # Whoever takes more than is free has at most the standing share.
        assert held <= max(int(total.total), before) or own <= granted.standing
        assert granted.share <= max(own, granted.standing)
        assert granted.standing <= max(1, total.total / (2 * len(total.members)))
    # The transients end with the next report of each, and nobody lacks what is free.
    demands = {name: member.demand for name, member in total.members.items()}
    now = math.floor(now / 2) * 2 + 0.01 + (2 if now % 2 > 1 else now % 2)
    demands = {
        name: demand
        for name, demand in demands.items()
        if now - total.members[name].seen_at < DEAD_AFTER
    }
    report_all(total, demands, now)
    assert sum(member.permits for member in total.members.values()) <= int(total.total)
    report_all(total, demands, now)
    permits = {name: member.permits for name, member in total.members.items()}
    assert permits == divide(int(total.total), demands, int(now / 2))


# The limit of a process.


def test_before_the_first_grant_a_process_uses_a_small_part_of_the_initial_limit() -> None:
    limit = leased(limit=64)
    fill(limit)
    assert limit.in_flight == 8


def test_a_limit_that_is_taken_over_keeps_its_requests_in_flight() -> None:
    alone = AdaptiveLimit(Throttle(limit=40), ceiling=math.inf)
    alone.started()
    limit = LeasedLimit(alone)
    limit.granted(grant(2), 0.0)
    fill(limit)
    assert limit.in_flight == 2
    assert limit.report(7) == LimitReport(demand=9, start=100.0)


def test_a_grant_is_the_limit_and_the_lack_of_room_asks_for_a_report() -> None:
    asked: list[bool] = []
    limit = LeasedLimit(
        AdaptiveLimit(Throttle(), ceiling=math.inf), lambda: asked.append(limit.hungry)
    )
    limit.granted(grant(3), 0.0)
    fill(limit)
    assert (limit.in_flight, asked) == (3, [True])
    assert not limit.has_room
    assert asked == [True]  # once per report
    limit.report(5)
    assert not limit.has_room
    assert asked == [True, True]


def test_responses_earn_growth_of_the_total_and_leave_the_share_unchanged() -> None:
    limit = leased()
    limit.granted(grant(10), 60.0)
    fill(limit)
    for _ in range(10):
        limit.accepted(60.1, 0.05)
        fill(limit)
    assert limit.value == 10
    report = limit.report(0)
    assert (report.earned, report.accepted) == (10.0, True)  # a minute without a 429: 1 each
    assert limit.report(0).earned == 0.0


@pytest.mark.parametrize(("seconds", "in_flight"), [(8.0, 10), (0.05, 5)])
def test_slow_responses_and_a_share_that_is_not_used_earn_nothing(
    seconds: float, in_flight: int
) -> None:
    limit = leased()
    limit.granted(grant(10), 60.0)
    for _ in range(in_flight):
        limit.started()
    limit.accepted(60.1, seconds)
    assert limit.report(0).earned == 0.0


def test_a_429_lowers_the_limit_at_once_and_is_reported() -> None:
    asked: list[bool] = []
    limit = LeasedLimit(
        AdaptiveLimit(Throttle(), ceiling=math.inf), lambda: asked.append(limit.fell)
    )
    limit.granted(grant(20, falls=3), 60.0)
    fill(limit)
    asked.clear()
    assert [limit.throttled(60.1) for _ in range(4)] == [0.0] * 4
    assert limit.value == pytest.approx(0.95 * 16)
    assert asked == [True]
    report = limit.report(0)
    assert (report.fell_to, report.falls) == (16, 3)
    assert not limit.fell


def test_a_grant_does_not_undo_a_429_that_came_after_its_report() -> None:
    limit = leased()
    limit.granted(grant(20), 60.0)
    fill(limit)
    limit.report(0)
    limit.throttled(60.1)
    limit.granted(grant(20), 60.2)
    assert limit.value == pytest.approx(0.95 * 19)
    limit.report(0)
    limit.granted(grant(18), 60.3)
    assert limit.value == 18


def test_without_the_database_a_process_adapts_within_its_last_share() -> None:
    limit = leased()
    limit.granted(grant(20, standing=6), 0.0)
    fill(limit)
    limit.throttled(0.0)
    limit.unreported(limit.report(0))
    assert limit.fell  # still to be reported
    for n in range(200):
        fill(limit)
        limit.accepted(1.0 + n, 0.05)
        assert limit.value <= 20
    assert limit.value == 20


def test_without_the_database_beyond_its_lease_a_process_keeps_the_standing_share() -> None:
    limit = leased()
    limit.granted(grant(20, standing=6), 0.0)
    limit.expired()
    assert limit.value == 6
    fill(limit)
    limit.accepted(9.0, 0.05)
    assert limit.value == 6
    limit.started()
    limit.throttled(10.0)
    assert limit.value == pytest.approx(0.95 * 5)


def test_one_that_has_no_share_gets_its_minimum_when_it_is_alone() -> None:
    limit = leased()
    limit.granted(grant(0, standing=1), 0.0)
    assert not limit.has_room
    limit.expired()
    assert limit.has_room


def test_a_limit_that_is_no_longer_shared_may_grow_to_its_own_ceiling() -> None:
    limit = leased(maximum=50)
    limit.granted(grant(2), 0.0)
    limit.alone()
    for _ in range(300):
        fill(limit)
        limit.accepted(100.0, 0.05)
    assert limit.value == 50


# Simulated: a server of 100 slots at 50 ms.


def steady(now: float) -> int:
    return 100


def falling(now: float) -> int:
    return 20 if 1.5 <= now < 3.5 else 100


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("slots", [steady, falling])
@pytest.mark.parametrize("processes", [1, 2, 4, 10])
def test_processes_converge_to_the_servers_limit_and_share_it_evenly(
    processes: int, slots: Callable[[float], int], seed: int
) -> None:
    world = SharedWorld(slots, [10_000 // processes] * processes, seed=seed)
    world.run()
    assert world.now <= 1.15 * bound_of(10_000, slots)
    assert world.throttled <= 0.021 * 10_000
    end = min(one.done_at for one in world.processes)
    served = [sum(at <= end for at in one.served) for one in world.processes]
    assert max(served) <= 1.2 * min(served)


def test_a_slow_database_costs_little() -> None:
    world = SharedWorld(falling, [2500] * 4, exchange=0.05)
    world.run()
    assert world.now <= 1.15 * bound_of(10_000, falling)
    assert world.throttled <= 0.025 * 10_000


def test_the_share_of_a_killed_process_is_in_use_again_within_6_seconds() -> None:
    world = SharedWorld(steady, [40_000] * 4)
    world.at(3.0, lambda: world.kill(world.processes[0]))
    world.run(until=3.0)
    world.run(until=9.0)
    assert world.busy >= 90
    assert all(one.limit.share >= 29 for one in world.processes[1:])


def test_a_process_without_the_database_leaves_the_others_undisturbed() -> None:
    world = SharedWorld(steady, [60_000] * 4, reachable=lambda now, name: name != "p0" or now < 3.0)
    world.run(until=20.0)
    assert 1 <= world.processes[0].limit.value <= 12.5
    served = [sum(at >= 10.0 for at in one.served) for one in world.processes]
    assert sum(served) >= 0.93 * 10 * 2000
    assert max(served[1:]) <= 1.1 * min(served[1:])
    assert world.throttled <= 0.02 * sum(one.sent for one in world.processes)


def test_without_the_database_all_go_on_with_half_and_recover_by_themselves() -> None:
    world = SharedWorld(steady, [60_000] * 4, reachable=lambda now, name: not 3.0 <= now < 13.0)
    world.run(until=12.5)
    assert 40 <= world.busy <= 52
    world.run(until=16.0)
    assert world.busy >= 85

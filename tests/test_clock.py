from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from asyncsim.clock import SYSTEM_CLOCK, ManualClock


async def test_timers_fire_in_order_at_their_times(
    clock: ManualClock,
) -> None:
    fired: list[tuple[str, float]] = []
    for name, when in (("late", 3.0), ("early", 1.0), ("middle", 2.0)):
        clock.call_at(when, lambda name=name: fired.append((name, clock.now())))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    await clock.advance(5)
    assert fired == [("early", 1.0), ("middle", 2.0), ("late", 3.0)]
    assert clock.now() == 5.0


async def test_timers_for_the_same_time_fire_in_the_order_they_were_set(clock: ManualClock) -> None:
    fired: list[int] = []
    for number in range(5):
        clock.call_at(1.0, lambda number=number: fired.append(number))  # type: ignore[misc]  # as above
    await clock.advance(1)
    assert fired == [0, 1, 2, 3, 4]


async def test_no_timer_beyond_the_target_time_fires(clock: ManualClock) -> None:
    fired: list[str] = []
    clock.call_at(1.001, lambda: fired.append("no"))
    await clock.advance(1)
    assert fired == []


async def test_a_cancelled_timer_never_fires(clock: ManualClock) -> None:
    fired: list[str] = []
    timer = clock.call_at(1, lambda: fired.append("no"))
    timer.cancel()
    timer.cancel()
    await clock.advance(2)
    assert fired == []


async def test_a_timer_in_the_past_fires_without_advancing_the_clock(clock: ManualClock) -> None:
    fired: list[float] = []
    clock.call_at(-1, lambda: fired.append(clock.now()))
    await clock.settle()
    assert fired == [0.0]


async def test_a_timer_set_by_a_timer_fires_within_the_same_advance(clock: ManualClock) -> None:
    fired: list[float] = []

    def rearm() -> None:
        fired.append(clock.now())
        if len(fired) < 3:
            clock.call_at(clock.now() + 1, rearm)

    clock.call_at(1, rearm)
    await clock.advance(10)
    assert fired == [1.0, 2.0, 3.0]


async def test_a_sleeper_wakes_at_its_time_and_not_before(clock: ManualClock) -> None:
    woken: list[float] = []

    async def sleeper() -> None:
        await clock.sleep(2)
        woken.append(clock.now())

    task = asyncio.create_task(sleeper())
    await clock.advance(1.5)
    assert woken == []
    await clock.advance(1.5)
    assert woken == [2.0]
    await task


async def test_a_cancelled_sleeper_leaves_no_timer_that_fires(clock: ManualClock) -> None:
    task = asyncio.create_task(clock.sleep(2))
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock._fire_due(10) is False


@pytest.mark.parametrize("seconds", [0, -1])
async def test_sleeping_zero_or_negative_seconds_only_yields(
    clock: ManualClock, seconds: float
) -> None:
    await clock.sleep(seconds)
    assert clock.now() == 0


async def test_work_in_flight_ends_before_the_clock_advances(clock: ManualClock) -> None:
    seen: list[float] = []
    response = asyncio.Event()

    async def work() -> None:
        with clock.working():
            await response.wait()
            seen.append(clock.now())

    task = asyncio.create_task(work())
    moving = asyncio.create_task(clock.advance(5))
    for _ in range(100):
        await asyncio.sleep(0)
    assert (clock.now(), moving.done()) == (0.0, False)
    response.set()
    await moving
    assert seen == [0.0]
    await task


async def test_waiting_work_lets_the_clock_advance(clock: ManualClock) -> None:
    async def work() -> float:
        with clock.working():
            with clock.resting():
                await clock.sleep(3)
            return clock.now()

    task = asyncio.create_task(work())
    await clock.advance(5)
    assert await task == 3.0


async def test_work_that_raises_is_no_longer_in_flight(clock: ManualClock) -> None:
    with pytest.raises(KeyError), clock.working():
        raise KeyError
    await clock.advance(1)
    assert clock.now() == 1


def test_the_date_advances_with_the_seconds() -> None:
    clock = ManualClock(60, epoch=datetime(2026, 11, 21, tzinfo=UTC))
    assert clock.utcnow() == datetime(2026, 11, 21, 0, 1, tzinfo=UTC)


@given(
    timers=st.lists(st.floats(0, 100, allow_nan=False), max_size=20),
    steps=st.lists(st.floats(0, 50, allow_nan=False), max_size=5),
)
def test_any_steps_fire_exactly_the_due_timers_in_order(
    timers: list[float], steps: list[float]
) -> None:
    async def run() -> None:
        clock = ManualClock()
        fired: list[float] = []
        for when in timers:
            clock.call_at(when, lambda: fired.append(clock.now()))
        for step in steps:
            await clock.advance(step)
        if steps:
            assert fired == sorted(when for when in timers if when <= clock.now())

    asyncio.run(run())


async def test_the_system_clock_uses_the_loops_time() -> None:
    before = asyncio.get_running_loop().time()
    assert before <= SYSTEM_CLOCK.now() <= asyncio.get_running_loop().time()
    assert abs(SYSTEM_CLOCK.utcnow() - datetime.now(UTC)) < timedelta(minutes=1)
    assert SYSTEM_CLOCK.utcnow().tzinfo is UTC


async def test_the_system_clock_calls_and_sleeps_on_the_loop() -> None:
    called = asyncio.Event()
    SYSTEM_CLOCK.call_at(SYSTEM_CLOCK.now(), called.set)
    cancelled = SYSTEM_CLOCK.call_at(SYSTEM_CLOCK.now(), lambda: pytest.fail("cancelled"))
    cancelled.cancel()
    with SYSTEM_CLOCK.working(), SYSTEM_CLOCK.resting():
        await SYSTEM_CLOCK.sleep(0)
    async with asyncio.timeout(5):
        await called.wait()


async def test_a_manual_clock_knows_the_next_due_time(clock: ManualClock) -> None:
    assert clock.next_timer is None
    first, second = clock.call_at(2.0, bool), clock.call_at(5.0, bool)
    assert clock.next_timer == 2.0
    first.cancel()
    assert clock.next_timer == 5.0
    second.cancel()
    assert clock.next_timer is None


async def test_two_tasks_that_move_it_never_move_it_backwards(clock: ManualClock) -> None:
    seen: list[float] = []
    clock.call_at(1.0, lambda: seen.append(clock.now()))
    await asyncio.gather(clock.advance(2.0), clock.advance(5.0), clock.advance(1.0))
    assert seen == [1.0]
    assert clock.now() == 5.0

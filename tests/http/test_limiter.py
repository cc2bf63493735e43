from __future__ import annotations

import asyncio
import gc
import math
import resource
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from asyncsim.clock import ManualClock
from asyncsim.core.settings import Throttle
from asyncsim.errors import ConfigurationError
from asyncsim.http import limiter as module
from asyncsim.http.limiter import ConcurrencyLimiter, SlotTimeout, shared_limiter

LATE = 1000.0


def limiter_with(
    clock: ManualClock, *, ceiling: float = math.inf, **settings: Any
) -> ConcurrencyLimiter:
    return ConcurrencyLimiter(Throttle(**settings), clock, ceiling=ceiling, slow=7.5)


def limiter_of(
    throttle: Throttle, clock: ManualClock, *, ceiling: float = math.inf
) -> ConcurrencyLimiter:
    return shared_limiter(throttle, clock, ceiling=ceiling, slow=1)


class StrictLimiter(ConcurrencyLimiter):
    """Asserts at each start that the limit had room for it."""

    def _start(self) -> None:
        super()._start()
        assert 1 <= self.limit.in_flight <= int(self.limit.value)


class Queue:
    """Names in the order in which they got a slot, or timed out."""

    def __init__(self, limiter: ConcurrencyLimiter, clock: ManualClock) -> None:
        self.limiter = limiter
        self.clock = clock
        self.entered: list[str] = []
        self.expired: list[str] = []
        self.times: list[float] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, *names: str, deadline: float = LATE, **how: bool) -> None:
        for name in names:
            self.tasks[name] = asyncio.create_task(self._enter(name, deadline, how))
            await self.clock.settle()

    async def _enter(self, name: str, deadline: float, how: dict[str, Any]) -> None:
        try:
            await self.limiter.acquire(deadline, **how)
        except SlotTimeout:
            self.expired.append(name)
        else:
            self.entered.append(name)
            self.times.append(self.clock.now())

    async def end(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def test_slots_are_granted_in_order_of_arrival(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=1)
    queue = Queue(limiter, clock)
    await queue.add("a", "b", "c")
    assert queue.entered == ["a"]
    for _ in range(2):
        limiter.release()
        await clock.settle()
    assert queue.entered == ["a", "b", "c"]
    assert limiter.limit.in_flight == 1


async def test_urgent_requests_go_first(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=1)
    queue = Queue(limiter, clock)
    await queue.add("a", "b", "c")
    await queue.add("sweep", "read", urgent=True)
    for _ in range(4):
        limiter.release()
        await clock.settle()
    assert queue.entered == ["a", "sweep", "read", "b", "c"]


async def test_every_fifth_slot_goes_to_a_normal_request(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=1)
    queue = Queue(limiter, clock)
    await queue.add("a", "b", "c")
    await queue.add(*"123456789", urgent=True)
    for _ in range(11):
        limiter.release()
        await clock.settle()
    assert "".join(queue.entered) == "a1234b5678c9"


async def test_a_throttled_request_returns_to_the_front_of_its_queue(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=3)
    queue = Queue(limiter, clock)
    await queue.add("a", "b", "c", "d", "e")
    limiter.throttled(None)  # c; two are in flight now and the limit is 1
    await queue.add("c retried", front=True)
    assert limiter.limit.value == pytest.approx(1.9)
    for _ in range(2):
        limiter.release()
        await clock.settle()
    assert queue.entered == ["a", "b", "c", "c retried"]
    limiter.release()
    await clock.settle()
    assert queue.entered[-1] == "d"
    await queue.end()


async def test_a_new_request_does_not_overtake_the_queue(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=2)
    assert limiter.try_acquire()
    assert limiter.try_acquire()
    assert not limiter.try_acquire()
    queue = Queue(limiter, clock)
    await queue.add("a")
    limiter.release()
    assert not limiter.try_acquire()
    await clock.settle()
    assert queue.entered == ["a"]


async def test_a_request_that_queues_too_long_times_out_and_takes_no_slot(
    clock: ManualClock,
) -> None:
    limiter = limiter_with(clock, limit=1)
    queue = Queue(limiter, clock)
    await queue.add("a")
    await queue.add("b", deadline=5.0)
    await queue.add("c", deadline=10.0)
    await clock.advance(4.999)
    assert queue.expired == []
    await clock.advance(0.001)
    assert queue.expired == ["b"]
    limiter.release()
    await clock.settle()
    assert queue.entered == ["a", "c"]
    assert limiter.limit.in_flight == 1


async def test_after_its_deadline_a_request_gets_no_slot_even_if_there_is_room(
    clock: ManualClock,
) -> None:
    limiter = limiter_with(clock)
    await clock.advance(5)
    with pytest.raises(SlotTimeout):
        await limiter.acquire(5.0, front=True)
    assert limiter.limit.in_flight == 0


async def test_a_request_that_leaves_the_queue_does_not_hold_up_the_others(
    clock: ManualClock,
) -> None:
    limiter = limiter_with(clock, limit=1)
    queue = Queue(limiter, clock)
    await queue.add("a", "b", "c")
    queue.tasks["b"].cancel()
    await clock.settle()
    limiter.release()
    await clock.settle()
    assert queue.entered == ["a", "c"]
    assert limiter.limit.in_flight == 1


async def test_a_request_cancelled_while_it_is_granted_a_slot_passes_the_slot_on(
    clock: ManualClock,
) -> None:
    limiter = limiter_with(clock, limit=1)
    queue = Queue(limiter, clock)
    await queue.add("a", "b", "c")
    limiter.release()  # b has the slot now, and has not run yet
    queue.tasks["b"].cancel()
    await clock.settle()
    assert queue.entered == ["a", "c"]
    assert limiter.limit.in_flight == 1


async def test_a_request_cancelled_while_it_times_out_is_cancelled(
    clock: ManualClock,
) -> None:
    limiter = limiter_with(clock, limit=1)
    queue = Queue(limiter, clock)
    await queue.add("a")
    await queue.add("b", deadline=5.0)
    clock.call_at(5.0, queue.tasks["b"].cancel)
    await clock.advance(5.0)
    assert queue.tasks["b"].cancelled()
    assert limiter.limit.in_flight == 1


async def test_the_limiter_keeps_nothing_when_all_requests_have_gone(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=1, max_rps=1)
    queue = Queue(limiter, clock)
    await queue.add("a", "b", "c", "d")
    await queue.add("e", deadline=0.5)
    limiter.throttled(20.0)
    await clock.advance(1.0)
    for name in "bcd":
        queue.tasks[name].cancel()
    await clock.settle()
    assert queue.expired == ["e"]
    assert not limiter._urgent
    assert not limiter._normal
    assert limiter._timer is None


async def test_starts_are_spaced_by_max_rps(clock: ManualClock) -> None:
    limiter = limiter_with(clock, max_rps=4)
    queue = Queue(limiter, clock)
    await queue.add(*"abcde")
    await clock.advance(10)
    assert queue.times == [0.0, 0.25, 0.5, 0.75, 1.0]


async def test_unused_time_is_not_saved_up_for_a_burst(clock: ManualClock) -> None:
    limiter = limiter_with(clock, max_rps=4)
    queue = Queue(limiter, clock)
    await queue.add("a")
    await clock.advance(60)
    await queue.add("b", "c", "d")
    await clock.advance(10)
    assert queue.times == [0.0, 60.0, 60.25, 60.5]


async def test_a_late_timer_is_compensated(clock: ManualClock) -> None:
    limiter = limiter_with(clock, max_rps=10)
    assert limiter.try_acquire()
    await clock.advance(0.15)
    assert limiter.try_acquire()  # 0.05 late
    await clock.advance(0.05)
    assert limiter.try_acquire()


async def test_retry_after_pauses_all_requests_urgent_ones_too(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=10)
    queue = Queue(limiter, clock)
    await queue.add("a", "b")
    limiter.throttled(7.0)
    await queue.add("c")
    await queue.add("sweep", urgent=True)
    assert not limiter.try_acquire()
    await clock.advance(6.9)
    assert queue.entered == ["a", "b"]
    await clock.advance(0.1)
    assert queue.entered == ["a", "b"]  # one is in flight, and the limit is 1
    limiter.release()
    await clock.settle()
    assert queue.entered == ["a", "b", "sweep"]
    await queue.end()


async def test_a_429_above_the_minimum_limit_does_not_pause(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=20)
    for _ in range(20):
        limiter.try_acquire()
    limiter.throttled(None)
    limiter.release()
    limiter.release()
    assert limiter.try_acquire()


async def test_a_retry_after_of_zero_cannot_undo_the_pause_at_the_minimum(
    clock: ManualClock,
) -> None:
    limiter = limiter_with(clock, limit=1)
    limiter.try_acquire()
    limiter.throttled(0.0)
    assert not limiter.try_acquire()
    await clock.advance(0.25)
    assert limiter.try_acquire()


async def test_a_later_429_does_not_shorten_a_longer_pause(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=10)
    for _ in range(5):
        limiter.try_acquire()
    limiter.throttled(9.0)
    limiter.throttled(1.0)
    await clock.advance(8.9)
    assert not limiter.try_acquire()


async def test_a_timeout_frees_the_slot_and_lowers_the_limit(clock: ManualClock) -> None:
    limiter = limiter_with(clock, limit=4)
    for _ in range(4):
        limiter.try_acquire()
    limiter.timed_out()
    assert limiter.limit.in_flight == 3
    assert limiter.limit.value == pytest.approx(0.95 * 3)


async def test_the_limit_is_at_most_a_quarter_of_the_open_files(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for soft, ceiling in [(256, 64), (2, 1), (resource.RLIM_INFINITY, 1024)]:
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert limiter_with(clock).limit.ceiling == ceiling


async def test_the_limit_is_at_most_the_connectors(clock: ManualClock) -> None:
    assert limiter_with(clock, ceiling=10).limit.value == 10


# One Throttle, several clients, several loops.


async def test_clients_that_share_a_throttle_share_its_limiter_and_the_lower_ceiling(
    clock: ManualClock,
) -> None:
    throttle = Throttle()
    first = limiter_of(throttle, clock)
    second = limiter_of(throttle, clock, ceiling=50)
    assert first is second
    assert first.limit.ceiling == 50
    assert limiter_of(Throttle(), clock) is not first


def run(work: Coroutine[Any, Any, ConcurrencyLimiter]) -> ConcurrencyLimiter:
    """Run in a loop of its own, which is closed afterwards."""
    return asyncio.run(work)


def test_after_the_end_of_its_loop_a_throttle_gets_a_new_limiter(clock: ManualClock) -> None:
    throttle = Throttle()

    async def use() -> ConcurrencyLimiter:
        return limiter_of(throttle, clock)

    assert run(use()) is not run(use())


async def test_a_throttle_in_use_in_another_loop_is_rejected(clock: ManualClock) -> None:
    throttle = Throttle()
    limiter_of(throttle, clock)

    async def use() -> ConcurrencyLimiter:
        return limiter_of(throttle, clock)

    with pytest.raises(ConfigurationError, match="a Throttle of its own"):
        await asyncio.to_thread(run, use())


async def test_a_limiter_is_freed_with_its_throttle(clock: ManualClock) -> None:
    throttle = Throttle()
    limiter = weakref.ref(limiter_of(throttle, clock, ceiling=9))
    del throttle
    gc.collect()
    assert limiter() is None
    assert not [one for one in module._limiters.values() if one.limit.ceiling == 9]


# Invariants, for any sequence of steps.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "enter",
                "urgent",
                "left",
                "accepted",
                "throttled",
                "wait",
                "timed out",
                "cancel",
                "time",
            ]
        ),
        st.integers(0, 9),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(steps=STEPS, max_rps=st.sampled_from([None, 5.0]))
def test_no_slot_is_lost_or_invented_and_every_waiting_request_is_served_or_times_out(
    steps: list[tuple[str, int]], max_rps: float | None
) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        throttle = Throttle(limit=3, maximum=5, max_rps=max_rps)
        limiter = StrictLimiter(throttle, clock, ceiling=math.inf, slow=1)
        queue = Queue(limiter, clock)
        gone = 0

        def check() -> None:
            held = len(queue.entered) - gone
            assert limiter.limit.in_flight == held >= 0
            assert held <= 5

        for number, (step, amount) in enumerate(steps):
            await take(step, amount, f"{number}", limiter, queue, clock)
            if step in ("left", "accepted", "throttled", "wait", "timed out"):
                gone += queue_left(limiter, queue, step, amount, gone)
            await clock.settle()
            check()
        for _ in range(500):  # release all slots until the queue is empty
            while len(queue.entered) > gone:
                limiter.release()
                gone += 1
            await clock.advance(1)
            if all(task.done() for task in queue.tasks.values()):
                break
        check()
        assert all(task.done() for task in queue.tasks.values())
        assert not limiter._urgent
        assert not limiter._normal

    asyncio.run(scenario())


async def take(
    step: str, amount: int, name: str, limiter: ConcurrencyLimiter, queue: Queue, clock: ManualClock
) -> None:
    if step in ("enter", "urgent"):
        await queue.add(name, deadline=clock.now() + 1 + amount, urgent=step == "urgent")
    elif step == "cancel" and queue.tasks:
        list(queue.tasks.values())[amount % len(queue.tasks)].cancel()
    elif step == "time":
        await clock.advance(amount / 4)


def queue_left(limiter: ConcurrencyLimiter, queue: Queue, step: str, amount: int, gone: int) -> int:
    """Free one slot, if any is held; returns how many were freed."""
    if len(queue.entered) <= gone:
        return 0
    if step == "left":
        limiter.release()
    elif step == "accepted":
        limiter.release(amount / 4)
    elif step == "timed out":
        limiter.timed_out()
    else:
        limiter.throttled(float(amount) if step == "wait" else None)
    return 1

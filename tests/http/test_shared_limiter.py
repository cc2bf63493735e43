from __future__ import annotations

import pytest

from asyncsim.clock import ManualClock
from asyncsim.core.shared_limit import LimitReport, SharedTotal
from asyncsim.http.limiter import ConcurrencyLimiter, PauseTooLong
from tests.http.test_limiter import LATE, Queue, limiter_with


def do_nothing() -> None:
    """Nobody reports here but the test."""


def report(total: SharedTotal, limiter: ConcurrencyLimiter, name: str, clock: ManualClock) -> None:
    """What the task of a process does, without a database."""
    assert limiter.lease is not None
    told = limiter.lease.report(limiter.queued, limiter.vendor_pause)
    grant = total.exchange(name, told, clock.now())
    limiter.lease.granted(grant, clock.now())
    limiter.pause(grant.pause, grant.vendor_pause)


async def test_a_limit_is_shared_and_unshared_while_requests_are_in_flight(
    clock: ManualClock,
) -> None:
    limiter = limiter_with(clock, limit=4)
    queue = Queue(limiter, clock)
    await queue.add("a", "b", "c")
    lease = limiter.share(do_nothing)
    await queue.add("d")
    assert queue.entered == ["a", "b", "c"]  # of an unknown total, a process begins with little
    assert limiter.queued == 1
    report(SharedTotal(64.0), limiter, "me", clock)
    await clock.settle()
    assert queue.entered == ["a", "b", "c", "d"]
    assert limiter.limit.in_flight == 4
    limiter.unshare(lease)
    assert limiter.lease is None
    await queue.add("e")
    for _ in range(5):
        limiter.release(0.1)
    await clock.settle()
    assert (queue.entered[-1], limiter.limit.in_flight) == ("e", 0)


async def test_the_end_of_an_earlier_share_leaves_the_next_one_alone(clock: ManualClock) -> None:
    """A service may close the client that shared it first after it has opened the next one."""
    limiter = limiter_with(clock, limit=4)
    first = limiter.share(do_nothing)
    second = limiter.share(do_nothing)
    report(SharedTotal(64.0), limiter, "me", clock)
    limiter.unshare(first)
    assert limiter.lease is limiter.limit is second
    assert second.leased
    limiter.unshare(second)
    assert limiter.lease is None
    assert not second.leased


async def test_a_limiter_asks_for_permits_only_when_it_lacks_some(clock: ManualClock) -> None:
    limiter, asked = limiter_with(clock), [0]

    def changed() -> None:
        asked[0] += 1

    lease = limiter.share(changed)
    for _ in range(lease.share):
        assert limiter.try_acquire()
    assert asked == [0]
    assert not limiter.try_acquire()
    assert asked == [1]


async def test_a_smaller_share_starts_nothing_until_enough_has_ended(clock: ManualClock) -> None:
    limiter, total = limiter_with(clock, limit=8), SharedTotal(8.0)
    limiter.share(do_nothing)
    report(total, limiter, "me", clock)
    queue = Queue(limiter, clock)
    await queue.add(*"abcdefgh")
    report(total, limiter, "me", clock)
    await queue.add("i")
    await clock.settle()
    assert queue.entered == list("abcdefgh")
    total.exchange("other", LimitReport(demand=50), clock.now())
    report(total, limiter, "me", clock)
    for _ in range(4):
        limiter.release(0.1)
        await clock.settle()
        assert len(queue.entered) == 8
    limiter.release(0.1)
    await clock.settle()
    assert queue.entered[-1] == "i"
    await queue.end()


async def test_a_retry_after_of_another_process_holds_here(clock: ManualClock) -> None:
    total = SharedTotal(64.0)
    one, other = limiter_with(clock), limiter_with(clock)
    for limiter in (one, other):
        limiter.share(do_nothing)
    assert one.try_acquire()
    one.throttled(30.0)
    report(total, one, "one", clock)
    report(total, other, "other", clock)
    queue = Queue(other, clock)
    await queue.add("a")
    with pytest.raises(PauseTooLong):
        await other.acquire(LATE, latest=clock.now() + 10)
    await clock.advance(29.9)
    report(total, other, "other", clock)
    assert queue.entered == []
    await clock.advance(0.1)
    assert queue.entered == ["a"]
    assert queue.times == [30.0]


async def test_a_pause_at_the_minimum_holds_for_all_processes(clock: ManualClock) -> None:
    total = SharedTotal(1.0)
    one, other = limiter_with(clock), limiter_with(clock)
    for name, limiter in {"one": one, "other": other}.items():
        limiter.share(do_nothing)
        report(total, limiter, name, clock)
    assert one.try_acquire()
    one.throttled(None)
    report(total, one, "one", clock)
    report(total, other, "other", clock)
    queue = Queue(other, clock)
    await queue.add("a", deadline=LATE)
    assert queue.entered == []
    await clock.advance(0.25)
    assert queue.entered == ["a"]

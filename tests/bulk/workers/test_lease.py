from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from asyncsim.bulk.errors import LeaseLost
from asyncsim.bulk.journal.claims import DEAD_AFTER
from asyncsim.bulk.lease import Lease, Moment
from asyncsim.clock import ManualClock
from asyncsim.errors import JournalError


async def hangs() -> None:
    await asyncio.get_running_loop().create_future()


async def test_it_lasts_until_shortly_before_the_owner_counts_as_dead(clock: ManualClock) -> None:
    lease = Lease(clock, seconds=6.0, margin=0.5)
    assert lease.remaining() == 5.5
    await clock.advance(5.4)
    lease.check()
    await clock.advance(0.1)
    assert lease.remaining() == 0.0
    with pytest.raises(LeaseLost, match="could not reach its database"):
        lease.check("update Sim HS1")


async def test_a_heartbeat_extends_it_from_when_it_was_sent(clock: ManualClock) -> None:
    lease = Lease(clock, seconds=DEAD_AFTER)
    await clock.advance(2.0)
    sent = Moment.now(clock)
    await clock.advance(3.0)  # the response takes that long
    lease.renewed(sent)
    assert lease.remaining() == 2.5


async def test_a_heartbeat_that_was_overtaken_does_not_shorten_it(clock: ManualClock) -> None:
    lease = Lease(clock, seconds=DEAD_AFTER)
    first = Moment.now(clock)
    await clock.advance(2.0)
    lease.renewed(Moment.now(clock))
    lease.renewed(first)
    assert lease.remaining() == 5.5


async def test_once_it_has_ended_nothing_revives_it(clock: ManualClock) -> None:
    lease = Lease(clock, seconds=DEAD_AFTER)
    await clock.advance(5.0)
    sent = Moment.now(clock)
    await clock.advance(1.0)
    lease.renewed(sent)  # its response came too late: another worker may have read the SIMs by now
    assert lease.ended


class SuspendedClock(ManualClock):
    """A machine that was suspended: its monotonic clock stood still, its date did not."""

    asleep = 0.0

    def utcnow(self):  # type: ignore[no-untyped-def]
        return super().utcnow() + timedelta(seconds=self.asleep)


async def test_it_ends_while_the_machine_is_suspended() -> None:
    clock = SuspendedClock()
    lease = Lease(clock, seconds=DEAD_AFTER)
    clock.asleep = 6.0
    assert lease.ended


async def test_its_end_is_reported_once_and_by_itself(clock: ManualClock) -> None:
    lease, ends = Lease(clock, seconds=DEAD_AFTER), []
    lease.on_end(lambda: ends.append(clock.now()))
    await clock.advance(4.0)
    lease.renewed(Moment.now(clock))
    await clock.advance(100.0)
    lease.end()
    assert ends == [9.5]


async def test_it_cuts_an_exchange_in_flight(clock: ManualClock) -> None:
    lease = Lease(clock, seconds=DEAD_AFTER)
    exchange = asyncio.create_task(lease.limit("update Sim HS1", hangs()))
    await clock.advance(5.4)
    assert not exchange.done()
    await clock.advance(0.1)
    with pytest.raises(LeaseLost, match="it may have been carried out") as caught:
        await exchange
    assert caught.value.sent
    assert isinstance(caught.value, JournalError)
    assert exchange.cancelling() == 0


async def test_a_chunk_that_another_worker_owns_cuts_all_its_exchanges_at_once(
    clock: ManualClock,
) -> None:
    lease = Lease(clock, seconds=DEAD_AFTER)
    exchanges = [asyncio.create_task(lease.limit("update", hangs())) for _ in range(3)]
    await clock.settle()
    lease.end()
    ends = await asyncio.gather(*exchanges, return_exceptions=True)
    assert [type(one) for one in ends] == [LeaseLost] * 3
    assert clock.next_timer is None


async def test_heartbeats_keep_an_exchange_alive(clock: ManualClock) -> None:
    lease = Lease(clock, seconds=DEAD_AFTER)
    answered = asyncio.get_running_loop().create_future()
    exchange = asyncio.create_task(lease.limit("update", answered))
    for _ in range(10):
        await clock.advance(2.0)
        lease.renewed(Moment.now(clock))
    answered.set_result("response")
    assert await exchange == "response"
    lease.close()
    assert clock.next_timer is None


async def test_a_cancellation_by_others_stays_one(clock: ManualClock) -> None:
    lease = Lease(clock, seconds=DEAD_AFTER)
    exchange = asyncio.create_task(lease.limit("update", hangs()))
    await clock.settle()
    exchange.cancel()
    lease.end()
    with pytest.raises(asyncio.CancelledError):
        await exchange

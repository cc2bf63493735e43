from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from asyncsim import Client, Throttle
from asyncsim.bulk.actions import Action
from asyncsim.bulk.send import SendPace, SendPacer
from asyncsim.clock import ManualClock
from asyncsim.core.shared_limit import LimitReport, SharedTotal


@pytest.mark.parametrize("action", [Action.SEND, Action.UPDATE])
async def test_a_share_of_none_of_the_permits_holds_a_job_up_no_longer_than_it_lasts(
    action: Action,
) -> None:
    total = SharedTotal(1.0)
    for _ in range(2):  # the other process has the only permit
        total.exchange("another", LimitReport(demand=9), 0.0)
    async with Client.twilio("AC" + 32 * "0", "secret") as client:
        limiter: Any = client.context._limiter
        lease = limiter.share(lambda: None)
        lease.granted(total.exchange("me", lease.report(9), 0.0), 0.0)
        lease.granted(total.exchange("me", lease.report(9), 0.1), 0.1)
        assert client.concurrency_limit == 0
        task: Any = SimpleNamespace(context=client.context, action=action)
        async with asyncio.timeout(10):
            await SendPacer(task).wait()


async def test_the_chunks_of_a_worker_have_no_more_texts_in_doubt_than_requests_at_once(
    clock: ManualClock,
) -> None:
    throttle = Throttle(limit=3, maximum=3)
    async with Client.twilio("AC" + 32 * "0", "secret", throttle=throttle, clock=clock) as client:
        task: Any = SimpleNamespace(context=client.context, action=Action.SEND)
        pace = SendPace()
        first, second = SendPacer(task, pace), SendPacer(task, pace)
        for row in (1, 2):
            await first.wait()
            first.sending(row)
        await second.wait()
        second.sending(1)
        more = [asyncio.create_task(one.wait()) for one in (first, second)]
        await clock.advance(60.0)
        assert not any(one.done() for one in more)
        second.finished(1)
        second.finished(1)  # counted once
        async with asyncio.timeout(10):
            await asyncio.gather(*more)
        assert pace.in_flight.total() == 2
        first.close()  # its chunk was handed back
        assert pace.in_flight.total() == 0


async def test_updates_leave_room_for_texts() -> None:
    throttle = Throttle(limit=3, maximum=3)
    async with Client.twilio("AC" + 32 * "0", "secret", throttle=throttle) as client:
        pace = SendPace()
        tasks: list[Any] = [
            SimpleNamespace(context=client.context, action=one)
            for one in (Action.UPDATE, Action.SEND)
        ]
        updates, texts = (SendPacer(task, pace) for task in tasks)
        for row in range(22):  # as many as may be
            await updates.wait()
            updates.sending(row)
        async with asyncio.timeout(10):
            await texts.wait()


async def test_an_outage_is_one_for_all_chunks_of_a_worker(clock: ManualClock) -> None:
    async with Client.twilio("AC" + 32 * "0", "secret", clock=clock) as client:
        task: Any = SimpleNamespace(context=client.context, action=Action.UPDATE)
        pace = SendPace()
        first, second = SendPacer(task, pace), SendPacer(task, pace)
        for _ in range(20):
            first.reached_vendor(responded=False)
        waiting = asyncio.create_task(second.wait())
        await clock.advance(0.9)
        assert not waiting.done()
        await clock.advance(0.1)
        assert waiting.done()
        first.reached_vendor(responded=True)
        async with asyncio.timeout(10):
            await second.wait()

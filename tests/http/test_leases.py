"""Changes that are sent only while a lease lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, TraceConfig

from asyncsim.bulk.errors import LeaseLost
from asyncsim.bulk.journal.claims import DEAD_AFTER
from asyncsim.bulk.lease import Lease, Moment
from asyncsim.clock import ManualClock
from asyncsim.core.retry import Idempotency
from asyncsim.core.settings import Throttle
from asyncsim.http.content import make_body
from asyncsim.http.request import Request
from tests.http.conftest import Bench
from tests.http.server import HANG, Server


class OwnersClock(ManualClock):
    """The clock of the lease alone; the client's does not move while a request is in flight."""

    def freeze(self, seconds: float) -> None:
        """Let time pass without any timer: the whole process stood still."""
        self._now += seconds


@pytest.fixture
def owners_clock() -> OwnersClock:
    return OwnersClock()


@pytest.fixture
async def lease(owners_clock: OwnersClock) -> AsyncIterator[Lease]:
    one = Lease(owners_clock, seconds=DEAD_AFTER)
    yield one
    one.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # sockets of real time
            await asyncio.sleep(0.001)


def change(bench: Bench, lease: Lease, kind: Idempotency = Idempotency.CHECK_FIRST) -> Request:
    body = make_body("Status=active")
    return bench.request("POST", kind, body=body, lease=lease)


@pytest.mark.parametrize("kind", [Idempotency.CHECK_FIRST, Idempotency.UNSAFE])
async def test_a_request_in_flight_is_cut_when_the_lease_ends(
    bench: Bench, server: Server, lease: Lease, owners_clock: OwnersClock, kind: Idempotency
) -> None:
    server.plan(HANG)
    request = change(bench, lease, kind)
    sending = asyncio.create_task(bench.sender().send(request))
    await server.arrival()
    await owners_clock.advance(5.5)
    with pytest.raises(LeaseLost) as caught:
        await sending
    assert caught.value.sent
    assert request.in_doubt
    assert bench.limiter.limit.in_flight == 0
    await until(lambda: server.in_flight == 0)  # the connection is closed, too
    assert len(server.received) == 1


async def test_a_heartbeat_lets_a_request_in_flight_end(
    bench: Bench, server: Server, lease: Lease, owners_clock: OwnersClock
) -> None:
    answer = asyncio.Event()

    async def slowly(_: object) -> Any:
        await answer.wait()
        server.otherwise = None
        return await server._next(server.received[0])

    server.otherwise = slowly
    sending = asyncio.create_task(bench.sender().send(change(bench, lease)))
    await server.arrival()
    for _ in range(10):
        await owners_clock.advance(2.0)
        lease.renewed(Moment.now(owners_clock))
    answer.set()
    assert (await sending).status == 200


async def test_a_lease_that_ends_while_the_request_queues_lets_it_not_be_sent(
    bench: Bench, server: Server, lease: Lease, owners_clock: OwnersClock
) -> None:
    answer = asyncio.Event()

    async def slowly(_: object) -> Any:
        await answer.wait()
        server.otherwise = None
        return await server._next(server.received[0])

    server.otherwise = slowly
    sender = bench.sender(throttle=Throttle(limit=1, maximum=1))
    first = asyncio.create_task(sender.send(bench.request()))
    await server.arrival()
    second = asyncio.create_task(sender.send(change(bench, lease)))
    await until(lambda: sender.queued == 1)
    await owners_clock.advance(6.0)
    answer.set()
    await first
    with pytest.raises(LeaseLost, match="nothing was sent") as caught:
        await second
    assert not caught.value.sent
    assert [one.method for one in server.received] == ["GET"]
    assert bench.limiter.limit.in_flight == 0


async def test_a_throttled_change_is_not_resent_after_its_lease(
    bench: Bench, server: Server, lease: Lease, owners_clock: OwnersClock
) -> None:
    async def throttled(_: object) -> Any:
        owners_clock.freeze(6.0)
        server.plan(429)
        return await server._next(server.received[0])

    server.otherwise = throttled
    error = await bench.fails(bench.sender().send(change(bench, lease)), LeaseLost)
    assert not error.sent
    assert len(server.received) == 1


async def test_a_process_that_was_frozen_while_it_connected_sends_nothing(
    bench: Bench, server: Server, lease: Lease, owners_clock: OwnersClock
) -> None:
    async def frozen(*_: object) -> None:
        owners_clock.freeze(60.0)

    trace = TraceConfig()
    trace.on_connection_create_end.append(frozen)
    async with ClientSession(trace_configs=[trace]) as session:
        sender = bench.sender(session=session)
        request = change(bench, lease, Idempotency.UNSAFE)
        error = await bench.fails(sender.send(request), LeaseLost)
    assert not error.sent
    assert server.received == []
    assert bench.limiter.limit.in_flight == 0

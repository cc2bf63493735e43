"""Retry-After: which values are honoured, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from asyncsim import (
    Client,
    Hosts,
    OutcomeUnknown,
    QueueTimeout,
    RateLimited,
    RetryPolicy,
    ServerError,
    Throttle,
    Timeout,
)
from asyncsim.clock import ManualClock
from tests.http.conftest import Bench
from tests.http.server import Received, ScriptedResponse, Server

SID = "HS" + "1" * 32
SIM = {"sid": SID, "status": "active", "account_sid": "AC" + "1" * 32}
Open = Callable[..., Client]


def busy_response(status: int, header: str, **more: str) -> ScriptedResponse:
    return ScriptedResponse(status, {"message": "busy"}, {"Retry-After": header, **more})


@pytest.fixture
async def open_client(server: Server, clock: ManualClock) -> AsyncIterator[Open]:
    """Make clients of the scripted server."""
    async with AsyncExitStack() as stack:

        def make(**settings: Any) -> Client:
            hosts = Hosts(supersim=server.url, token=f"{server.url}/token")
            settings = {"hosts": hosts, "clock": clock, **settings}
            client = Client.twilio("AC" + "1" * 32, "token", **settings)
            stack.push_async_callback(client.close)
            return client

        yield make


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("seconds", [6.0, 6.5])
async def test_seconds_and_fractions_are_honoured(
    bench: Bench, server: Server, open_client: Open, status: int, seconds: float
) -> None:
    server.plan(busy_response(status, f"{seconds:g}"), ScriptedResponse(200, SIM))
    fetching = asyncio.ensure_future(open_client().supersim.sims.fetch(SID))
    await bench.clock.advance(seconds - 0.1)
    assert len(server.received) == 1
    await bench.clock.advance(0.1)
    assert (await fetching).status == "active"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_date_is_honoured(
    bench: Bench, server: Server, open_client: Open, status: int
) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.plan(busy_response(status, until), ScriptedResponse(200, SIM))
    fetching = asyncio.ensure_future(open_client().supersim.sims.fetch(SID))
    await bench.clock.advance(50)
    assert len(server.received) == 1
    await bench.clock.advance(11)
    assert (await fetching).status == "active"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["0", "-3", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_a_date_in_the_past_means_a_pause_of_at_least_base(
    bench: Bench, server: Server, open_client: Open, status: int, header: str
) -> None:
    server.plan(busy_response(status, header), ScriptedResponse(200, SIM))
    client = open_client(retry=RetryPolicy(base=1.0, cap=2.0), throttle=Throttle(minimum=8))
    fetching = asyncio.ensure_future(client.supersim.sims.fetch(SID))
    await bench.clock.advance(0.9)
    assert len(server.received) == 1
    await bench.run(fetching)
    assert 1.0 <= bench.clock.now() <= 2.0


async def test_429s_with_retry_after_0_still_pause_and_end_with_the_queue_timeout(
    bench: Bench, server: Server, open_client: Open
) -> None:
    server.plan(*[busy_response(429, "0")] * 1000)
    client = open_client(timeout=Timeout(queue=60.0), throttle=Throttle(minimum=8))
    await bench.fails(client.supersim.sims.fetch(SID), QueueTimeout)
    assert bench.clock.now() <= 60.25
    assert len(server.received) < 80


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["301", "1000000000", "9" * 400])
async def test_a_retry_after_beyond_the_longest_pause_raises_at_once_and_says_how_long(
    bench: Bench, server: Server, open_client: Open, status: int, header: str
) -> None:
    server.plan(busy_response(status, header))
    kind = RateLimited if status == 429 else ServerError
    error = await bench.fails(open_client().supersim.sims.fetch(SID), kind)
    assert error.retry_after == float(header)
    assert "the server asks for a pause of" in str(error)
    assert (bench.clock.now(), len(server.received)) == (0.0, 1)


async def test_the_longest_pause_is_a_setting(
    bench: Bench, server: Server, open_client: Open
) -> None:
    server.plan(busy_response(503, "20"), busy_response(503, "21"))
    client = open_client(retry=RetryPolicy(longest_pause=20.0))
    error = await bench.fails(client.supersim.sims.fetch(SID), ServerError)
    assert error.retry_after == 21.0
    assert bench.clock.now() == 20.0


async def test_a_429_with_a_retry_after_beyond_the_queue_timeout_raises_at_once(
    bench: Bench, server: Server, open_client: Open
) -> None:
    server.plan(busy_response(429, "11"))
    client = open_client(timeout=Timeout(queue=10.0))
    error = await bench.fails(client.supersim.sims.fetch(SID), RateLimited)
    assert error.retry_after == 11.0
    assert bench.clock.now() == 0.0


async def test_a_pause_of_all_requests_is_no_longer_than_the_longest(
    bench: Bench, server: Server, open_client: Open
) -> None:
    server.plan(busy_response(429, "1000000000"), ScriptedResponse(200, SIM))
    sims = open_client(retry=RetryPolicy(longest_pause=30.0)).supersim.sims
    await bench.fails(sims.fetch(SID), RateLimited)
    await bench.run(sims.fetch(SID))
    assert 30.0 <= bench.clock.now() <= 30.25


async def test_a_request_that_queues_behind_too_long_a_pause_fails_at_once(
    bench: Bench, server: Server, open_client: Open
) -> None:
    server.plan(busy_response(429, "200"))
    client = open_client(timeout=Timeout(queue=100.0), throttle=Throttle(limit=1, maximum=1))
    fetches = [asyncio.ensure_future(client.supersim.sims.fetch(SID)) for _ in range(3)]
    await bench.fails(fetches[0], RateLimited)
    for one in (*fetches[1:], client.supersim.sims.fetch(SID)):
        error = await bench.fails(one, QueueTimeout)
        assert error.retry_after == 200.0
        assert not error.sent
        assert "longer than this call may wait; nothing was sent" in str(error)
    assert (bench.clock.now(), len(server.received)) == (0.0, 1)


# The deadline of the caller.


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["11", "299", "1000000000"])
async def test_a_retry_after_does_not_outlast_the_deadline_of_an_awaited_change(
    bench: Bench, server: Server, open_client: Open, status: int, header: str
) -> None:
    async def busy(_: Received) -> ScriptedResponse:
        return busy_response(status, header)

    server.otherwise = busy
    waiting = open_client().supersim.sims.update_and_wait(SID, status="active", timeout=10)
    error = await bench.fails(waiting, RateLimited if status == 429 else ServerError)
    assert error.retry_after == float(header)
    # A 503 may have been carried out, so the SIM is read for as long as the wait may last.
    assert bench.clock.now() == (0.0 if status == 429 else 10.0)


async def test_pauses_add_up_to_the_deadline_of_the_caller(
    bench: Bench, server: Server, open_client: Open
) -> None:
    async def busy(_: Received) -> ScriptedResponse:
        return busy_response(429, "4")

    server.otherwise = busy
    waiting = open_client().supersim.sims.update_and_wait(SID, status="active", timeout=10)
    error = await bench.fails(waiting, RateLimited)
    assert error.retry_after == 4.0
    assert bench.clock.now() == 8.0


async def test_one_of_many_requests_ends_as_soon_as_its_deadline_cannot_be_met(
    bench: Bench, server: Server, open_client: Open
) -> None:
    server.plan(busy_response(429, "60"))
    sims = open_client().supersim.sims
    run = sims.update_many({SID: {"status": "active"}}, timeout=30)
    outcome = await bench.run(anext(run))
    assert isinstance(outcome.error, RateLimited)
    assert bench.clock.now() == 0.0
    await run.aclose()


# 408, 421, 425.


@pytest.mark.parametrize("status", [421, 425])
async def test_an_unprocessed_request_is_resent_even_a_create(
    bench: Bench, server: Server, open_client: Open, status: int
) -> None:
    command = {"sid": "HC1", "status": "queued", "sim_sid": SID, "account_sid": "AC1"}
    server.plan(ScriptedResponse(status, "<html>"), ScriptedResponse(201, command))
    commands = open_client().supersim.sms_commands
    assert (await bench.run(commands.create(sim=SID, payload="x"))).sid == "HC1"
    assert [one.method for one in server.received] == ["POST", "POST"]


async def test_a_408_is_as_ambiguous_as_a_503(
    bench: Bench, server: Server, open_client: Open
) -> None:
    server.plan(408)
    create = open_client().supersim.sms_commands.create(sim=SID, payload="x")
    await bench.fails(create, OutcomeUnknown)
    assert len(server.received) == 1


async def test_an_update_that_got_a_408_is_read_back_before_it_is_resent(
    bench: Bench, server: Server, open_client: Open
) -> None:
    server.plan(408, ScriptedResponse(200, {**SIM, "status": "scheduled"}))
    sim = await bench.run(open_client().supersim.sims.update(SID, status="active"))
    assert sim.status == "scheduled"
    assert [one.method for one in server.received] == ["POST", "GET"]

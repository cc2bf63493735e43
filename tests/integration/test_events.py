"""What the events of a whole flow say: vendor, operation, start and end of each wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import asdict

from asyncsim import APIError, Throttle
from asyncsim.emulator import Faults
from asyncsim.events import (
    CallbackReceived,
    Event,
    RequestFinished,
    RequestRetried,
    WaitAbandoned,
    WaitSettled,
    WaitStarted,
)
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness


async def test_every_event_of_a_flow_says_vendor_and_product(
    start_harness: OpenHarness, api: Api
) -> None:
    events: list[Event] = []
    harness = await start_harness(
        api,
        listens=True,
        sims=40,
        world={"faults": Faults(rate_limited=0.3, seed=1)},
        receiver={"observers": [events.append]},
    )
    changes = {sid: {"status": "active"} for sid in harness.sids}
    await harness.collect(harness.sims.update_many(changes))
    events += harness.events
    seen = {type(event).__name__ for event in events}
    assert {"RequestFinished", "RequestRetried", "WaitStarted", "CallbackReceived"} <= seen
    for event in events:
        fields = asdict(event)
        assert fields["vendor"] == api.vendor, event
        if fields.get("call") != "mint_token":  # which serves all products
            assert fields.get("product", api.product) == api.product, event
        assert fields.get("resource", "sims") == "sims", event


async def test_requests_carry_an_operation_without_names(harness: Harness) -> None:
    await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    await harness.sims.list()
    operations = {event.operation for event in harness.events_of(RequestFinished)}
    assert operations == {"POST /v1/Sims/{sid}", "GET /v1/Sims/{sid}", "GET /v1/Sims"}


async def test_the_operation_of_a_nested_resource_names_no_parent(harness: Harness) -> None:
    product: Any = getattr(harness.client, harness.api.product)
    usage = product.usage_records if harness.api.product == "wireless" else product.billing_periods
    await usage.list(harness.sid)
    (event,) = harness.events_of(RequestFinished)
    assert event.operation.startswith("GET /v1/Sims/{parent}/")


async def test_retries_carry_the_same_operation_as_their_request(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(world={"faults": Faults(server_errors=0.5, seed=3)})
    for _ in range(5):
        await harness.complete(harness.sims.fetch(harness.sid))
    retried = harness.events_of(RequestRetried)
    assert {event.operation for event in retried} == {"GET /v1/Sims/{sid}"}


async def test_finished_requests_show_the_limit_as_it_grows(start_harness: OpenHarness) -> None:
    harness = await start_harness(sims=60, throttle=Throttle(limit=4))
    changes = {sid: {"status": "active"} for sid in harness.sids}
    await harness.collect(harness.sims.update_many(changes))
    limits = [event.limit or 0.0 for event in harness.events_of(RequestFinished)]
    assert limits[-1] == harness.client.concurrency_limit
    assert sorted(set(limits)) == list(dict.fromkeys(limits)), "nothing was throttled"
    assert len(set(limits)) > 10


async def test_each_wait_has_one_start_and_one_end(harness: Harness) -> None:
    sims, off = harness.sims, "inactive" if harness.api.product == "supersim" else "suspended"
    changes = {sid: {"status": "active"} for sid in harness.sids}
    await harness.collect(sims.update_many(changes))
    await harness.complete(sims.update_and_wait(harness.sid, status=off))
    started = harness.events_of(WaitStarted)
    assert len(started) == 4
    assert harness.events_of(WaitAbandoned) == []
    open_waits: set[int] = set()
    for event in harness.events:
        if isinstance(event, WaitStarted):
            assert event.wait not in open_waits
            open_waits.add(event.wait)
        elif isinstance(event, WaitSettled):
            open_waits.remove(event.wait)
    assert not open_waits


async def test_a_cancelled_wait_is_abandoned(harness: Harness) -> None:
    task = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (started,) = harness.events_of(WaitStarted)
    (abandoned,) = harness.events_of(WaitAbandoned)
    assert (abandoned.wait, abandoned.name) == (started.wait, harness.sid)
    assert harness.events_of(WaitSettled) == []


async def test_a_wait_whose_post_is_rejected_is_abandoned(harness: Harness) -> None:
    with pytest.raises(APIError):
        await harness.complete(harness.sims.update_and_wait("no-such-sim", status="active"))
    assert len(harness.events_of(WaitStarted)) == len(harness.events_of(WaitAbandoned)) == 1


async def test_no_event_holds_a_secret_or_a_ticket(start_harness: OpenHarness, api: Api) -> None:
    events: list[Event] = []
    harness = await start_harness(api, listens=True, receiver={"observers": [events.append]})
    await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert [event for event in events if isinstance(event, CallbackReceived)]
    url = harness.posts()[-1].form["CallbackUrl"][0]
    ticket = url.rpartition("/")[2]
    text = repr([*events, *harness.events])
    assert ticket not in text
    for secret in ("Bearer", "Basic", "access_token"):
        assert secret not in text

"""Twilio's own SDK cannot tell the emulator from Twilio."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from tests.emulator.api import Listener
from tests.emulator.conftest import TRANSITION

# The SDK logs in by a parameter that aiohttp 3.14 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def products(client: Any) -> list[Any]:
    return [client.supersim.v1.sims, client.wireless.v1.sims]


def sids(found: Any) -> list[str]:
    return [sim.sid for sim in found]


def newest_first(emulator: Emulator, number: int) -> list[str]:
    product = ("supersim", "wireless")[number]
    return list(emulator.world("twilio").sims(product))[::-1]


async def test_the_blocking_client_lists_streams_and_pages(
    emulator: Emulator, blocking: Any
) -> None:
    def read(sims: Any) -> list[list[str]]:
        first = sims.page(page_size=2)
        rows = sids(first)
        return [
            sids(sims.list()),
            sids(sims.list(page_size=1)),
            sids(sims.stream(page_size=2)),
            sids(sims.list(limit=2)),
            rows + sids(first.next_page()),
            sids(sims.get_page(first.next_page_url).previous_page()) + rows[2:],
            sids(sims.list(status="active")),
        ]

    for number, sims in enumerate(products(blocking)):
        every = newest_first(emulator, number)
        seen = await asyncio.to_thread(read, sims)
        assert seen == [every, every, every, every[:2], every, every[:2], []]


async def test_the_async_client_lists_streams_and_pages(
    emulator: Emulator, asynchronous: Any
) -> None:
    for number, sims in enumerate(products(asynchronous)):
        every = newest_first(emulator, number)
        assert sids(await sims.list_async()) == every
        assert sids(await sims.list_async(page_size=1)) == every
        assert [sim.sid async for sim in await sims.stream_async(page_size=2)] == every
        first = await sims.page_async(page_size=2)
        following = await first.next_page_async()
        assert sids(first) + sids(following) == every
        assert sids(await following.previous_page_async()) == every[:2]
        assert sids(await sims.get_page_async(first.next_page_url)) == every[2:]
        assert sids(await sims.list_async(iccid="8988000000000000000")) == []


async def test_the_blocking_client_fetches_and_updates(
    emulator: Emulator, blocking: Any, clock: ManualClock
) -> None:
    for number, sims in enumerate(products(blocking)):
        sid = newest_first(emulator, number)[0]
        fetched = await asyncio.to_thread(sims(sid).fetch)
        assert (fetched.sid, fetched.status) == (sid, "new")
        assert fetched.date_created is not None
        named = await asyncio.to_thread(sims(sid).update, unique_name="one")
        assert named.unique_name == "one"
        pending = await asyncio.to_thread(sims("one").update, status="active")
        assert pending.status in ("scheduled", "updating")
        await clock.advance(TRANSITION)
        assert (await asyncio.to_thread(sims(sid).fetch)).status == "active"


async def test_the_async_client_fetches_and_updates(
    emulator: Emulator, asynchronous: Any, clock: ManualClock
) -> None:
    for number, sims in enumerate(products(asynchronous)):
        sid = newest_first(emulator, number)[0]
        fetched = await sims(sid).fetch_async()
        assert (fetched.sid, fetched.status) == (sid, "new")
        pending = await fetched.update_async(status="active", unique_name="one")
        assert pending.status in ("scheduled", "updating")
        await clock.advance(TRANSITION)
        assert (await sims("one").fetch_async()).status == "active"


async def test_both_clients_register_a_super_sim(
    emulator: Emulator, blocking: Any, asynchronous: Any
) -> None:
    first, second, *_ = emulator.world("twilio").registrable
    made = await asyncio.to_thread(
        blocking.supersim.v1.sims.create, first.iccid, first.registration_code
    )
    assert (made.iccid, made.status) == (first.iccid, "new")
    sims = asynchronous.supersim.v1.sims
    made = await sims.create_async(second.iccid, second.registration_code)
    assert (made.iccid, made.status) == (second.iccid, "new")


async def test_both_clients_delete_a_wireless_sim(
    emulator: Emulator, blocking: Any, asynchronous: Any
) -> None:
    first, second, *rest = newest_first(emulator, 1)
    assert await asyncio.to_thread(blocking.wireless.v1.sims(first).delete)
    assert await asynchronous.wireless.v1.sims(second).delete_async()
    assert newest_first(emulator, 1) == rest


async def test_the_sdk_sees_a_connectivity_reset(
    emulator: Emulator, asynchronous: Any, clock: ManualClock
) -> None:
    sim = emulator.world("twilio").add_sim("wireless", status="active")
    context = asynchronous.wireless.v1.sims(sim.sid)
    assert (await context.update_async(reset_status="resetting")).reset_status == "resetting"
    await clock.advance(10)
    assert (await context.fetch_async()).reset_status is None


async def test_names_of_fleets_and_rate_plans_are_resolved(
    emulator: Emulator, asynchronous: Any
) -> None:
    fleet = await asynchronous.supersim.v1.fleets("default").fetch_async()
    assert fleet.sid in emulator.world("twilio").fleets
    plan = await asynchronous.wireless.v1.rate_plans("default").fetch_async()
    assert plan.sid in emulator.world("twilio").rate_plans


async def test_rejections_reach_the_sdk_with_code_and_status(
    emulator: Emulator, blocking: Any, asynchronous: Any
) -> None:
    with pytest.raises(TwilioRestException) as missing:
        await asyncio.to_thread(blocking.supersim.v1.sims("missing").fetch)
    assert (missing.value.status, missing.value.code) == (404, 20404)
    sim = emulator.world("twilio").add_sim("supersim")
    with pytest.raises(TwilioRestException) as rejected:
        await asynchronous.supersim.v1.sims(sim.sid).update_async(status="active")
    assert (rejected.value.status, rejected.value.code) == (400, 83007)


async def test_wrong_credentials_reach_the_sdk_as_401(emulator: Emulator, blocking: Any) -> None:
    blocking.auth = (emulator.credentials.account_sid, "wrong")
    with pytest.raises(TwilioRestException) as rejected:
        await asyncio.to_thread(blocking.wireless.v1.sims("anything").fetch)
    assert (rejected.value.status, rejected.value.code) == (401, 20003)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("suffix", ["", "/a%20b?x=1&y=%2F"])
async def test_the_sdks_validator_accepts_the_callbacks(
    emulator: Emulator,
    asynchronous: Any,
    clock: ManualClock,
    listener: Listener,
    method: str,
    suffix: str,
) -> None:
    for number, sims in enumerate(products(asynchronous)):
        await sims(newest_first(emulator, number)[0]).update_async(
            status="active", callback_url=listener.url + suffix, callback_method=method
        )
    await clock.advance(TRANSITION)
    validator = RequestValidator(emulator.credentials.auth_token)
    assert len(listener.calls) == 2
    for call in listener.calls:
        params = call.params if method == "POST" else {}
        signature = call.headers["x-twilio-signature"]
        assert validator.validate(call.url, params, signature)
        assert not validator.validate(call.url + "x", params, signature)

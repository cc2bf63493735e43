"""Waiting with callbacks: on time, lost, late, duplicate, out of order, forged, unsigned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
import pytest
from attrs import evolve

from asyncsim import CallbackReceiver, Client, TransitionFailed, Watching
from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Emulator, Faults
from asyncsim.events import CallbackReceived, CallbackRefused, WaitSettled
from asyncsim.vendors import EMULATOR_CREDENTIALS, VENDORS
from tests.integration.conftest import OpenHarness
from tests.integration.harness import LATENCY, Api, Harness, complete

SETTLED_AT = 10.0
"""Changes settle before the first safety read, which would blur the request counts."""
LATENCY_HERE = evolve(LATENCY, transition=SETTLED_AT)
SAFETY = Watching().safety_every
WORLD = {"latency": LATENCY_HERE}


@pytest.fixture
async def harness(start_harness: OpenHarness, api: Api) -> Harness:
    """A client with a callback receiver, for each API."""
    return await start_harness(api, listens=True, world=WORLD)


def with_faults(**faults: Any) -> dict[str, Any]:
    return {**WORLD, "faults": Faults(**faults)}


def counts(harness: Harness) -> Any:
    assert harness.receiver is not None
    return harness.receiver.counts


def callback_url(harness: Harness, sid: str | None = None) -> str:
    url: str = harness.posts(sid)[-1].form["CallbackUrl"][0]
    return url


async def post(clock: ManualClock, url: str, form: Mapping[str, str], **headers: str) -> int:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with clock.working():
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=urlencode(form), headers={**kind, **headers}) as response,
        ):
            return response.status


async def test_a_callback_ends_a_wait_after_one_confirming_read(harness: Harness) -> None:
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, harness.clock.now()) == ("active", SETTLED_AT)
    assert (len(harness.posts()), len(harness.reads()), counts(harness).accepted) == (1, 1, 1)
    (settled,) = harness.events_of(WaitSettled)
    assert settled.settled_by == "callback"


async def test_a_callback_ends_a_wait_that_began_after_the_update(harness: Harness) -> None:
    sim = await harness.sims.update(harness.sid, status="active")
    assert (await harness.complete(harness.sims.await_transition(sim))).status == "active"
    assert (harness.clock.now(), len(harness.reads())) == (SETTLED_AT, 1)


async def test_a_callback_finds_the_wait_for_a_sim_that_was_updated_by_name(
    harness: Harness,
) -> None:
    harness.put(harness.sid, unique_name="depot 7/left")
    sim = await harness.sims.update("depot 7/left", status="active")
    assert (await harness.complete(harness.sims.await_transition(sim))).status == "active"
    assert harness.clock.now() == SETTLED_AT


async def test_a_callback_before_the_wait_is_not_lost(harness: Harness) -> None:
    harness.put(harness.sid, unique_name="depot")
    sim = await harness.sims.update("depot", status="active")
    await harness.clock.advance(SETTLED_AT + 1)
    assert counts(harness).accepted == 1
    assert (await harness.complete(harness.sims.await_transition(sim))).status == "active"
    assert (harness.clock.now(), len(harness.reads())) == (SETTLED_AT + 1, 1)


async def test_a_change_of_fleet_or_plan_causes_a_callback_too(harness: Harness) -> None:
    harness.put(harness.sid, status="active")
    keyword = "fleet" if harness.api.product == "supersim" else "rate_plan"
    await harness.complete(harness.sims.update_and_wait(harness.sid, **{keyword: "other"}))
    assert harness.clock.now() == SETTLED_AT


async def test_a_failed_change_has_the_vendors_error_code_if_it_sends_one(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api, listens=True, world=with_faults(failing_updates=1.0))
    with pytest.raises(TransitionFailed) as caught:
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert caught.value.actual.status == "new"
    if api.product == "wireless":  # Super SIM callbacks have no error parameter
        assert caught.value.error_code == 33000
        assert "operator" in (caught.value.error_message or "")
        assert "code 33000" in str(caught.value)


async def test_the_error_code_of_a_failure_is_kept_for_a_later_wait(
    start_harness: OpenHarness,
) -> None:
    world = with_faults(failing_updates=1.0)
    harness = await start_harness(Api("kore", "wireless"), listens=True, world=world)
    await harness.sims.update(harness.sid, status="active")
    await harness.clock.advance(SETTLED_AT + 1)
    with pytest.raises(TransitionFailed) as caught:
        await harness.complete(harness.sims.await_transition(harness.sid))
    assert caught.value.error_code == 33000


async def test_a_lost_callback_only_delays_the_result(start_harness: OpenHarness, api: Api) -> None:
    harness = await start_harness(api, listens=True, world=with_faults(lost_callbacks=1.0))
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, harness.clock.now(), len(harness.reads())) == ("active", SAFETY, 1)


async def test_a_late_callback_without_a_wait_is_accepted(
    start_harness: OpenHarness, api: Api
) -> None:
    world = with_faults(late_callbacks=1.0, late_seconds=60.0)
    harness = await start_harness(api, listens=True, world=world)
    await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert harness.clock.now() == SAFETY
    await harness.clock.advance(100)
    assert [one.status for one in harness.emulator.deliveries] == [204]
    assert len(harness.reads()) == 1


async def test_a_duplicate_callback_counts_once(start_harness: OpenHarness, api: Api) -> None:
    harness = await start_harness(api, listens=True, world=with_faults(doubled_callbacks=1.0))
    await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    await harness.clock.advance(100)
    assert (counts(harness).accepted, counts(harness).duplicates) == (2, 1)
    assert len(harness.reads()) == 1


async def test_a_callback_of_an_earlier_update_does_not_end_a_later_wait(
    start_harness: OpenHarness, api: Api
) -> None:
    late = with_faults(late_callbacks=1.0, late_seconds=SAFETY - SETTLED_AT + 3)
    harness = await start_harness(api, listens=True, world=late)
    await harness.complete(harness.sims.update_and_wait(harness.sid, status="ready"))
    harness.emulator.faults = Faults()
    assert (harness.clock.now(), counts(harness).accepted) == (SAFETY, 0)
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, harness.clock.now()) == ("active", SAFETY + SETTLED_AT)
    assert [one.params["SimStatus"] for one in harness.emulator.deliveries] == ["ready", "active"]
    assert len(harness.reads()) == 3, "an old callback is confirmed by a read, too"


async def test_the_error_code_of_an_earlier_failure_is_not_used_for_a_later_one(
    start_harness: OpenHarness,
) -> None:
    world = with_faults(failing_updates=1.0, late_callbacks=1.0, late_seconds=30.0)
    harness = await start_harness(Api("twilio", "wireless"), listens=True, world=world)
    with pytest.raises(TransitionFailed) as caught:
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert caught.value.error_code is None, "its callback has not arrived yet"
    harness.emulator.faults = Faults(failing_updates=1.0, lost_callbacks=1.0)
    harness.emulator.latency = evolve(LATENCY, transition=60.0)
    with pytest.raises(TransitionFailed) as caught:
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert [one.outcome for one in harness.emulator.deliveries] == ["delivered", "lost"]
    assert caught.value.error_code is None


async def test_a_forged_callback_is_rejected_and_changes_nothing(harness: Harness) -> None:
    wait = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    url, form = callback_url(harness), {"SimSid": harness.sid, "SimStatus": "active"}
    header = VENDORS[harness.api.vendor].signature_header
    assert await post(harness.clock, url, form) == 403
    assert await post(harness.clock, url, form, **{header: "bm9ib2R5"}) == 403
    wrong_mac = url[:-1] + ("A" if url[-1] != "A" else "B")
    assert await post(harness.clock, wrong_mac, form, **{header: "bm9ib2R5"}) == 403
    other = url.replace(harness.sid, harness.sids[1])
    assert await post(harness.clock, other, form, **{header: "bm9ib2R5"}) == 403
    await harness.clock.settle()
    assert (counts(harness).refused, counts(harness).accepted, harness.reads()) == (4, 0, [])
    assert (await harness.complete(wait)).status == "active"
    assert harness.clock.now() == SETTLED_AT


async def test_a_signed_callback_with_a_wrong_status_ends_no_wait(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(Api("kore", "supersim"), listens=True, world=WORLD)
    wait = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    url, form = callback_url(harness), {"SimSid": harness.sid, "SimStatus": "active"}
    secret = harness.emulator.credentials.webhook_secret
    proof = hashlib.sha256(f"{secret}POST{url}{urlencode(form)}".encode()).hexdigest()
    assert await post(harness.clock, url, form, **{"kore-signature": proof}) == 204
    await harness.clock.settle()
    assert (len(harness.reads()), wait.done()) == (1, False), "the read decides"
    assert (await harness.complete(wait)).status == "active"


async def test_a_callback_with_a_pending_status_ends_no_wait(start_harness: OpenHarness) -> None:
    harness = await start_harness(Api("kore", "wireless"), listens=True, world=WORLD)
    wait = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    url, form = callback_url(harness), {"SimSid": harness.sid, "SimStatus": "updating"}
    secret = harness.emulator.credentials.webhook_secret
    proof = hashlib.sha256(f"{secret}POST{url}{urlencode(form)}".encode()).hexdigest()
    assert await post(harness.clock, url, form, **{"kore-signature": proof}) == 204
    assert (await harness.complete(wait)).status == "active"
    assert (harness.clock.now(), len(harness.reads())) == (SETTLED_AT, 1)


async def test_a_callback_by_get_is_unconfirmed_until_a_read(harness: Harness) -> None:
    changes = {harness.sid: {"status": "active", "callback_method": "GET"}}
    outcomes = await harness.collect(harness.sims.update_many(changes))
    (call,) = harness.emulator.deliveries
    assert (call.method, call.status, harness.clock.now()) == ("GET", 204, SETTLED_AT)
    outcome = outcomes[harness.sid]
    assert (outcome.settled_by, outcome.confirmed, len(harness.reads())) == ("callback", True, 1)


async def test_a_callback_signed_with_a_receiver_secret_is_confirmed_by_a_read(
    start_harness: OpenHarness,
) -> None:
    secrets = {"kore_webhook_secrets": [EMULATOR_CREDENTIALS.webhook_secret]}
    api = Api("kore", "supersim")
    harness = await start_harness(
        api, listens=True, world=WORLD, receiver=secrets, webhook_secrets=[]
    )
    outcomes = await harness.collect(harness.sims.update_many({harness.sid: {"status": "active"}}))
    outcome = outcomes[harness.sid]
    assert (outcome.settled_by, outcome.confirmed) == ("callback", True)
    assert (len(harness.reads()), counts(harness).unconfirmed, counts(harness).refused) == (1, 1, 0)


@pytest.mark.parametrize("product", ["supersim", "wireless"])
async def test_without_a_webhook_secret_every_kore_callback_is_unconfirmed(
    start_harness: OpenHarness, product: Literal["supersim", "wireless"]
) -> None:
    api = Api("kore", product)
    harness = await start_harness(api, listens=True, world=WORLD, webhook_secrets=[])
    changes = {sid: {"status": "active"} for sid in harness.sids}
    outcomes = await harness.collect(harness.sims.update_many(changes))
    assert [one.confirmed for one in outcomes.values()] == [True] * 3
    assert [len(harness.reads(sid)) for sid in harness.sids] == [1] * 3
    assert (counts(harness).unconfirmed, harness.clock.now()) == (3, SETTLED_AT)


async def test_a_kore_callback_without_a_signature_is_rejected_where_one_is_expected(
    start_harness: OpenHarness,
) -> None:
    world = {**WORLD, "behaviour": Behaviour(kore_signs=False)}
    harness = await start_harness(Api("kore", "supersim"), listens=True, world=world)
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, harness.clock.now(), counts(harness).refused) == ("active", SAFETY, 1)


@pytest.mark.parametrize("product", ["supersim", "wireless"])
async def test_with_an_api_key_twilio_callbacks_are_unconfirmed(
    clock: ManualClock, product: str
) -> None:
    events: list[Any] = []
    async with Emulator(sims=2, clock=clock, latency=LATENCY_HERE) as emulator:
        own = emulator.credentials
        receiver = CallbackReceiver(clock=clock, observers=[events.append])
        async with Client.twilio(
            own.account_sid,
            api_key=own.api_key,
            api_secret=own.api_secret,
            hosts=emulator.hosts,
            receiver=receiver,
            clock=clock,
        ) as client:
            sims: Any = getattr(client, product).sims
            changes = {sid: {"status": "active"} for sid in emulator.world("twilio").sims(product)}

            async def collect() -> list[Any]:
                return [one async for one in sims.update_many(changes)]

            outcomes = await complete(clock, collect())
    assert [(one.settled_by, one.confirmed) for one in outcomes] == [("callback", True)] * 2
    assert [one.signed for one in events if isinstance(one, CallbackReceived)] == [False] * 2
    assert clock.now() == SETTLED_AT


@pytest.mark.parametrize("transition", [1.0, 0.0])
async def test_a_callback_may_arrive_before_the_response_to_its_update(
    start_harness: OpenHarness, api: Api, transition: float
) -> None:
    latency = evolve(LATENCY, transition=transition, shortest=0.0)
    harness = await start_harness(api, listens=True, world={"latency": latency})
    await harness.sims.fetch(harness.sid)
    harness.emulator.faults = Faults(answer_takes=5.0)
    outcome = (
        await harness.collect(harness.sims.update_many({harness.sid: {"status": "active"}}))
    )[harness.sid]
    assert (outcome.ok, outcome.sim.status, outcome.settled_by) == (True, "active", "callback")
    assert outcome.confirmed, "without the response the only record is the one read"
    harness.put(harness.sid, status="inactive" if api.product == "supersim" else "suspended")
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert sim.status == "active"
    await harness.clock.advance(60)
    assert harness.is_idle, "the late responses reopened no wait"


async def test_the_callers_own_callback_url_is_kept(harness: Harness) -> None:
    own = "http://127.0.0.1:9/mine"
    wait = harness.sims.update_and_wait(harness.sid, status="active", callback_url=own)
    assert (await harness.complete(wait)).status == "active"
    assert callback_url(harness) == own
    assert counts(harness).accepted == 0


async def test_the_second_callback_of_ready_ends_a_wait_until_active(
    start_harness: OpenHarness,
) -> None:
    for api in (Api("twilio", "wireless"), Api("kore", "wireless")):
        harness = await start_harness(
            api,
            listens=True,
            world=WORLD,
            watching=Watching(longest=1e9),
        )
        start, months = harness.clock.now(), 92 * 24 * 3600.0
        wait = harness.sims.update_and_wait(
            harness.sid, status="ready", until="active", timeout=months
        )
        assert (await harness.complete(wait, within=months)).status == "active"
        assert harness.clock.now() == start + SETTLED_AT + LATENCY_HERE.activation
        calls = [one.params["SimStatus"] for one in harness.emulator.deliveries]
        assert (calls, len(harness.reads())) == (["ready", "active"], 2)


async def test_the_second_callback_of_deactivated_ends_a_wait_until_canceled(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(
        Api("kore", "wireless"), listens=True, world=WORLD, watching=Watching(longest=1e9)
    )
    harness.put(harness.sid, status="active")
    days = 4 * 24 * 3600.0
    wait = harness.sims.update_and_wait(
        harness.sid, status="deactivated", until="canceled", timeout=days
    )
    assert (await harness.complete(wait, within=days)).status == "canceled"
    assert (harness.clock.now(), len(harness.reads())) == (SETTLED_AT + 72 * 3600, 2)


async def test_many_sims_are_settled_by_signed_callbacks_alone(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api, listens=True, sims=200, world=WORLD)
    outcomes = await harness.collect(
        harness.sims.update_many((sid, {"status": "active"}) for sid in harness.sids)
    )
    assert len(outcomes) == 200
    assert {(one.ok, one.settled_by, one.confirmed, one.requests, one.seconds)
            for one in outcomes.values()} == {(True, "callback", False, 1, SETTLED_AT)}  # fmt: skip
    assert {one.sim.status for one in outcomes.values()} == {"active"}
    assert len([one for one in harness.emulator.requests if one.product]) == 200


async def test_a_change_of_more_than_status_is_confirmed_by_a_read(harness: Harness) -> None:
    keyword = "fleet" if harness.api.product == "supersim" else "rate_plan"
    changes = {harness.sid: {"status": "active", keyword: "other"}}
    outcome = (await harness.collect(harness.sims.update_many(changes)))[harness.sid]
    assert (outcome.settled_by, outcome.confirmed, len(harness.reads())) == ("callback", True, 1)


async def test_many_lost_callbacks_are_recovered_by_a_safety_sweep(
    start_harness: OpenHarness, api: Api
) -> None:
    world = with_faults(lost_callbacks=0.3, seed=5)
    harness = await start_harness(api, listens=True, sims=200, world=world)
    outcomes = await harness.collect(
        harness.sims.update_many((sid, {"status": "active"}) for sid in harness.sids)
    )
    ways = {one.settled_by for one in outcomes.values()}
    assert all(one.ok for one in outcomes.values())
    assert ways == {"callback", "sweep"}
    assert max(one.seconds for one in outcomes.values()) <= 2 * SAFETY
    assert len(harness.emulator.requests) < 210, "one sweep, not one read per SIM"


async def test_callback_events_show_no_ticket(harness: Harness) -> None:
    await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    ticket = callback_url(harness).rpartition("/")[2]
    shown = [repr(harness.client), repr(harness.receiver), repr(harness.sims), repr(harness.events)]
    assert ticket not in "".join(shown)
    assert harness.events_of(CallbackRefused) == []

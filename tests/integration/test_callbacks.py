"""Waiting with callbacks: on time, lost, late, doubled, out of order, forged, unsigned."""

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
from tests.integration.conftest import OpenStage
from tests.integration.stage import LATENCY, Place, Stage, play

SETTLES = 10.0
"""Seconds of a change here: less than the pause between safety reads, which would blur counts."""
LATENCY_HERE = evolve(LATENCY, transition=SETTLES)
SAFETY = Watching().safety_every
WORLD = {"latency": LATENCY_HERE}


@pytest.fixture
async def stage(set_stage: OpenStage, place: Place) -> Stage:
    """A client that is called back, at each place."""
    return await set_stage(place, listens=True, world=WORLD)


def with_faults(**faults: Any) -> dict[str, Any]:
    return {**WORLD, "faults": Faults(**faults)}


def counts(stage: Stage) -> Any:
    assert stage.receiver is not None
    return stage.receiver.counts


def callback_url(stage: Stage, sid: str | None = None) -> str:
    url: str = stage.posts(sid)[-1].form["CallbackUrl"][0]
    return url


async def post(clock: ManualClock, url: str, form: Mapping[str, str], **headers: str) -> int:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with clock.working():
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=urlencode(form), headers={**kind, **headers}) as answer,
        ):
            return answer.status


async def test_a_callback_ends_a_wait_after_one_confirming_read(stage: Stage) -> None:
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, stage.clock.now()) == ("active", SETTLES)
    assert (len(stage.posts()), len(stage.reads()), counts(stage).accepted) == (1, 1, 1)
    (settled,) = stage.told(WaitSettled)
    assert settled.settled_by == "callback"


async def test_a_callback_ends_a_wait_that_began_after_the_update(stage: Stage) -> None:
    sim = await stage.sims.update(stage.sid, status="active")
    assert (await stage.play(stage.sims.await_transition(sim))).status == "active"
    assert (stage.clock.now(), len(stage.reads())) == (SETTLES, 1)


async def test_a_callback_finds_the_wait_for_a_sim_that_was_updated_by_name(stage: Stage) -> None:
    stage.put(stage.sid, unique_name="depot 7/left")
    sim = await stage.sims.update("depot 7/left", status="active")
    assert (await stage.play(stage.sims.await_transition(sim))).status == "active"
    assert stage.clock.now() == SETTLES


async def test_a_callback_that_came_before_the_wait_is_not_lost(stage: Stage) -> None:
    stage.put(stage.sid, unique_name="depot")
    sim = await stage.sims.update("depot", status="active")
    await stage.clock.advance(SETTLES + 1)
    assert counts(stage).accepted == 1
    assert (await stage.play(stage.sims.await_transition(sim))).status == "active"
    assert (stage.clock.now(), len(stage.reads())) == (SETTLES + 1, 1)


async def test_a_change_of_fleet_or_plan_is_called_back_too(stage: Stage) -> None:
    stage.put(stage.sid, status="active")
    keyword = "fleet" if stage.place.product == "supersim" else "rate_plan"
    await stage.play(stage.sims.update_and_wait(stage.sid, **{keyword: "other"}))
    assert stage.clock.now() == SETTLES


async def test_a_failed_change_tells_the_vendors_reason_where_there_is_one(
    set_stage: OpenStage, place: Place
) -> None:
    stage = await set_stage(place, listens=True, world=with_faults(failing_updates=1.0))
    with pytest.raises(TransitionFailed) as caught:
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert caught.value.actual.status == "new"
    if place.product == "wireless":  # Super SIM's callback has no parameter for it
        assert caught.value.error_code == 33000
        assert "operator" in (caught.value.error_message or "")
        assert "code 33000" in str(caught.value)


async def test_the_reason_of_a_failure_is_kept_for_a_wait_that_begins_later(
    set_stage: OpenStage,
) -> None:
    world = with_faults(failing_updates=1.0)
    stage = await set_stage(Place("kore", "wireless"), listens=True, world=world)
    await stage.sims.update(stage.sid, status="active")
    await stage.clock.advance(SETTLES + 1)
    with pytest.raises(TransitionFailed) as caught:
        await stage.play(stage.sims.await_transition(stage.sid))
    assert caught.value.error_code == 33000


async def test_a_lost_callback_costs_delay_and_nothing_else(
    set_stage: OpenStage, place: Place
) -> None:
    stage = await set_stage(place, listens=True, world=with_faults(lost_callbacks=1.0))
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, stage.clock.now(), len(stage.reads())) == ("active", SAFETY, 1)


async def test_a_late_callback_finds_nobody_and_is_welcome(
    set_stage: OpenStage, place: Place
) -> None:
    world = with_faults(late_callbacks=1.0, late_seconds=60.0)
    stage = await set_stage(place, listens=True, world=world)
    await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert stage.clock.now() == SAFETY
    await stage.clock.advance(100)
    assert [one.status for one in stage.emulator.deliveries] == [204]
    assert len(stage.reads()) == 1


async def test_a_doubled_callback_counts_once(set_stage: OpenStage, place: Place) -> None:
    stage = await set_stage(place, listens=True, world=with_faults(doubled_callbacks=1.0))
    await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    await stage.clock.advance(100)
    assert (counts(stage).accepted, counts(stage).duplicates) == (2, 1)
    assert len(stage.reads()) == 1


async def test_a_callback_of_an_earlier_update_does_not_end_a_later_wait(
    set_stage: OpenStage, place: Place
) -> None:
    late = with_faults(late_callbacks=1.0, late_seconds=SAFETY - SETTLES + 3)
    stage = await set_stage(place, listens=True, world=late)
    await stage.play(stage.sims.update_and_wait(stage.sid, status="ready"))
    stage.emulator.faults = Faults()
    assert (stage.clock.now(), counts(stage).accepted) == (SAFETY, 0)
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, stage.clock.now()) == ("active", SAFETY + SETTLES)
    assert [one.params["SimStatus"] for one in stage.emulator.deliveries] == ["ready", "active"]
    assert len(stage.reads()) == 3, "the old callback is a hint, and a hint costs a read"


async def test_the_reason_of_an_earlier_failure_is_not_taken_for_a_later_one(
    set_stage: OpenStage,
) -> None:
    world = with_faults(failing_updates=1.0, late_callbacks=1.0, late_seconds=30.0)
    stage = await set_stage(Place("twilio", "wireless"), listens=True, world=world)
    with pytest.raises(TransitionFailed) as caught:
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert caught.value.error_code is None, "its callback has not come yet"
    stage.emulator.faults = Faults(failing_updates=1.0, lost_callbacks=1.0)
    stage.emulator.latency = evolve(LATENCY, transition=60.0)
    with pytest.raises(TransitionFailed) as caught:
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert [one.outcome for one in stage.emulator.deliveries] == ["delivered", "lost"]
    assert caught.value.error_code is None


async def test_a_forged_callback_is_refused_and_moves_nothing(stage: Stage) -> None:
    wait = await stage.start(stage.sims.update_and_wait(stage.sid, status="active"))
    url, form = callback_url(stage), {"SimSid": stage.sid, "SimStatus": "active"}
    header = VENDORS[stage.place.vendor].signature_header
    assert await post(stage.clock, url, form) == 403
    assert await post(stage.clock, url, form, **{header: "bm9ib2R5"}) == 403
    wrong_mac = url[:-1] + ("A" if url[-1] != "A" else "B")
    assert await post(stage.clock, wrong_mac, form, **{header: "bm9ib2R5"}) == 403
    other = url.replace(stage.sid, stage.sids[1])
    assert await post(stage.clock, other, form, **{header: "bm9ib2R5"}) == 403
    await stage.clock.settle()
    assert (counts(stage).refused, counts(stage).accepted, stage.reads()) == (4, 0, [])
    assert (await stage.play(wait)).status == "active"
    assert stage.clock.now() == SETTLES


async def test_a_signed_callback_that_lies_about_the_status_ends_nothing(
    set_stage: OpenStage,
) -> None:
    stage = await set_stage(Place("kore", "supersim"), listens=True, world=WORLD)
    wait = await stage.start(stage.sims.update_and_wait(stage.sid, status="active"))
    url, form = callback_url(stage), {"SimSid": stage.sid, "SimStatus": "active"}
    secret = stage.emulator.credentials.webhook_secret
    proof = hashlib.sha256(f"{secret}POST{url}{urlencode(form)}".encode()).hexdigest()
    assert await post(stage.clock, url, form, **{"kore-signature": proof}) == 204
    await stage.clock.settle()
    assert (len(stage.reads()), wait.done()) == (1, False), "a read is the truth"
    assert (await stage.play(wait)).status == "active"


async def test_a_callback_whose_status_is_pending_ends_nothing(set_stage: OpenStage) -> None:
    stage = await set_stage(Place("kore", "wireless"), listens=True, world=WORLD)
    wait = await stage.start(stage.sims.update_and_wait(stage.sid, status="active"))
    url, form = callback_url(stage), {"SimSid": stage.sid, "SimStatus": "updating"}
    secret = stage.emulator.credentials.webhook_secret
    proof = hashlib.sha256(f"{secret}POST{url}{urlencode(form)}".encode()).hexdigest()
    assert await post(stage.clock, url, form, **{"kore-signature": proof}) == 204
    assert (await stage.play(wait)).status == "active"
    assert (stage.clock.now(), len(stage.reads())) == (SETTLES, 1)


async def test_a_callback_by_get_is_a_hint_that_costs_a_read(stage: Stage) -> None:
    changes = {stage.sid: {"status": "active", "callback_method": "GET"}}
    outcomes = await stage.collect(stage.sims.update_many(changes))
    (call,) = stage.emulator.deliveries
    assert (call.method, call.status, stage.clock.now()) == ("GET", 204, SETTLES)
    outcome = outcomes[stage.sid]
    assert (outcome.settled_by, outcome.confirmed, len(stage.reads())) == ("callback", True, 1)


async def test_what_a_secret_of_the_receiver_signs_is_confirmed_by_a_read(
    set_stage: OpenStage,
) -> None:
    secrets = {"kore_webhook_secrets": [EMULATOR_CREDENTIALS.webhook_secret]}
    place = Place("kore", "supersim")
    stage = await set_stage(place, listens=True, world=WORLD, receiver=secrets, webhook_secrets=[])
    outcomes = await stage.collect(stage.sims.update_many({stage.sid: {"status": "active"}}))
    outcome = outcomes[stage.sid]
    assert (outcome.settled_by, outcome.confirmed) == ("callback", True)
    assert (len(stage.reads()), counts(stage).unconfirmed, counts(stage).refused) == (1, 1, 0)


@pytest.mark.parametrize("product", ["supersim", "wireless"])
async def test_without_a_webhook_secret_every_callback_of_kore_is_a_hint(
    set_stage: OpenStage, product: Literal["supersim", "wireless"]
) -> None:
    place = Place("kore", product)
    stage = await set_stage(place, listens=True, world=WORLD, webhook_secrets=[])
    changes = {sid: {"status": "active"} for sid in stage.sids}
    outcomes = await stage.collect(stage.sims.update_many(changes))
    assert [one.confirmed for one in outcomes.values()] == [True] * 3
    assert [len(stage.reads(sid)) for sid in stage.sids] == [1] * 3
    assert (counts(stage).unconfirmed, stage.clock.now()) == (3, SETTLES)


async def test_a_signature_that_kore_leaves_out_is_refused_where_one_is_expected(
    set_stage: OpenStage,
) -> None:
    world = {**WORLD, "behaviour": Behaviour(kore_signs=False)}
    stage = await set_stage(Place("kore", "supersim"), listens=True, world=world)
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, stage.clock.now(), counts(stage).refused) == ("active", SAFETY, 1)


@pytest.mark.parametrize("product", ["supersim", "wireless"])
async def test_an_api_key_cannot_verify_twilio_so_its_callbacks_are_hints(
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

            async def all_of_them() -> list[Any]:
                return [one async for one in sims.update_many(changes)]

            outcomes = await play(clock, all_of_them())
    assert [(one.settled_by, one.confirmed) for one in outcomes] == [("callback", True)] * 2
    assert [one.signed for one in events if isinstance(one, CallbackReceived)] == [False] * 2
    assert clock.now() == SETTLES


@pytest.mark.parametrize("transition", [1.0, 0.0])
async def test_a_callback_may_come_before_the_answer_of_its_own_update(
    set_stage: OpenStage, place: Place, transition: float
) -> None:
    latency = evolve(LATENCY, transition=transition, shortest=0.0)
    stage = await set_stage(place, listens=True, world={"latency": latency})
    await stage.sims.fetch(stage.sid)
    stage.emulator.faults = Faults(answer_takes=5.0)
    outcome = (await stage.collect(stage.sims.update_many({stage.sid: {"status": "active"}})))[
        stage.sid
    ]
    assert (outcome.ok, outcome.sim.status, outcome.settled_by) == (True, "active", "callback")
    assert outcome.confirmed, "without the answer there is no record to show but the one read"
    stage.put(stage.sid, status="inactive" if place.product == "supersim" else "suspended")
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert sim.status == "active"
    await stage.clock.advance(60)
    assert stage.is_at_rest, "the late answers opened nothing again"


async def test_a_callback_url_of_the_callers_own_is_left_alone(stage: Stage) -> None:
    own = "http://127.0.0.1:9/mine"
    wait = stage.sims.update_and_wait(stage.sid, status="active", callback_url=own)
    assert (await stage.play(wait)).status == "active"
    assert callback_url(stage) == own
    assert counts(stage).accepted == 0


async def test_the_second_callback_of_ready_ends_a_wait_until_active(
    set_stage: OpenStage,
) -> None:
    for place in (Place("twilio", "wireless"), Place("kore", "wireless")):
        stage = await set_stage(
            place,
            listens=True,
            world=WORLD,
            watching=Watching(longest=1e9),
        )
        start, months = stage.clock.now(), 92 * 24 * 3600.0
        wait = stage.sims.update_and_wait(stage.sid, status="ready", until="active", timeout=months)
        assert (await stage.play(wait, within=months)).status == "active"
        assert stage.clock.now() == start + SETTLES + LATENCY_HERE.activation
        calls = [one.params["SimStatus"] for one in stage.emulator.deliveries]
        assert (calls, len(stage.reads())) == (["ready", "active"], 2)


async def test_the_second_callback_of_deactivated_ends_a_wait_until_canceled(
    set_stage: OpenStage,
) -> None:
    stage = await set_stage(
        Place("kore", "wireless"), listens=True, world=WORLD, watching=Watching(longest=1e9)
    )
    stage.put(stage.sid, status="active")
    days = 4 * 24 * 3600.0
    wait = stage.sims.update_and_wait(
        stage.sid, status="deactivated", until="canceled", timeout=days
    )
    assert (await stage.play(wait, within=days)).status == "canceled"
    assert (stage.clock.now(), len(stage.reads())) == (SETTLES + 72 * 3600, 2)


async def test_many_sims_are_settled_by_signed_callbacks_alone(
    set_stage: OpenStage, place: Place
) -> None:
    stage = await set_stage(place, listens=True, sims=200, world=WORLD)
    outcomes = await stage.collect(
        stage.sims.update_many((sid, {"status": "active"}) for sid in stage.sids)
    )
    assert len(outcomes) == 200
    assert {(one.ok, one.settled_by, one.confirmed, one.requests, one.seconds)
            for one in outcomes.values()} == {(True, "callback", False, 1, SETTLES)}  # fmt: skip
    assert {one.sim.status for one in outcomes.values()} == {"active"}
    assert len([one for one in stage.emulator.requests if one.product]) == 200


async def test_a_change_of_more_than_status_is_confirmed_by_a_read(stage: Stage) -> None:
    keyword = "fleet" if stage.place.product == "supersim" else "rate_plan"
    changes = {stage.sid: {"status": "active", keyword: "other"}}
    outcome = (await stage.collect(stage.sims.update_many(changes)))[stage.sid]
    assert (outcome.settled_by, outcome.confirmed, len(stage.reads())) == ("callback", True, 1)


async def test_of_many_lost_callbacks_a_safety_sweep_tells(
    set_stage: OpenStage, place: Place
) -> None:
    world = with_faults(lost_callbacks=0.3, seed=5)
    stage = await set_stage(place, listens=True, sims=200, world=world)
    outcomes = await stage.collect(
        stage.sims.update_many((sid, {"status": "active"}) for sid in stage.sids)
    )
    ways = {one.settled_by for one in outcomes.values()}
    assert all(one.ok for one in outcomes.values())
    assert ways == {"callback", "sweep"}
    assert max(one.seconds for one in outcomes.values()) <= 2 * SAFETY
    assert len(stage.emulator.requests) < 210, "a sweep, not a read each"


async def test_events_of_callbacks_show_no_ticket(stage: Stage) -> None:
    await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    ticket = callback_url(stage).rpartition("/")[2]
    shown = [repr(stage.client), repr(stage.receiver), repr(stage.sims), repr(stage.events)]
    assert ticket not in "".join(shown)
    assert stage.told(CallbackRefused) == []

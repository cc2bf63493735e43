"""Every operation on Sims, both products, both vendors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from asyncsim import BadRequest, Conflict, NotFound, Unsupported
from asyncsim.clock import ManualClock
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS
from tests.integration.conftest import OpenStage
from tests.integration.stage import Place, Stage

SUPERSIM = [Place("twilio", "supersim"), Place("kore", "supersim")]
WIRELESS = [Place("twilio", "wireless"), Place("kore", "wireless")]


@pytest.fixture(params=SUPERSIM, ids="-".join)
async def supersim(request: pytest.FixtureRequest, set_stage: OpenStage) -> Stage:
    return await set_stage(request.param)


@pytest.fixture(params=WIRELESS, ids="-".join)
async def wireless(request: pytest.FixtureRequest, set_stage: OpenStage) -> Stage:
    return await set_stage(request.param)


async def test_a_sim_is_fetched_as_the_vendor_has_it(stage: Stage) -> None:
    sim = await stage.sims.fetch(stage.sid)
    kept = stage.store[stage.sid]
    assert (sim.sid, sim.iccid, sim.status) == (kept.sid, kept.iccid, "new")
    assert sim.date_created == datetime(2026, 1, 1, tzinfo=UTC)
    assert sim.url.endswith(f"/v1/Sims/{sim.sid}")


async def test_a_sim_is_fetched_by_its_unique_name_whatever_is_in_it(stage: Stage) -> None:
    name = "depot 7/left +ü%2F?&#"
    stage.put(stage.sid, unique_name=name)
    assert (await stage.sims.fetch(name)).sid == stage.sid
    assert (await stage.sims.update(name, unique_name="plain")).unique_name == "plain"


async def test_a_sim_that_is_not_there_is_not_found(stage: Stage) -> None:
    with pytest.raises(NotFound) as caught:
        await stage.sims.fetch("nobody")
    assert caught.value.code == 20404
    assert "fetch Sim nobody" in str(caught.value)


async def test_all_sims_are_listed_and_filtered(stage: Stage) -> None:
    stage.put(stage.sids[1], status="active")
    assert [sim.sid async for sim in stage.sims.list()] == stage.sids[::-1]
    assert [sim.sid async for sim in stage.sims.list(status="active")] == [stage.sids[1]]
    iccid = stage.store[stage.sid].iccid
    assert [sim.sid for sim in await stage.sims.list(iccid=iccid)] == [stage.sid]
    assert len(await stage.sims.list(iccid="8988000000000000000")) == 0


async def test_super_sims_are_listed_by_fleet(supersim: Stage) -> None:
    other = supersim.emulator.world(supersim.place.vendor).fleets
    fleet = next(sid for sid, one in other.items() if one.unique_name == "other")
    supersim.put(supersim.sid, fleet_sid=fleet)
    assert [one.sid async for one in supersim.sims.list(fleet="other")] == [supersim.sid]


async def test_wireless_sims_are_listed_by_plan_eid_and_registration_code(wireless: Stage) -> None:
    wireless.put(wireless.sid, eid="89033")
    assert len(await wireless.sims.list(rate_plan="default")) == 3
    assert [one.eid async for one in wireless.sims.list(eid="89033")] == ["89033"]
    assert len(await wireless.sims.list(sim_registration_code="none such")) == 0


async def test_an_update_returns_at_once_with_a_pending_status(stage: Stage) -> None:
    sim = await stage.sims.update(stage.sid, status="active")
    assert sim.status in stage.sims.kind.pending


async def test_a_name_is_changed_and_cleared_at_once(stage: Stage) -> None:
    assert (await stage.sims.update(stage.sid, unique_name="depot")).unique_name == "depot"
    assert not (await stage.sims.update(stage.sid, unique_name=None)).unique_name


async def test_every_keyword_of_a_wireless_update_arrives(wireless: Stage) -> None:
    given = {
        "unique_name": "n", "callback_method": "GET", "callback_url": "http://127.0.0.1:9/x",
        "friendly_name": "f", "rate_plan": "other", "commands_callback_method": "GET",
        "commands_callback_url": "http://127.0.0.1:9/c", "sms_fallback_method": "GET",
        "sms_fallback_url": "http://127.0.0.1:9/s", "sms_method": "GET",
        "sms_url": "http://127.0.0.1:9/u", "voice_fallback_method": "GET",
        "voice_fallback_url": "http://127.0.0.1:9/v", "voice_method": "GET",
        "voice_url": "http://127.0.0.1:9/w",
    }  # fmt: skip
    await wireless.sims.update(wireless.sid, **given)
    (sent,) = wireless.posts()
    assert {values[0] for values in sent.form.values()} == set(given.values())
    assert len(sent.form) == len(given)
    kept = wireless.store[wireless.sid]
    shown = {WIRELESS_SIMS.compared[key] for key in given if key in WIRELESS_SIMS.compared}
    assert all(getattr(kept, attribute) for attribute in shown)


async def test_a_wireless_sim_is_deleted(wireless: Stage) -> None:
    sid = wireless.sid
    await wireless.sims.delete(sid)
    with pytest.raises(NotFound):
        await wireless.sims.delete(sid)


async def test_a_wireless_sim_in_use_is_not_deleted(wireless: Stage) -> None:
    wireless.put(wireless.sid, status="active")
    with pytest.raises(Conflict, match="cannot be deleted"):
        await wireless.sims.delete(wireless.sid)


async def test_a_super_sim_is_registered_and_twice_is_no_error(supersim: Stage) -> None:
    card = supersim.emulator.world(supersim.place.vendor).registrable[0]
    keywords = {"iccid": card.iccid, "registration_code": card.registration_code}
    first = await supersim.sims.register(**keywords)
    again = await supersim.sims.register(**keywords)
    assert (first.sid, first.iccid, first.status) == (again.sid, card.iccid, "new")


async def test_a_wrong_registration_code_is_refused_with_the_vendors_code(supersim: Stage) -> None:
    card = supersim.emulator.world(supersim.place.vendor).registrable[0]
    with pytest.raises(BadRequest) as caught:
        await supersim.sims.register(iccid=card.iccid, registration_code="WRONG")
    assert caught.value.code == 83002


async def test_fleets_and_rate_plans_are_fetched_by_name(supersim: Stage) -> None:
    fleet = await supersim.client.supersim.fleets.fetch("default")
    plan = await supersim.client.wireless.rate_plans.fetch("default")
    assert (fleet.sid[:2], plan.sid[:2]) == ("HF", "WP")


async def test_a_conflict_is_raised_with_what_to_do_next(stage: Stage) -> None:
    await stage.sims.update(stage.sid, status="active")
    with pytest.raises(Conflict, match="await_transition"):
        await stage.sims.update(stage.sid, status="ready")
    assert len(stage.posts()) == 2


async def test_an_illegal_transition_is_no_conflict(stage: Stage) -> None:
    stage.put(stage.sid, status="active")
    with pytest.raises(BadRequest) as caught:
        await stage.sims.update(stage.sid, status="ready")
    assert caught.value.code in (83010, 33105)
    assert not isinstance(caught.value, Conflict)


async def test_activation_without_what_it_needs_is_refused(stage: Stage) -> None:
    stage.put(stage.sid, **({"fleet_sid": None} if stage.place.product == "supersim" else
                            {"rate_plan_sid": None}))  # fmt: skip
    with pytest.raises(BadRequest) as caught:
        await stage.sims.update(stage.sid, status="active")
    assert caught.value.code in (83007, 33104)


async def test_kore_documents_no_monitor_api(set_stage: OpenStage) -> None:
    from asyncsim.vendors import Product

    stage = await set_stage(SUPERSIM[1])
    with pytest.raises(Unsupported, match=r"hosts=Hosts\(monitor="):
        stage.client.context.base_url(Product.MONITOR)


async def test_an_expired_token_is_minted_anew_without_anybody_noticing(
    set_stage: OpenStage, clock: ManualClock
) -> None:
    stage = await set_stage(SUPERSIM[1])
    await stage.sims.fetch(stage.sid)
    await clock.advance(60)  # a token refused right after it was minted is not worth another
    stage.emulator.expire_tokens()
    assert (await stage.sims.fetch(stage.sid)).status == "new"

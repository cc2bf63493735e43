"""Every operation on Sims, both products, both vendors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from asyncsim import BadRequest, Conflict, NotFound, Unsupported
from asyncsim.clock import ManualClock
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

SUPERSIM = [Api("twilio", "supersim"), Api("kore", "supersim")]
WIRELESS = [Api("twilio", "wireless"), Api("kore", "wireless")]


@pytest.fixture(params=SUPERSIM, ids="-".join)
async def supersim(request: pytest.FixtureRequest, start_harness: OpenHarness) -> Harness:
    return await start_harness(request.param)


@pytest.fixture(params=WIRELESS, ids="-".join)
async def wireless(request: pytest.FixtureRequest, start_harness: OpenHarness) -> Harness:
    return await start_harness(request.param)


async def test_a_fetched_sim_equals_the_vendors_record(harness: Harness) -> None:
    sim = await harness.sims.fetch(harness.sid)
    kept = harness.store[harness.sid]
    assert (sim.sid, sim.iccid, sim.status) == (kept.sid, kept.iccid, "new")
    assert sim.date_created == datetime(2026, 1, 1, tzinfo=UTC)
    assert sim.url.endswith(f"/v1/Sims/{sim.sid}")


async def test_a_sim_is_fetched_by_a_unique_name_with_any_characters(harness: Harness) -> None:
    name = "depot 7/left +ü%2F?&#"
    harness.put(harness.sid, unique_name=name)
    assert (await harness.sims.fetch(name)).sid == harness.sid
    assert (await harness.sims.update(name, unique_name="plain")).unique_name == "plain"


async def test_an_unknown_sim_raises_not_found(harness: Harness) -> None:
    with pytest.raises(NotFound) as caught:
        await harness.sims.fetch("nobody")
    assert caught.value.code == 20404
    assert "fetch Sim nobody" in str(caught.value)


async def test_all_sims_are_listed_and_filtered(harness: Harness) -> None:
    harness.put(harness.sids[1], status="active")
    assert [sim.sid async for sim in harness.sims.list()] == harness.sids[::-1]
    assert [sim.sid async for sim in harness.sims.list(status="active")] == [harness.sids[1]]
    iccid = harness.store[harness.sid].iccid
    assert [sim.sid for sim in await harness.sims.list(iccid=iccid)] == [harness.sid]
    assert len(await harness.sims.list(iccid="8988000000000000000")) == 0


async def test_super_sims_are_listed_by_fleet(supersim: Harness) -> None:
    other = supersim.emulator.world(supersim.api.vendor).fleets
    fleet = next(sid for sid, one in other.items() if one.unique_name == "other")
    supersim.put(supersim.sid, fleet_sid=fleet)
    assert [one.sid async for one in supersim.sims.list(fleet="other")] == [supersim.sid]


async def test_wireless_sims_are_listed_by_plan_eid_and_registration_code(
    wireless: Harness,
) -> None:
    wireless.put(wireless.sid, eid="89033")
    assert len(await wireless.sims.list(rate_plan="default")) == 3
    assert [one.eid async for one in wireless.sims.list(eid="89033")] == ["89033"]
    assert len(await wireless.sims.list(sim_registration_code="none such")) == 0


async def test_an_update_returns_at_once_with_a_pending_status(harness: Harness) -> None:
    sim = await harness.sims.update(harness.sid, status="active")
    assert sim.status in harness.sims.kind.pending


async def test_a_name_is_changed_and_cleared_synchronously(harness: Harness) -> None:
    assert (await harness.sims.update(harness.sid, unique_name="depot")).unique_name == "depot"
    assert not (await harness.sims.update(harness.sid, unique_name=None)).unique_name


async def test_every_keyword_of_a_wireless_update_is_applied(wireless: Harness) -> None:
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


async def test_a_wireless_sim_is_deleted(wireless: Harness) -> None:
    sid = wireless.sid
    await wireless.sims.delete(sid)
    with pytest.raises(NotFound):
        await wireless.sims.delete(sid)


async def test_a_wireless_sim_in_use_is_not_deleted(wireless: Harness) -> None:
    wireless.put(wireless.sid, status="active")
    with pytest.raises(Conflict, match="cannot be deleted"):
        await wireless.sims.delete(wireless.sid)


async def test_registering_a_super_sim_twice_is_no_error(supersim: Harness) -> None:
    card = supersim.emulator.world(supersim.api.vendor).registrable[0]
    keywords = {"iccid": card.iccid, "registration_code": card.registration_code}
    first = await supersim.sims.register(**keywords)
    again = await supersim.sims.register(**keywords)
    assert (first.sid, first.iccid, first.status) == (again.sid, card.iccid, "new")


async def test_a_wrong_registration_code_is_rejected_with_the_vendors_code(
    supersim: Harness,
) -> None:
    card = supersim.emulator.world(supersim.api.vendor).registrable[0]
    with pytest.raises(BadRequest) as caught:
        await supersim.sims.register(iccid=card.iccid, registration_code="WRONG")
    assert caught.value.code == 83002


async def test_fleets_and_rate_plans_are_fetched_by_name(supersim: Harness) -> None:
    fleet = await supersim.client.supersim.fleets.fetch("default")
    plan = await supersim.client.wireless.rate_plans.fetch("default")
    assert (fleet.sid[:2], plan.sid[:2]) == ("HF", "WP")


async def test_a_conflict_error_suggests_await_transition(harness: Harness) -> None:
    await harness.sims.update(harness.sid, status="active")
    with pytest.raises(Conflict, match="await_transition"):
        await harness.sims.update(harness.sid, status="ready")
    assert len(harness.posts()) == 2


async def test_an_illegal_transition_is_not_a_conflict(harness: Harness) -> None:
    harness.put(harness.sid, status="active")
    with pytest.raises(BadRequest) as caught:
        await harness.sims.update(harness.sid, status="ready")
    assert caught.value.code in (83010, 33105)
    assert not isinstance(caught.value, Conflict)


async def test_activation_without_a_fleet_or_plan_is_rejected(harness: Harness) -> None:
    harness.put(harness.sid, **({"fleet_sid": None} if harness.api.product == "supersim" else
                            {"rate_plan_sid": None}))  # fmt: skip
    with pytest.raises(BadRequest) as caught:
        await harness.sims.update(harness.sid, status="active")
    assert caught.value.code in (83007, 33104)


async def test_kore_documents_no_monitor_api(start_harness: OpenHarness) -> None:
    from asyncsim.vendors import Product

    harness = await start_harness(SUPERSIM[1])
    with pytest.raises(Unsupported, match=r"hosts=Hosts\(monitor="):
        harness.client.context.base_url(Product.MONITOR)


async def test_an_expired_token_is_renewed_transparently(
    start_harness: OpenHarness, clock: ManualClock
) -> None:
    harness = await start_harness(SUPERSIM[1])
    await harness.sims.fetch(harness.sid)
    await clock.advance(60)  # a token rejected right after it was issued is not renewed
    harness.emulator.expire_tokens()
    assert (await harness.sims.fetch(harness.sid)).status == "new"

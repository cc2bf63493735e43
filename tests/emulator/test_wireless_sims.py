"""Programmable Wireless Sims: asynchronous changes, and every rejection."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Faults
from tests.emulator.api import Api, Listener
from tests.emulator.conftest import TRANSITION


def add(api: Api, plan: str | None = "default", **fields: Any) -> Any:
    world = api.emulator.world(api.vendor)
    found = world.rate_plans.find(plan) if plan else None
    return world.add_sim("wireless", rate_plan_sid=found.sid if found else None, **fields)


async def test_activation_gets_200_and_status_updating(
    any_wireless: Api, clock: ManualClock
) -> None:
    api = any_wireless
    sid = api.sims[0].sid
    got = await api.update(sid, Status="active")
    assert (got.status, got.body["status"]) == (200, "updating")
    await clock.advance(TRANSITION)
    assert (await api.get(f"/v1/Sims/{sid}")).body["status"] == "active"


async def test_the_intermediate_statuses_are_a_setting(wireless: Api, clock: ManualClock) -> None:
    wireless.emulator.behaviour = Behaviour(wireless_pending=("scheduled", "updating"))
    sid = wireless.sims[0].sid
    got = await wireless.update(sid, Status="active")
    assert got.body["status"] == "scheduled"
    await clock.advance(TRANSITION / 2)
    assert wireless.sim(sid).status == "updating"
    await clock.advance(TRANSITION / 2)
    assert wireless.sim(sid).status == "active"


async def test_all_plain_fields_change_at_once(wireless: Api) -> None:
    form = {
        "UniqueName": "tracker",
        "FriendlyName": "A tracker",
        "CommandsCallbackMethod": "GET",
        "CommandsCallbackUrl": "http://example.com/c",
        "SmsFallbackMethod": "GET",
        "SmsFallbackUrl": "http://example.com/sf",
        "SmsMethod": "GET",
        "SmsUrl": "http://example.com/s",
        "VoiceFallbackMethod": "GET",
        "VoiceFallbackUrl": "http://example.com/vf",
        "VoiceMethod": "GET",
        "VoiceUrl": "http://example.com/v",
    }
    got = await wireless.update(wireless.sims[0].sid, **form)
    assert got.status == 200
    shown = {
        "unique_name": "tracker",
        "friendly_name": "A tracker",
        "commands_callback_method": "GET",
        "commands_callback_url": "http://example.com/c",
        "sms_fallback_method": "GET",
        "sms_fallback_url": "http://example.com/sf",
        "sms_method": "GET",
        "sms_url": "http://example.com/s",
        "voice_fallback_method": "GET",
        "voice_fallback_url": "http://example.com/vf",
        "voice_method": "GET",
        "voice_url": "http://example.com/v",
    }
    assert {name: got.body[name] for name in shown} == shown


async def test_the_rate_plan_of_a_new_sim_changes_at_once_and_of_an_active_one_later(
    wireless: Api, clock: ManualClock
) -> None:
    other = wireless.emulator.world("twilio").rate_plans.find("other")
    assert other is not None
    new, active = add(wireless), add(wireless, status="active")
    got = await wireless.update(new.sid, RatePlan="other")
    assert (got.body["status"], got.body["rate_plan_sid"]) == ("new", other.sid)
    got = await wireless.update(active.sid, RatePlan="other")
    assert (got.body["status"], got.body["rate_plan_sid"]) == ("updating", active.rate_plan_sid)
    await clock.advance(TRANSITION)
    settled = wireless.sim(active.sid)
    assert (settled.status, settled.rate_plan_sid) == ("active", other.sid)


@pytest.mark.parametrize(
    ("fields", "form", "status", "code"),
    [
        ({"status": "updating"}, {"Status": "active"}, 409, 33010),
        ({"status": "scheduled"}, {"RatePlan": "other"}, 409, 33010),
        ({"status": "active"}, {"RatePlan": ""}, 400, 33101),
        ({"status": "active"}, {"RatePlan": "throttled"}, 400, 33101),
        ({}, {"UniqueName": "taken"}, 400, 33101),
        ({}, {"Status": "nonsense"}, 400, 33101),
        ({}, {"CallbackMethod": "PUT"}, 400, 33101),
        ({}, {"CallbackUrl": "ftp://example.com"}, 400, 11100),
        ({}, {"CallbackUrl": "http://[::1"}, 400, 11100),
        ({}, {"CallbackUrl": "http://127.0.0.1:99999/"}, 400, 11100),
        ({"plan": None}, {"Status": "active"}, 400, 33104),
        ({"status": "active"}, {"Status": "new"}, 400, 33105),
        ({"status": "active"}, {"Status": "canceled"}, 400, 33105),
        ({"status": "canceled"}, {"Status": "active"}, 400, 33105),
        ({"status": "deactivated"}, {"Status": "active"}, 400, 33105),
        ({}, {"RatePlan": "nowhere"}, 404, 33108),
        ({}, {"ResetStatus": "resetting"}, 400, 33119),
        (
            {"status": "active", "reset_status": "resetting"},
            {"ResetStatus": "resetting"},
            409,
            33120,
        ),
        ({"status": "active"}, {"Status": "suspended", "ResetStatus": "resetting"}, 400, 33121),
        ({"status": "active"}, {"Status": "suspended", "RatePlan": ""}, 400, 33121),
        ({}, {"Status": "active", "RatePlan": "metered"}, 400, 33122),
        ({}, {"AccountSid": "AC" + "0" * 32}, 403, 33201),
    ],
)
async def test_every_rejection_has_its_code(
    wireless: Api, fields: dict[str, Any], form: dict[str, str], status: int, code: int
) -> None:
    world = wireless.emulator.world("twilio")
    world.add_rate_plan("throttled", data_limit_strategy="throttle")
    world.add_rate_plan("metered", data_metering="quota-1")
    add(wireless, unique_name="taken")
    sim = add(wireless, **fields)
    got = await wireless.update(sim.sid, **form)
    assert (got.status, got.code) == (status, code)
    assert wireless.sim(sim.sid) == sim


async def test_during_an_update_a_name_may_change_unless_the_setting_says_otherwise(
    wireless: Api,
) -> None:
    sim = add(wireless, status="updating")
    assert (await wireless.update(sim.sid, FriendlyName="a")).status == 200
    wireless.emulator.behaviour = Behaviour(names_locked_while_updating=True)
    assert (await wireless.update(sim.sid, FriendlyName="b")).code == 33010


async def test_a_connectivity_reset_ends_by_itself(wireless: Api, clock: ManualClock) -> None:
    sim = add(wireless, status="active")
    got = await wireless.update(sim.sid, ResetStatus="resetting")
    assert (got.status, got.body["reset_status"], got.body["status"]) == (
        200,
        "resetting",
        "active",
    )
    await clock.advance(9)
    assert wireless.sim(sim.sid).reset_status == "resetting"
    await clock.advance(1)
    assert wireless.sim(sim.sid).reset_status is None


@pytest.mark.parametrize("calls", [True, False])
async def test_whether_a_reset_calls_back_is_a_setting(
    wireless: Api, clock: ManualClock, listener: Listener, calls: bool
) -> None:
    wireless.emulator.behaviour = Behaviour(callback_on_reset=calls)
    sim = add(wireless, status="active")
    await wireless.update(sim.sid, ResetStatus="resetting", CallbackUrl=listener.url)
    await clock.advance(10)
    assert listener.received_statuses == ["active"] * calls


async def test_activation_via_ready_calls_back_twice(
    wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    sid = wireless.sims[0].sid
    await wireless.update(sid, Status="ready", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    assert listener.received_statuses == ["ready"]
    await clock.advance(90 * 86400)
    assert listener.received_statuses == ["ready", "active"]


async def test_deactivation_calls_back_twice_and_ends_after_72_hours(
    wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    sim = add(wireless, status="active")
    await wireless.update(sim.sid, Status="deactivated", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    assert wireless.sim(sim.sid).status == "deactivated"
    await clock.advance(72 * 3600)
    assert wireless.sim(sim.sid).status == "canceled"
    assert listener.received_statuses == ["deactivated", "canceled"]


async def test_a_failed_update_calls_back_with_an_error_and_the_old_status(
    wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    wireless.emulator.faults = Faults(failing_updates=1.0)
    sim = add(wireless, status="active", unique_name="one")
    await wireless.update(sim.sid, Status="suspended", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    assert wireless.sim(sim.sid).status == "active"
    assert listener.calls[0].params == {
        "SimSid": sim.sid,
        "SimUniqueName": "one",
        "SimStatus": "active",
        "ErrorCode": "33000",
        "ErrorMessage": "The operator could not apply the change",
        "ApiVersion": "v1",
        "AccountSid": sim.account_sid,
    }


@pytest.mark.parametrize(
    ("status", "expected"), [("new", 204), ("canceled", 204), ("active", 409), ("updating", 409)]
)
async def test_only_some_statuses_allow_deletion(wireless: Api, status: str, expected: int) -> None:
    sim = add(wireless, status=status)
    got = await wireless.delete(sim.sid)
    assert got.status == expected
    gone = expected == 204
    assert (await wireless.get(f"/v1/Sims/{sim.sid}")).status == (404 if gone else 200)


async def test_a_deleted_sim_has_no_further_transitions(wireless: Api, clock: ManualClock) -> None:
    wireless.emulator.behaviour = Behaviour(delete_allowed_in=frozenset({"updating"}))
    sid = wireless.sims[0].sid
    await wireless.update(sid, Status="active")
    assert (await wireless.delete(sid)).status == 204
    await clock.advance(TRANSITION)
    assert sid not in wireless.emulator.world("twilio").sims("wireless")

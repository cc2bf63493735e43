"""Bad input to every create and update raises the right error class with the vendor's code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attrs import frozen

from asyncsim import (
    APIError,
    BadRequest,
    Client,
    Conflict,
    NotFound,
    PermissionDenied,
)
from asyncsim.emulator import World
from asyncsim.models.wireless.commands import COMMANDS
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api

LONG = "x" * 2000
UNKNOWN_SID = "nobody"
NO_HEX = "0" * 32


@frozen
class BadCall:
    """A call that the vendor rejects."""

    call: Callable[[Any], Awaitable[Any]]
    error: type[APIError]
    code: int


def wireless_sim(sim: str, error: type[APIError], code: int, **changes: Any) -> BadCall:
    return BadCall(lambda c: c.wireless.sims.update(sim, **changes), error, code)


def super_sim(sim: str, error: type[APIError], code: int, **changes: Any) -> BadCall:
    return BadCall(lambda c: c.supersim.sims.update(sim, **changes), error, code)


def command(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> BadCall:
    whole = {"command": "x", "sim": "active", **keywords}
    return BadCall(lambda c: c.wireless.commands.create(**whole), error, code)


def sms(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> BadCall:
    whole = {"payload": "x", "sim": "active", **keywords}
    return BadCall(lambda c: c.supersim.sms_commands.create(**whole), error, code)


def ip(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> BadCall:
    whole = {"payload": "x", "sim": "active", "device_port": 7, **keywords}
    return BadCall(lambda c: c.supersim.ip_commands.create(**whole), error, code)


def plan(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> BadCall:
    return BadCall(lambda c: c.wireless.rate_plans.create(**keywords), error, code)


def fleet(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> BadCall:
    whole = {"network_access_profile": "default", **keywords}
    return BadCall(lambda c: c.supersim.fleets.create(**whole), error, code)


def changed_fleet(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> BadCall:
    return BadCall(lambda c: c.supersim.fleets.update("default", **keywords), error, code)


SIMS = {
    "PW: unknown": wireless_sim(UNKNOWN_SID, NotFound, 20404, friendly_name="x"),
    "PW: without a plan": wireless_sim("bare", BadRequest, 33104, status="active"),
    "PW: plan unknown": wireless_sim("active", NotFound, 33108, rate_plan="WP" + NO_HEX),
    # A name is looked up first, so the plan itself is not found.
    "PW: plan of no such name": wireless_sim("active", NotFound, 20404, rate_plan=UNKNOWN_SID),
    "PW: plan removed": wireless_sim("active", BadRequest, 33101, rate_plan=None),
    "PW: while updating": wireless_sim("updating", Conflict, 33010, status="suspended"),
    "PW: back to new": wireless_sim("active", BadRequest, 33105, status="new"),
    "PW: name taken": wireless_sim("bare", BadRequest, 33101, unique_name="active"),
    "PW: reset when idle": wireless_sim("idle", BadRequest, 33119, reset_status="resetting"),
    "PW: reset twice": wireless_sim("resetting", Conflict, 33120, reset_status="resetting"),
    "PW: reset and status": wireless_sim(
        "active", BadRequest, 33121, status="suspended", reset_status="resetting"
    ),
    "PW: suspended without plan": wireless_sim(
        "active", BadRequest, 33121, status="suspended", rate_plan=None
    ),
    "PW: metering of old": wireless_sim(
        "bare", BadRequest, 33122, status="active", rate_plan="metered"
    ),
    "PW: wide plan for a narrowband SIM": wireless_sim(
        "narrow", BadRequest, 33101, rate_plan="other"
    ),
    "PW: no callback URL": wireless_sim("active", BadRequest, 11100, callback_url="nowhere"),
    "SS: unknown": super_sim(UNKNOWN_SID, NotFound, 20404, unique_name="x"),
    "SS: Fleet unknown": super_sim("active", NotFound, 83006, fleet="HF" + NO_HEX),
    "SS: Fleet of no such name": super_sim("active", NotFound, 20404, fleet=UNKNOWN_SID),
    "SS: without a Fleet": super_sim("bare", BadRequest, 83007, status="active"),
    "SS: Fleet removed": super_sim("active", BadRequest, 83008, fleet=None),
    "SS: while scheduled": super_sim("scheduled", Conflict, 83009, fleet="other"),
    "SS: status while scheduled": super_sim("scheduled", Conflict, 83010, status="active"),
    "SS: back to ready": super_sim("active", BadRequest, 83010, status="ready"),
    "SS: name taken": super_sim("bare", Conflict, 83011, unique_name="active"),
    "SS: no callback URL": super_sim("active", BadRequest, 11100, callback_url="nowhere"),
    "SS: wrong code": BadCall(
        lambda c: c.supersim.sims.register(iccid="1", registration_code="x"), BadRequest, 83002
    ),
}
COMMANDS_ = {
    "PW: no SIM": command(33102, sim=""),
    "PW: SIM unknown": command(33107, NotFound, sim=UNKNOWN_SID),
    "PW: SIM idle": command(33104, sim="idle"),
    "PW: too long": command(33111, command="x" * 161),
    "PW: too long with the SID": command(33111, command="x" * 129, include_sid="end"),
    "PW: no Base64": command(33101, command="?", command_mode="binary"),
    "PW: too many queued": command(33118, sim="narrow"),
    "PW: plan without messages": command(33201, PermissionDenied, sim="mute"),
    "PW: no callback URL": command(11100, callback_url="nowhere"),
    "SMS: SIM unknown": sms(83005, NotFound, sim=UNKNOWN_SID),
    "SMS: SIM idle": sms(20001, sim="idle"),
    "SMS: too long": sms(20001, payload="x" * 161),
    "SMS: Fleet without messages": sms(20001, sim="mute"),
    "SMS: no callback URL": sms(11100, callback_url="nowhere"),
    "IP: SIM unknown": ip(83005, NotFound, sim=UNKNOWN_SID),
    "IP: SIM idle": ip(83400, sim="idle"),
    "IP: Fleet without data": ip(83400, sim="dataless"),
    "IP: too long": ip(20001, payload="x" * 1301),
    "IP: no Base64": ip(20001, payload="?", payload_type="binary"),
    "IP: no port": ip(20001, device_port=70000),
    "eSIM: nothing given": BadCall(lambda c: c.supersim.esim_profiles.create(), BadRequest, 20002),
    "eSIM: no callback URL": BadCall(
        lambda c: c.supersim.esim_profiles.create(eid="8903", callback_url="nowhere"),
        BadRequest,
        11100,
    ),
}
CATALOGUE = {
    "plan: limit too small": plan(33101, data_limit=0),
    "plan: limit too large": plan(33101, national_roaming_data_limit=2_000_001),
    "plan: name taken": plan(33101, unique_name="default"),
    "plan: name too long": plan(33101, unique_name=LONG),
    "plan: metering unknown": plan(33101, data_metering="by the day"),
    "plan: update of an unknown": BadCall(
        lambda c: c.wireless.rate_plans.update(UNKNOWN_SID, unique_name="x"), NotFound, 20404
    ),
    "plan: update to a name taken": BadCall(
        lambda c: c.wireless.rate_plans.update("other", unique_name="default"), BadRequest, 33101
    ),
    "plan: deleted in use": BadCall(
        lambda c: c.wireless.rate_plans.delete("default"), Conflict, 33101
    ),
    "plan: deleted unknown": BadCall(
        lambda c: c.wireless.rate_plans.delete(UNKNOWN_SID), NotFound, 20404
    ),
    "fleet: profile unknown": fleet(20001, network_access_profile=UNKNOWN_SID),
    "fleet: limit too small": fleet(20001, data_limit=0),
    "fleet: name taken": fleet(83011, Conflict, unique_name="default"),
    "fleet: no URL": fleet(11100, sms_commands_url="nowhere"),
    "fleet: update of an unknown": BadCall(
        lambda c: c.supersim.fleets.update(UNKNOWN_SID, unique_name="x"), NotFound, 20404
    ),
    "fleet: update to a name taken": changed_fleet(83011, Conflict, unique_name="other"),
    "fleet: update to no limit": changed_fleet(20001, data_limit=2_000_001),
    "fleet: update to no profile": changed_fleet(20001, network_access_profile=UNKNOWN_SID),
    "fleet: update to no URL": changed_fleet(11100, ip_commands_url="nowhere"),
    "profile: network unknown": BadCall(
        lambda c: c.supersim.network_access_profiles.create(networks=[UNKNOWN_SID]),
        BadRequest,
        20001,
    ),
    "profile: name taken": BadCall(
        lambda c: c.supersim.network_access_profiles.create(unique_name="default"), Conflict, 83011
    ),
    "profile: update of an unknown": BadCall(
        lambda c: c.supersim.network_access_profiles.update(UNKNOWN_SID, unique_name="x"),
        NotFound,
        20404,
    ),
    "profile: update to a name too long": BadCall(
        lambda c: c.supersim.network_access_profiles.update("default", unique_name=LONG),
        BadRequest,
        20001,
    ),
    "network: unknown": BadCall(
        lambda c: c.supersim.network_access_profile_networks.create("default", network=UNKNOWN_SID),
        BadRequest,
        20001,
    ),
    "network: profile unknown": BadCall(
        lambda c: c.supersim.network_access_profile_networks.create(UNKNOWN_SID, network="HW"),
        NotFound,
        20404,
    ),
    "network: deleted unknown": BadCall(
        lambda c: c.supersim.network_access_profile_networks.delete("default", "HW" + NO_HEX),
        NotFound,
        20404,
    ),
}
EVERYWHERE = {**SIMS, **{f"Command {k}": v for k, v in COMMANDS_.items()}, **CATALOGUE}

KORE_ONLY = {
    "secret: renamed, but unknown": BadCall(
        lambda c: c.webhooks.secrets.update("whs_nobody", name="x"), NotFound, 40404
    ),
    "secret: unknown": BadCall(
        lambda c: c.webhooks.secrets.update("whs_nobody", status="active"), NotFound, 40404
    ),
}


def add_resources(world: World) -> None:
    """Add the SIMs, plans and Fleets that the calls above name."""
    default_plan, default_fleet = next(iter(world.rate_plans)), next(iter(world.fleets))
    mute_plan = world.add_rate_plan("mute", messaging_enabled=False).sid
    world.add_rate_plan("metered", data_metering="quota-1")
    plans = {
        "active": ("active", default_plan),
        "idle": ("suspended", default_plan),
        "updating": ("updating", default_plan),
        "mute": ("active", mute_plan),
        "bare": ("new", None),
    }
    for name, (status, sid) in plans.items():
        world.add_sim("wireless", unique_name=name, status=status, rate_plan_sid=sid)
    resetting: dict[str, Any] = {"status": "active", "reset_status": "resetting"}
    world.add_sim("wireless", unique_name="resetting", rate_plan_sid=default_plan, **resetting)
    narrow = world.add_sim("wireless", unique_name="narrow", status="active", narrowband=True)
    for _ in range(100):
        world.add(COMMANDS, status="queued", direction="to_sim", sim_sid=narrow.sid)
    fleets = {
        "active": ("active", default_fleet),
        "idle": ("inactive", default_fleet),
        "scheduled": ("scheduled", default_fleet),
        "mute": ("active", world.add_fleet("mute", sms_commands_enabled=False).sid),
        "dataless": ("active", world.add_fleet("dataless", data_enabled=False).sid),
        "bare": ("new", None),
    }
    for name, (status, sid) in fleets.items():
        world.add_sim("supersim", unique_name=name, status=status, fleet_sid=sid)


async def check(start_harness: OpenHarness, vendor: Any, bad: BadCall) -> None:
    harness = await start_harness(Api(vendor, "supersim"), sims=1)
    add_resources(harness.emulator.world(vendor))
    client: Client = harness.client
    before = _snapshot(harness.emulator.world(vendor))
    with pytest.raises(APIError) as caught:
        await harness.complete(bad.call(client))
    error = caught.value
    assert (type(error), error.code) == (bad.error, bad.code)
    assert all((error.message, error.more_info, error.asked))
    assert str(bad.code) in str(error)
    assert (error.request_id is not None) is (vendor == "twilio")
    assert _snapshot(harness.emulator.world(vendor)) == before


def _snapshot(world: World) -> list[Any]:
    """All state that a rejected request must leave unchanged."""
    stores: list[Any] = [world.sims("wireless"), world.sims("supersim")]
    stores += [world.fleets, world.rate_plans, world.store(COMMANDS)]
    return [dict(store) for store in stores]


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize("name", EVERYWHERE)
async def test_bad_input_is_rejected_with_the_vendors_code(
    start_harness: OpenHarness, vendor: str, name: str
) -> None:
    await check(start_harness, vendor, EVERYWHERE[name])


@pytest.mark.parametrize("name", KORE_ONLY)
async def test_bad_input_to_kore_secrets_is_rejected(start_harness: OpenHarness, name: str) -> None:
    await check(start_harness, "kore", KORE_ONLY[name])

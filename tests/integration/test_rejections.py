"""Bad input to every create and update: the vendor's code, in the error of the right class."""

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
NOBODY = "nobody"
NO_HEX = "0" * 32


@frozen
class Bad:
    """A call that is refused."""

    call: Callable[[Any], Awaitable[Any]]
    error: type[APIError]
    code: int


def wireless_sim(sim: str, error: type[APIError], code: int, **changes: Any) -> Bad:
    return Bad(lambda c: c.wireless.sims.update(sim, **changes), error, code)


def super_sim(sim: str, error: type[APIError], code: int, **changes: Any) -> Bad:
    return Bad(lambda c: c.supersim.sims.update(sim, **changes), error, code)


def command(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> Bad:
    whole = {"command": "x", "sim": "active", **keywords}
    return Bad(lambda c: c.wireless.commands.create(**whole), error, code)


def sms(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> Bad:
    whole = {"payload": "x", "sim": "active", **keywords}
    return Bad(lambda c: c.supersim.sms_commands.create(**whole), error, code)


def ip(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> Bad:
    whole = {"payload": "x", "sim": "active", "device_port": 7, **keywords}
    return Bad(lambda c: c.supersim.ip_commands.create(**whole), error, code)


def plan(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> Bad:
    return Bad(lambda c: c.wireless.rate_plans.create(**keywords), error, code)


def fleet(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> Bad:
    whole = {"network_access_profile": "default", **keywords}
    return Bad(lambda c: c.supersim.fleets.create(**whole), error, code)


def changed_fleet(code: int, error: type[APIError] = BadRequest, **keywords: Any) -> Bad:
    return Bad(lambda c: c.supersim.fleets.update("default", **keywords), error, code)


SIMS = {
    "PW: unknown": wireless_sim(NOBODY, NotFound, 20404, friendly_name="x"),
    "PW: without a plan": wireless_sim("bare", BadRequest, 33104, status="active"),
    "PW: plan unknown": wireless_sim("active", NotFound, 33108, rate_plan="WP" + NO_HEX),
    # A name is looked up first: what is not found is then the plan itself.
    "PW: plan of no such name": wireless_sim("active", NotFound, 20404, rate_plan=NOBODY),
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
    "SS: unknown": super_sim(NOBODY, NotFound, 20404, unique_name="x"),
    "SS: Fleet unknown": super_sim("active", NotFound, 83006, fleet="HF" + NO_HEX),
    "SS: Fleet of no such name": super_sim("active", NotFound, 20404, fleet=NOBODY),
    "SS: without a Fleet": super_sim("bare", BadRequest, 83007, status="active"),
    "SS: Fleet removed": super_sim("active", BadRequest, 83008, fleet=None),
    "SS: while scheduled": super_sim("scheduled", Conflict, 83009, fleet="other"),
    "SS: status while scheduled": super_sim("scheduled", Conflict, 83010, status="active"),
    "SS: back to ready": super_sim("active", BadRequest, 83010, status="ready"),
    "SS: name taken": super_sim("bare", Conflict, 83011, unique_name="active"),
    "SS: no callback URL": super_sim("active", BadRequest, 11100, callback_url="nowhere"),
    "SS: wrong code": Bad(
        lambda c: c.supersim.sims.register(iccid="1", registration_code="x"), BadRequest, 83002
    ),
}
COMMANDS_ = {
    "PW: no SIM": command(33102, sim=""),
    "PW: SIM unknown": command(33107, NotFound, sim=NOBODY),
    "PW: SIM idle": command(33104, sim="idle"),
    "PW: too long": command(33111, command="x" * 161),
    "PW: too long with the SID": command(33111, command="x" * 129, include_sid="end"),
    "PW: no Base64": command(33101, command="?", command_mode="binary"),
    "PW: too many queued": command(33118, sim="narrow"),
    "PW: plan without messages": command(33201, PermissionDenied, sim="mute"),
    "PW: no callback URL": command(11100, callback_url="nowhere"),
    "SMS: SIM unknown": sms(83005, NotFound, sim=NOBODY),
    "SMS: SIM idle": sms(20001, sim="idle"),
    "SMS: too long": sms(20001, payload="x" * 161),
    "SMS: Fleet without messages": sms(20001, sim="mute"),
    "SMS: no callback URL": sms(11100, callback_url="nowhere"),
    "IP: SIM unknown": ip(83005, NotFound, sim=NOBODY),
    "IP: SIM idle": ip(83400, sim="idle"),
    "IP: Fleet without data": ip(83400, sim="dataless"),
    "IP: too long": ip(20001, payload="x" * 1301),
    "IP: no Base64": ip(20001, payload="?", payload_type="binary"),
    "IP: no port": ip(20001, device_port=70000),
    "eSIM: nothing given": Bad(lambda c: c.supersim.esim_profiles.create(), BadRequest, 20002),
    "eSIM: no callback URL": Bad(
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
    "plan: update of an unknown": Bad(
        lambda c: c.wireless.rate_plans.update(NOBODY, unique_name="x"), NotFound, 20404
    ),
    "plan: update to a name taken": Bad(
        lambda c: c.wireless.rate_plans.update("other", unique_name="default"), BadRequest, 33101
    ),
    "plan: deleted in use": Bad(lambda c: c.wireless.rate_plans.delete("default"), Conflict, 33101),
    "plan: deleted unknown": Bad(lambda c: c.wireless.rate_plans.delete(NOBODY), NotFound, 20404),
    "fleet: profile unknown": fleet(20001, network_access_profile=NOBODY),
    "fleet: limit too small": fleet(20001, data_limit=0),
    "fleet: name taken": fleet(83011, Conflict, unique_name="default"),
    "fleet: no URL": fleet(11100, sms_commands_url="nowhere"),
    "fleet: update of an unknown": Bad(
        lambda c: c.supersim.fleets.update(NOBODY, unique_name="x"), NotFound, 20404
    ),
    "fleet: update to a name taken": changed_fleet(83011, Conflict, unique_name="other"),
    "fleet: update to no limit": changed_fleet(20001, data_limit=2_000_001),
    "fleet: update to no profile": changed_fleet(20001, network_access_profile=NOBODY),
    "fleet: update to no URL": changed_fleet(11100, ip_commands_url="nowhere"),
    "profile: network unknown": Bad(
        lambda c: c.supersim.network_access_profiles.create(networks=[NOBODY]), BadRequest, 20001
    ),
    "profile: name taken": Bad(
        lambda c: c.supersim.network_access_profiles.create(unique_name="default"), Conflict, 83011
    ),
    "profile: update of an unknown": Bad(
        lambda c: c.supersim.network_access_profiles.update(NOBODY, unique_name="x"),
        NotFound,
        20404,
    ),
    "profile: update to a name too long": Bad(
        lambda c: c.supersim.network_access_profiles.update("default", unique_name=LONG),
        BadRequest,
        20001,
    ),
    "network: unknown": Bad(
        lambda c: c.supersim.network_access_profile_networks.create("default", network=NOBODY),
        BadRequest,
        20001,
    ),
    "network: profile unknown": Bad(
        lambda c: c.supersim.network_access_profile_networks.create(NOBODY, network="HW"),
        NotFound,
        20404,
    ),
    "network: deleted unknown": Bad(
        lambda c: c.supersim.network_access_profile_networks.delete("default", "HW" + NO_HEX),
        NotFound,
        20404,
    ),
}
EVERYWHERE = {**SIMS, **{f"Command {k}": v for k, v in COMMANDS_.items()}, **CATALOGUE}

KORE_ONLY = {
    "secret: renamed, but unknown": Bad(
        lambda c: c.webhooks.secrets.update("whs_nobody", name="x"), NotFound, 40404
    ),
    "secret: unknown": Bad(
        lambda c: c.webhooks.secrets.update("whs_nobody", status="active"), NotFound, 40404
    ),
}


def furnish(world: World) -> None:
    """SIMs, plans and Fleets by the names that the calls above use."""
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


async def check(start_harness: OpenHarness, vendor: Any, bad: Bad) -> None:
    harness = await start_harness(Api(vendor, "supersim"), sims=1)
    furnish(harness.emulator.world(vendor))
    client: Client = harness.client
    before = _written(harness.emulator.world(vendor))
    with pytest.raises(APIError) as caught:
        await harness.complete(bad.call(client))
    error = caught.value
    assert (type(error), error.code) == (bad.error, bad.code)
    assert all((error.message, error.more_info, error.asked))
    assert str(bad.code) in str(error)
    assert (error.request_id is not None) is (vendor == "twilio")
    assert _written(harness.emulator.world(vendor)) == before


def _written(world: World) -> list[Any]:
    """Everything that a refused request must leave as it was."""
    stores: list[Any] = [world.sims("wireless"), world.sims("supersim")]
    stores += [world.fleets, world.rate_plans, world.store(COMMANDS)]
    return [dict(store) for store in stores]


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize("name", EVERYWHERE)
async def test_bad_input_is_refused_with_the_vendors_code(
    start_harness: OpenHarness, vendor: str, name: str
) -> None:
    await check(start_harness, vendor, EVERYWHERE[name])


@pytest.mark.parametrize("name", KORE_ONLY)
async def test_bad_input_to_kores_secrets_is_refused(start_harness: OpenHarness, name: str) -> None:
    await check(start_harness, "kore", KORE_ONLY[name])

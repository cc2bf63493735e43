"""Every documented error code, with the request that causes it, or why no request can.

Sources: Twilio's error dictionary; KORE docs, API Responses; both vendors' resource pages.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import field, frozen

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Faults, World
from asyncsim.models.wireless.commands import COMMANDS
from tests.emulator.api import Api, Listener, basic

WIRELESS, SUPERSIM, MONITOR, WEBHOOKS = "wireless", "supersim", "monitor", "webhooks"


@frozen
class Cause:
    """A request that is rejected."""

    product: str
    method: str
    path: str
    form: dict[str, Any] = field(factory=dict)
    behaviour: Behaviour = field(factory=Behaviour)
    faults: Faults = field(factory=Faults)


def update(product: str, sim: str, **form: Any) -> Cause:
    return Cause(product, "POST", f"/v1/Sims/{sim}", form)


def command(**form: Any) -> Cause:
    return Cause(WIRELESS, "POST", "/v1/Commands", {"Command": "x", **form})


def ip_command(**form: Any) -> Cause:
    whole = {"Payload": "x", "DevicePort": 7, **form}
    return Cause(SUPERSIM, "POST", "/v1/IpCommands", whole)


def usage(**query: str) -> Cause:
    return Cause(SUPERSIM, "GET", "/v1/UsageRecords", query)


OTHER_ACCOUNT = "AC" + "0" * 32

REQUESTS: dict[int, Cause] = {
    20001: Cause(
        SUPERSIM, "GET", "/v1/Sims", {"Colour": "red"}, Behaviour(unknown_parameters="refuse")
    ),
    20002: Cause(SUPERSIM, "POST", "/v1/SmsCommands", {"Sim": "active"}),
    20004: Cause(SUPERSIM, "PUT", "/v1/Sims"),
    20006: update(SUPERSIM, "bare", AccountSid=OTHER_ACCOUNT),
    20404: update(SUPERSIM, "missing"),
    20429: Cause(SUPERSIM, "GET", "/v1/Sims", faults=Faults(rate_limited=1.0)),
    20500: Cause(
        SUPERSIM, "GET", "/v1/Sims", faults=Faults(server_errors=1.0, share_processed=1.0)
    ),
    20503: Cause(
        SUPERSIM, "GET", "/v1/Sims", faults=Faults(server_errors=1.0, share_processed=0.0)
    ),
    21481: Cause(SUPERSIM, "GET", "/v1/Sims", {"PageToken": "PAHS0"}),
    33010: update(WIRELESS, "updating", Status="active"),
    33101: Cause(WIRELESS, "POST", "/v1/RatePlans", {"DataLimit": 0}),
    33102: command(),
    33103: Cause(WIRELESS, "GET", "/v1/Sims", {"PageToken": "PADE0"}),
    33104: update(WIRELESS, "bare", Status="active"),
    33105: update(WIRELESS, "active", Status="new"),
    33107: command(Sim="missing"),
    33108: update(WIRELESS, "active", RatePlan="missing"),
    33111: command(Sim="active", Command="x" * 161),
    33118: command(Sim="narrow"),
    33119: update(WIRELESS, "idle", ResetStatus="resetting"),
    33120: update(WIRELESS, "resetting", ResetStatus="resetting"),
    33121: update(WIRELESS, "active", Status="suspended", ResetStatus="resetting"),
    33122: update(WIRELESS, "bare", Status="active", RatePlan="metered"),
    33201: command(Sim="mute"),
    33203: Cause(
        WIRELESS,
        "POST",
        "/v1/Commands",
        {"Command": "x", "Sim": "mute"},
        Behaviour(no_messaging_code=33203),
    ),
    83001: Cause(SUPERSIM, "POST", "/v1/Sims", {"Iccid": "1"}),
    83002: Cause(SUPERSIM, "POST", "/v1/Sims", {"Iccid": "1", "RegistrationCode": "x"}),
    83003: Cause(SUPERSIM, "POST", "/v1/Sims", {"Iccid": "8900", "RegistrationCode": "x"}),
    83005: Cause(SUPERSIM, "POST", "/v1/SmsCommands", {"Sim": "missing", "Payload": "x"}),
    83006: update(SUPERSIM, "active", Fleet="missing"),
    83007: update(SUPERSIM, "bare", Status="active"),
    83008: update(SUPERSIM, "active", Fleet=""),
    83009: update(SUPERSIM, "scheduled", Fleet="other"),
    83010: update(SUPERSIM, "active", Status="ready"),
    83011: update(SUPERSIM, "bare", UniqueName="active"),
    83400: ip_command(Sim="idle"),
    83600: usage(Group="colour"),
    83601: usage(Granularity="day", EndTime="2026-01-01T00:00:01Z"),
    83602: usage(Granularity="hour", EndTime="2026-01-01T00:00:01Z"),
    83603: usage(Group="sim", StartTime="2025-10-01"),
    83604: usage(Granularity="hour", StartTime="2025-10-01"),
    83605: usage(StartTime="2024-01-01"),
    40400: Cause(WEBHOOKS, "POST", "/v1/secrets", {}),
    40404: Cause(WEBHOOKS, "PATCH", "/v1/secrets/whs_missing", {}),
    40405: Cause(WEBHOOKS, "DELETE", "/v1/secrets", {}),
}

ELSEWHERE: dict[int, str] = {
    11205: "logged with a delivery that could not connect",
    20003: "the response to wrong credentials",
    33000: "said in the callback of a change or a Command that failed",
    83401: "said in the callback of an IP Command to a detached device",
    83402: "logged with a delivery that an IP Command's listener rejected",
    83500: "shown by the ESimProfile that failed",
}
"""Codes that occur outside of rejections; other tests cover them."""

NEVER: dict[int, str] = {
    20409: "KORE: the Account SID is invalid; no request of these APIs has one in its path",
    33004: "overload: the emulator's server errors say 20503, as the platform does",
    83000: "registration failed inside the vendor: server errors say 20500",
    83004: "update failed inside the vendor: a failed change shows as an unchanged status",
    40401: "KORE's gateway rejects without any code",
    40402: "KORE documents the family, not this code's cause",
    40403: "KORE's gateway rejects without any code",
    **dict.fromkeys(range(40500, 40505), "KORE's server errors: ours say 20500 and 20503"),
    **dict.fromkeys(range(83700, 83706), "of connection events, which no request asks for"),
}

DOCUMENTED = {
    *(20001, 20002, 20003, 20004, 20006, 20404, 20409, 20429, 20500, 20503, 21481, 11205),
    *range(40400, 40406),
    *range(40500, 40505),
    *(33000, 33004, 33010, *range(33101, 33106), 33107, 33108, 33111, *range(33118, 33123)),
    *(33201, 33203),
    *range(83000, 83012),
    *range(83400, 83403),
    83500,
    *range(83600, 83606),
    *range(83700, 83706),
}


def add_records(world: World) -> None:
    """Create the SIMs and plans that the requests above name."""
    plan = next(iter(world.rate_plans))
    fleet = next(iter(world.fleets))
    mute = world.add_rate_plan("mute", messaging_enabled=False)
    world.add_rate_plan("metered", data_metering="quota-1")
    for name, status in (("active", "active"), ("idle", "suspended"), ("updating", "updating")):
        world.add_sim(WIRELESS, unique_name=name, status=status, rate_plan_sid=plan)
    world.add_sim(WIRELESS, unique_name="bare")
    world.add_sim(WIRELESS, unique_name="mute", status="active", rate_plan_sid=mute.sid)
    world.add_sim(WIRELESS, unique_name="resetting", status="active", reset_status="resetting")
    narrow = world.add_sim(WIRELESS, unique_name="narrow", status="active", narrowband=True)
    for _ in range(100):
        world.add(COMMANDS, status="queued", direction="to_sim", sim_sid=narrow.sid)
    for name, status in (("active", "active"), ("idle", "inactive"), ("scheduled", "scheduled")):
        world.add_sim(SUPERSIM, unique_name=name, status=status, fleet_sid=fleet)
    world.add_sim(SUPERSIM, unique_name="bare", iccid="8900")


@pytest.fixture
def api(wireless: Api, kore_wireless: Api) -> Api:
    for one in (wireless, kore_wireless):
        add_records(one.world)
    return wireless


@pytest.mark.parametrize("code", REQUESTS)
async def test_a_request_is_rejected_with_its_documented_code(
    api: Api, kore_wireless: Api, code: int
) -> None:
    cause = REQUESTS[code]
    api.emulator.behaviour, api.emulator.faults = cause.behaviour, cause.faults
    if cause.product == WEBHOOKS:
        got = await kore_wireless.of(WEBHOOKS).send_json(cause.method, cause.path, cause.form)
    elif cause.method == "GET":
        got = await api.of(cause.product).get(cause.path, **cause.form)
    elif cause.method == "POST":
        got = await api.of(cause.product).post(cause.path, **cause.form)
    else:
        got = await api.of(cause.product).send(cause.method, cause.path)
    assert got.code == code, got.body
    assert got.body["status"] == got.status >= 400


async def test_the_status_of_a_code_is_a_setting(api: Api) -> None:
    api.emulator.behaviour = Behaviour(http_status={33104: 422})
    assert (await api.update("bare", Status="active")).status == 422


async def test_wrong_credentials_are_20003(api: Api) -> None:
    api.authorization = basic(api.credentials.account_sid, "wrong")
    assert (await api.get()).code == 20003


async def test_an_unreachable_listener_is_11205_in_the_log(
    api: Api, clock: ManualClock, listener: Listener, unused_tcp_port: int
) -> None:
    await api.update(
        "active", Status="suspended", CallbackUrl=f"http://127.0.0.1:{unused_tcp_port}/"
    )
    await clock.advance(60)
    assert [one.code for one in api.emulator.deliveries] == [11205, 11205]


def test_every_documented_code_is_listed_once() -> None:
    places = [*REQUESTS, *ELSEWHERE, *NEVER]
    assert len(places) == len(set(places))
    assert set(places) == DOCUMENTED
    assert all(NEVER.values())
    assert all(ELSEWHERE.values())

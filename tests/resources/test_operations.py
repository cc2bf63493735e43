"""Requests of each verb, copied by hand from the vendors' documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from asyncsim import Client
from asyncsim.validation import looks_like_sid
from tests.http.server import ScriptedResponse
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import ScriptedApi, sid

Call = Callable[[Client], Any]

DE, WP, DC, AE = sid("DE"), sid("WP"), sid("DC"), sid("AE")
HS, HF, HA, HW = sid("HS"), sid("HF"), sid("HA"), sid("HW")
HC, HG, HP = sid("HC"), sid("HG"), sid("HP")
DAY = datetime(2026, 11, 1, tzinfo=UTC)

WIRELESS: list[tuple[Call, str]] = [
    (lambda c: c.wireless.sims.list(status="active"), "GET /v1/Sims?Status=active"),
    (lambda c: c.wireless.sims.fetch(DE), f"GET /v1/Sims/{DE}"),
    (
        lambda c: c.wireless.sims.update(DE, reset_status="resetting"),
        f"POST /v1/Sims/{DE} ResetStatus=resetting",
    ),
    (lambda c: c.wireless.sims.delete(DE), f"DELETE /v1/Sims/{DE}"),
    (lambda c: c.wireless.rate_plans.list(), "GET /v1/RatePlans"),
    (lambda c: c.wireless.rate_plans.fetch(WP), f"GET /v1/RatePlans/{WP}"),
    (
        lambda c: c.wireless.rate_plans.create(
            unique_name="plan", data_enabled=True, international_roaming=["data", "messaging"]
        ),
        "POST /v1/RatePlans UniqueName=plan&DataEnabled=true"
        "&InternationalRoaming=data&InternationalRoaming=messaging",
    ),
    (
        lambda c: c.wireless.rate_plans.update(WP, friendly_name=None),
        f"POST /v1/RatePlans/{WP} FriendlyName=",
    ),
    (lambda c: c.wireless.rate_plans.delete(WP), f"DELETE /v1/RatePlans/{WP}"),
    (
        lambda c: c.wireless.commands.list(sim=DE, direction="to_sim", transport="sms"),
        f"GET /v1/Commands?Sim={DE}&Direction=to_sim&Transport=sms",
    ),
    (lambda c: c.wireless.commands.fetch(DC), f"GET /v1/Commands/{DC}"),
    (
        lambda c: c.wireless.commands.create(
            command="wake up", sim=DE, include_sid="end", delivery_receipt_requested=False
        ),
        f"POST /v1/Commands Command=wake+up&Sim={DE}&IncludeSid=end&DeliveryReceiptRequested=false",
    ),
    (lambda c: c.wireless.commands.delete(DC), f"DELETE /v1/Commands/{DC}"),
    (lambda c: c.wireless.data_sessions.list(DE), f"GET /v1/Sims/{DE}/DataSessions"),
    (
        lambda c: c.wireless.usage_records.list(DE, start=DAY, granularity="daily"),
        f"GET /v1/Sims/{DE}/UsageRecords?Start=2026-11-01T00%3A00%3A00Z&Granularity=daily",
    ),
    (
        lambda c: c.wireless.account_usage_records.list(end=DAY),
        "GET /v1/UsageRecords?End=2026-11-01T00%3A00%3A00Z",
    ),
]

SUPERSIM: list[tuple[Call, str]] = [
    (lambda c: c.supersim.sims.list(iccid="8988"), "GET /v1/Sims?Iccid=8988"),
    (lambda c: c.supersim.sims.fetch(HS), f"GET /v1/Sims/{HS}"),
    (
        lambda c: c.supersim.sims.register(iccid="8988", registration_code="H3LL0W0RLD"),
        "POST /v1/Sims Iccid=8988&RegistrationCode=H3LL0W0RLD",
    ),
    (
        lambda c: c.supersim.sims.update(HS, fleet=None, status="inactive"),
        f"POST /v1/Sims/{HS} Fleet=&Status=inactive",
    ),
    (lambda c: c.supersim.billing_periods.list(HS), f"GET /v1/Sims/{HS}/BillingPeriods"),
    (lambda c: c.supersim.ip_addresses.list(HS), f"GET /v1/Sims/{HS}/IpAddresses"),
    (
        lambda c: c.supersim.fleets.list(network_access_profile=HA),
        f"GET /v1/Fleets?NetworkAccessProfile={HA}",
    ),
    (lambda c: c.supersim.fleets.fetch(HF), f"GET /v1/Fleets/{HF}"),
    (
        lambda c: c.supersim.fleets.create(network_access_profile=HA, data_limit=1000),
        f"POST /v1/Fleets NetworkAccessProfile={HA}&DataLimit=1000",
    ),
    (
        lambda c: c.supersim.fleets.update(HF, sms_commands_url=None, sms_commands_method="GET"),
        f"POST /v1/Fleets/{HF} SmsCommandsUrl=&SmsCommandsMethod=GET",
    ),
    (
        lambda c: c.supersim.network_access_profiles.list(page_size=2),
        "GET /v1/NetworkAccessProfiles?PageSize=2",
    ),
    (
        lambda c: c.supersim.network_access_profiles.fetch(HA),
        f"GET /v1/NetworkAccessProfiles/{HA}",
    ),
    (
        lambda c: c.supersim.network_access_profiles.create(networks=[HW, HW]),
        f"POST /v1/NetworkAccessProfiles Networks={HW}&Networks={HW}",
    ),
    (
        lambda c: c.supersim.network_access_profiles.update(HA, unique_name="eu"),
        f"POST /v1/NetworkAccessProfiles/{HA} UniqueName=eu",
    ),
    (
        lambda c: c.supersim.network_access_profile_networks.list(HA),
        f"GET /v1/NetworkAccessProfiles/{HA}/Networks",
    ),
    (
        lambda c: c.supersim.network_access_profile_networks.fetch(HA, HW),
        f"GET /v1/NetworkAccessProfiles/{HA}/Networks/{HW}",
    ),
    (
        lambda c: c.supersim.network_access_profile_networks.create(HA, network=HW),
        f"POST /v1/NetworkAccessProfiles/{HA}/Networks Network={HW}",
    ),
    (
        lambda c: c.supersim.network_access_profile_networks.delete(HA, HW),
        f"DELETE /v1/NetworkAccessProfiles/{HA}/Networks/{HW}",
    ),
    (
        lambda c: c.supersim.networks.list(iso_country="US", mcc="310", mnc="410"),
        "GET /v1/Networks?IsoCountry=US&Mcc=310&Mnc=410",
    ),
    (lambda c: c.supersim.networks.fetch(HW), f"GET /v1/Networks/{HW}"),
    (
        lambda c: c.supersim.sms_commands.list(status="queued"),
        "GET /v1/SmsCommands?Status=queued",
    ),
    (lambda c: c.supersim.sms_commands.fetch(HC), f"GET /v1/SmsCommands/{HC}"),
    (
        lambda c: c.supersim.sms_commands.create(sim=HS, payload="a & b"),
        f"POST /v1/SmsCommands Sim={HS}&Payload=a+%26+b",
    ),
    (
        lambda c: c.supersim.ip_commands.list(sim_iccid="8988", direction="from_sim"),
        "GET /v1/IpCommands?SimIccid=8988&Direction=from_sim",
    ),
    (lambda c: c.supersim.ip_commands.fetch(HG), f"GET /v1/IpCommands/{HG}"),
    (
        lambda c: c.supersim.ip_commands.create(sim=HS, payload="aGk=", device_port=7),
        f"POST /v1/IpCommands Sim={HS}&Payload=aGk%3D&DevicePort=7",
    ),
    (
        lambda c: c.supersim.esim_profiles.list(eid="89033", sim_sid=HS),
        f"GET /v1/ESimProfiles?Eid=89033&SimSid={HS}",
    ),
    (lambda c: c.supersim.esim_profiles.fetch(HP), f"GET /v1/ESimProfiles/{HP}"),
    (
        lambda c: c.supersim.esim_profiles.create(generate_matching_id=True),
        "POST /v1/ESimProfiles GenerateMatchingId=true",
    ),
    (
        lambda c: c.supersim.settings_updates.list(sim=HS, status="in-progress"),
        f"GET /v1/SettingsUpdates?Sim={HS}&Status=in-progress",
    ),
    (
        lambda c: c.supersim.usage_records.list(
            group="isoCountry", granularity="hour", start_time=DAY
        ),
        "GET /v1/UsageRecords?Group=isoCountry&Granularity=hour&StartTime=2026-11-01T00%3A00%3A00Z",
    ),
]

MONITOR: list[tuple[Call, str]] = [
    (
        lambda c: c.monitor.events.list(event_type="wireless-sim.updated", end_date=DAY),
        "GET /v1/Events?EventType=wireless-sim.updated&EndDate=2026-11-01T00%3A00%3A00Z",
    ),
    (lambda c: c.monitor.events.fetch(AE), f"GET /v1/Events/{AE}"),
]

KEYS = {
    "Sims": "sims", "RatePlans": "rate_plans", "Commands": "commands",
    "DataSessions": "data_sessions", "UsageRecords": "usage_records",
    "BillingPeriods": "billing_periods", "IpAddresses": "ip_addresses", "Fleets": "fleets",
    "NetworkAccessProfiles": "network_access_profiles", "Networks": "networks",
    "SmsCommands": "sms_commands", "IpCommands": "ip_commands", "ESimProfiles": "esim_profiles",
    "SettingsUpdates": "settings_updates", "Events": "events",
}  # fmt: skip


def a_response(sent: str) -> ScriptedResponse:
    """The vendor's response: a page, a row, or no content."""
    method, path, *_ = sent.split()
    if method == "DELETE":
        return ScriptedResponse(204, "")
    parts = path.partition("?")[0].split("/")
    if method == "GET" and parts[-1] in KEYS:
        return ScriptedResponse(200, {KEYS[parts[-1]]: [], "meta": {"next_page_url": None}})
    sid = parts[-1] if looks_like_sid(parts[-1]) else "XX1"
    return ScriptedResponse(201, {"sid": sid, "status": "active", "ip_address": "10.0.0.1"})


def calls(vendors: tuple[str, ...], table: list[tuple[Call, str]]) -> list[Any]:
    return [
        pytest.param(vendor, call, sent, id=f"{vendor} {sent.split('?')[0]}")
        for call, sent in table
        for vendor in vendors
    ]


@pytest.mark.parametrize(
    ("vendor", "call", "sent"),
    calls(("twilio", "kore"), WIRELESS + SUPERSIM) + calls(("twilio",), MONITOR),
)
async def test_a_verb_sends_the_documented_request(
    open_scripted_api: OpenScripted, vendor: str, call: Call, sent: str
) -> None:
    scripted = await open_scripted_api(vendor)
    scripted.plan(a_response(sent))
    await call(scripted.client)
    assert scripted.request_lines == [sent]


def test_every_documented_operation_is_covered() -> None:
    # Counts of GET, POST and DELETE in both Twilio's and KORE's OpenAPI documents.
    assert Counter(sent.split()[0] for _, sent in WIRELESS) == {"GET": 9, "POST": 4, "DELETE": 3}
    assert Counter(sent.split()[0] for _, sent in SUPERSIM) == {"GET": 20, "POST": 10, "DELETE": 1}
    assert len(WIRELESS + SUPERSIM) == 47


ENCODED: list[tuple[Call, str]] = [
    (lambda c: c.wireless.sims.fetch("a/b c"), "GET /v1/Sims/a%2Fb%20c"),
    (lambda c: c.wireless.data_sessions.list("a/b c"), "GET /v1/Sims/a%2Fb%20c/DataSessions"),
    (lambda c: c.wireless.usage_records.list("ü?#"), "GET /v1/Sims/%C3%BC%3F%23/UsageRecords"),
    (lambda c: c.supersim.billing_periods.list("a/b"), "GET /v1/Sims/a%2Fb/BillingPeriods"),
    (lambda c: c.supersim.ip_addresses.list("%2e"), "GET /v1/Sims/%252e/IpAddresses"),
    (
        lambda c: c.supersim.network_access_profile_networks.fetch("a/b", HW),
        f"GET /v1/NetworkAccessProfiles/a%2Fb/Networks/{HW}",
    ),
]


@pytest.mark.parametrize(("call", "sent"), ENCODED)
async def test_a_parent_is_encoded_like_any_name(
    scripted: ScriptedApi, call: Call, sent: str
) -> None:
    scripted.plan(a_response(sent))
    await call(scripted.client)
    assert scripted.request_lines == [sent]


WRONG: list[tuple[Call, str]] = [
    (lambda c: c.wireless.data_sessions.list(HS), "SID of a Super SIM Sim"),
    (lambda c: c.wireless.usage_records.list(WP), "SID of a RatePlan"),
    (lambda c: c.supersim.billing_periods.list(DE), "SID of a Programmable Wireless Sim"),
    (lambda c: c.supersim.ip_addresses.list(""), "names no Sim"),
    (lambda c: c.supersim.network_access_profile_networks.list(HF), "SID of a Fleet"),
    (lambda c: c.supersim.network_access_profile_networks.fetch(HA, HA), "NetworkAccessProfile"),
    (lambda c: c.supersim.network_access_profile_networks.fetch(HA, "eu"), "by its SID only"),
    (lambda c: c.wireless.commands.fetch(HC), "SID of an SmsCommand"),
    (lambda c: c.wireless.commands.delete("my-command"), "by its SID only"),
    (lambda c: c.supersim.sms_commands.fetch(HG), "SID of an IpCommand"),
    (lambda c: c.supersim.ip_commands.await_transition(HC), "SID of an SmsCommand"),
    (lambda c: c.supersim.esim_profiles.fetch(HS), "SID of a Super SIM Sim"),
    (lambda c: c.supersim.networks.fetch(HA), "SID of a NetworkAccessProfile"),
    (lambda c: c.supersim.fleets.update(HS, data_limit=1), "SID of a Super SIM Sim"),
    (lambda c: c.monitor.events.fetch(DE), "SID of a Programmable Wireless Sim"),
    (lambda c: c.wireless.sims.history(HS), "SID of a Super SIM Sim"),
    (lambda c: c.wireless.sims.history("my-sim"), "takes a SID"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
async def test_a_name_of_another_kind_is_rejected_before_sending(
    scripted: ScriptedApi, call: Call, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await call(scripted.client)
    assert scripted.request_lines == []

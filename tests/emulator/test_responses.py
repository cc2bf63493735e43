"""Responses: envelopes, headers and addressing."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from asyncsim.emulator import Behaviour
from tests.emulator.api import Api

SUPERSIM_FIELDS = {
    "sid", "account_sid", "unique_name", "status", "fleet_sid", "iccid", "date_created",
    "date_updated", "url", "links",
}  # fmt: skip
WIRELESS_FIELDS = {
    "sid", "account_sid", "unique_name", "friendly_name", "status", "rate_plan_sid", "iccid",
    "reset_status", "commands_callback_url", "commands_callback_method", "sms_fallback_method",
    "sms_fallback_url", "sms_method", "sms_url", "voice_fallback_method", "voice_fallback_url",
    "voice_method", "voice_url", "ip_address", "date_created", "date_updated", "url", "links",
}  # fmt: skip


async def test_a_sim_has_exactly_the_documented_fields(anywhere: Api) -> None:
    got = await anywhere.get(f"/v1/Sims/{anywhere.sims[0].sid}")
    eid = {"e_id"} if anywhere.vendor == "twilio" else {"eid"}
    expected = SUPERSIM_FIELDS if anywhere.product == "supersim" else WIRELESS_FIELDS | eid
    assert set(got.body) == expected


async def test_urls_and_links_name_the_emulator(anywhere: Api) -> None:
    sid = anywhere.sims[0].sid
    got = await anywhere.get(f"/v1/Sims/{sid}")
    base = f"{anywhere.emulator.url}/{anywhere.vendor}/{anywhere.product}/v1"
    assert got.body["url"] == f"{base}/Sims/{sid}"
    links = got.body["links"]
    if anywhere.product == "supersim":
        assert links == {
            "billing_periods": f"{base}/Sims/{sid}/BillingPeriods",
            "sim_ip_addresses": f"{base}/Sims/{sid}/IpAddresses",
        }
    else:
        assert links == {
            "data_sessions": f"{base}/Sims/{sid}/DataSessions",
            "usage_records": f"{base}/Sims/{sid}/UsageRecords",
            "rate_plan": f"{base}/RatePlans/{got.body['rate_plan_sid']}",
        }


async def test_a_fleet_is_fetched_by_sid_and_by_name(any_supersim: Api) -> None:
    by_name = await any_supersim.get("/v1/Fleets/default")
    by_sid = await any_supersim.get(f"/v1/Fleets/{by_name.body['sid']}")
    assert by_name.status == by_sid.status == 200
    assert by_name.body == by_sid.body
    assert by_name.body["data_metering"] == "payg"


async def test_a_rate_plan_is_fetched_by_sid_and_by_name(any_wireless: Api) -> None:
    by_name = await any_wireless.get("/v1/RatePlans/default")
    by_sid = await any_wireless.get(f"/v1/RatePlans/{by_name.body['sid']}")
    assert by_name.status == by_sid.status == 200
    assert by_name.body == by_sid.body
    assert ("data_limit_strategy" in by_name.body) is (any_wireless.vendor == "kore")


@pytest.mark.parametrize("name", ["My SIM", "a/b", "ünï", "50%", "a+b", "a?b#c"])
async def test_a_percent_encoded_name_addresses_its_sim(anywhere: Api, name: str) -> None:
    sim = anywhere.emulator.world(anywhere.vendor).add_sim(anywhere.product, unique_name=name)
    got = await anywhere.get(f"/v1/Sims/{quote(name, safe='')}")
    assert (got.status, got.body["sid"]) == (200, sim.sid)
    assert got.body["url"].endswith(sim.sid)
    renamed = await anywhere.update(quote(name, safe=""), UniqueName="other")
    assert renamed.status == 200


async def test_a_released_name_can_be_reused(anywhere: Api) -> None:
    first, second, _ = anywhere.sims
    await anywhere.update(first.sid, UniqueName="one")
    await anywhere.update(first.sid, UniqueName="two")
    assert (await anywhere.update(second.sid, UniqueName="one")).status == 200
    assert (await anywhere.get("/v1/Sims/one")).body["sid"] == second.sid


@pytest.mark.parametrize(
    "path", ["/v1/Sims/missing", "/v1/Nothing", "/v2/Sims", "/", "/v1/Sims/a/b"]
)
async def test_a_missing_resource_is_404_in_the_vendors_envelope(anywhere: Api, path: str) -> None:
    got = await anywhere.get(path)
    page = {
        "twilio": "https://www.twilio.com/docs/errors/20404",
        "kore": "https://docs.korewireless.com/errors/20404",
    }
    assert got.status == 404
    assert got.body == {
        "code": 20404,
        "message": f"The requested resource {path.removeprefix('/v1')} was not found",
        "more_info": page[anywhere.vendor],
        "status": 404,
    }


@pytest.mark.parametrize("api", ["auth", "webhooks", "elsewhere"])
async def test_an_api_without_operations_is_404(supersim: Api, api: str) -> None:
    url = f"{supersim.emulator.url}/twilio/{api}/v1/Events"
    got = await supersim._request("GET", url, {"Authorization": supersim.authorization or ""}, None)
    assert (got.status, got.code) == (404, 20404)


@pytest.mark.parametrize(
    ("api_name", "method", "path"),
    [
        ("supersim", "PUT", "/v1/Sims"),
        ("supersim", "DELETE", "/v1/Sims/HS0"),
        ("wireless", "POST", "/v1/Sims"),
        ("supersim", "PATCH", "/v1/Fleets/default"),
    ],
)
async def test_a_wrong_method_is_405(
    supersim: Api, wireless: Api, api_name: str, method: str, path: str
) -> None:
    api = {"supersim": supersim, "wireless": wireless}[api_name]
    got = await api.send(method, path)
    assert (got.status, got.code) == (405, 20004)


async def test_twilio_responds_with_its_own_headers(supersim: Api) -> None:
    headers = (await supersim.get()).headers
    assert re.fullmatch("RQ[0-9a-f]{32}", headers["Twilio-Request-Id"])
    assert headers["Twilio-Concurrent-Requests"] == "1"
    assert headers["X-Home-Region"] == "us1"
    assert headers["X-API-Domain"] == "supersim.twilio.com"
    assert headers["Access-Control-Expose-Headers"] == "ETag"


async def test_each_request_has_its_own_id(supersim: Api) -> None:
    ids = {(await supersim.get()).headers["Twilio-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


async def test_kore_responds_with_cors_headers_only(kore_supersim: Api) -> None:
    headers = (await kore_supersim.get()).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert not [name for name in headers if name.lower().startswith(("twilio", "x-"))]


async def test_keys_are_case_sensitive_and_unknown_ones_ignored_or_rejected(anywhere: Api) -> None:
    sid = anywhere.sims[0].sid
    got = await anywhere.update(sid, status="active", Nonsense="1")
    assert (got.status, got.body["status"]) == (200, "new")
    anywhere.emulator.behaviour = Behaviour(unknown_parameters="refuse")
    got = await anywhere.update(sid, status="active")
    assert (got.status, got.code) == (400, 20001)


async def test_a_body_that_is_not_a_form_has_no_parameters(supersim: Api) -> None:
    sid = supersim.sims[0].sid
    got = await supersim.send("POST", f"/v1/Sims/{sid}")
    assert (got.status, got.body["status"]) == (200, "new")


async def test_the_last_of_a_repeated_key_counts(supersim: Api) -> None:
    sid = supersim.sims[0].sid
    got = await supersim.send("POST", f"/v1/Sims/{sid}", "UniqueName=a&UniqueName=b")
    assert got.body["unique_name"] == "b"


async def test_a_form_that_is_not_utf8_is_decoded_leniently(supersim: Api) -> None:
    got = await supersim.send("POST", f"/v1/Sims/{supersim.sims[0].sid}", "UniqueName=%FF%FE")
    assert got.status == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "token", 405), ("POST", "x", 404)])
async def test_kores_token_endpoint_is_the_only_path_of_its_host(
    kore_supersim: Api, method: str, path: str, status: int
) -> None:
    url = f"{kore_supersim.emulator.url}/kore/auth/{path}"
    assert (await kore_supersim._request(method, url, {}, None)).status == status

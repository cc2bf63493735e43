"""HTTP rules: media types, methods, hosts and cross-site requests."""

from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from tests.emulator.api import FORM, Api, basic

JSON = '{"Status": "active"}'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (JSON, "application/json"),
        ("Status=active", "text/plain"),
        ("Status=active", "multipart/form-data; boundary=x"),
        ("Status=active", "application/octet-stream"),
    ],
)
async def test_a_body_that_is_not_a_form_is_415_and_changes_nothing(
    anywhere: Api, body: str, content_type: str
) -> None:
    sim = anywhere.sims[0]
    got = await anywhere.send("POST", f"/v1/Sims/{sim.sid}", body, content_type)
    assert (got.status, got.code) == (415, 20415)
    assert content_type.partition(";")[0] in got.body["message"]
    assert anywhere.sim(sim.sid) == sim


async def test_a_form_may_name_its_charset_and_an_empty_post_needs_no_media_type(
    anywhere: Api,
) -> None:
    path = f"/v1/Sims/{anywhere.sims[0].sid}"
    charset = f"{FORM}; charset=utf-8"
    assert (await anywhere.send("POST", path, "UniqueName=one", charset)).status == 200
    assert (await anywhere.send("POST", path)).status == 200


async def test_the_token_endpoint_and_the_secrets_require_their_media_types(
    kore_supersim: Api, session: aiohttp.ClientSession
) -> None:
    url = kore_supersim.emulator.hosts_of("kore").token or ""
    async with session.post(url, json={"grant_type": "client_credentials"}) as response:
        assert response.status == 415
    webhooks = kore_supersim.of("webhooks")
    assert (await webhooks.send("POST", "/v1/secrets", "Name=x")).code == 40415


@pytest.mark.parametrize(
    ("product", "path", "allowed"),
    [
        ("supersim", "/v1/Sims", "GET, POST, OPTIONS"),
        ("supersim", "/v1/Sims/one", "GET, POST, OPTIONS"),
        ("wireless", "/v1/Sims", "GET, OPTIONS"),
        ("wireless", "/v1/Sims/one", "GET, POST, DELETE, OPTIONS"),
        ("supersim", "/v1/NetworkAccessProfiles/default/Networks", "GET, POST, OPTIONS"),
        ("supersim", "/v1/NetworkAccessProfiles/default/Networks/x", "GET, DELETE, OPTIONS"),
        ("supersim", "/v1/UsageRecords", "GET, OPTIONS"),
        ("webhooks", "/v1/secrets", "GET, POST, OPTIONS"),
    ],
)
async def test_a_405_lists_the_allowed_methods(
    kore_supersim: Api, product: str, path: str, allowed: str
) -> None:
    got = await kore_supersim.of(product).send("PUT", path)
    assert (got.status, got.headers["Allow"]) == (405, allowed)


async def test_options_needs_no_credentials(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    urls = {
        f"{emulator.url}/twilio/supersim/v1/Sims": "GET, POST, OPTIONS",
        f"{emulator.url}/kore/auth/token": "POST, OPTIONS",
        f"{emulator.url}/kore/webhooks/v1/secrets/whs_1": "PATCH, OPTIONS",
    }
    for url, allowed in urls.items():
        async with session.options(url) as response:
            assert (response.status, response.headers["Allow"]) == (200, allowed)
            assert response.headers["Access-Control-Allow-Origin"] == "*"
    async with session.options(f"{emulator.url}/twilio/supersim/v1/Nothing") as response:
        assert response.status == 404


async def test_every_response_has_the_five_documented_cors_headers(anywhere: Api) -> None:
    headers = (await anywhere.get()).headers
    names = ("Origin", "Methods", "Headers", "Credentials")
    assert {f"Access-Control-Allow-{name}" for name in names} <= set(headers)
    assert "Access-Control-Expose-Headers" in headers


# Hosts


async def status_of(emulator: Emulator, session: aiohttp.ClientSession, host: str) -> int:
    own = emulator.credentials
    headers = {"Host": host, "Authorization": basic(own.account_sid, own.auth_token)}
    url = f"{emulator.url}/twilio/supersim/v1/Sims"
    async with session.get(url, headers=headers) as response:
        return response.status


@pytest.mark.parametrize("host", ["127.0.0.1:8900", "[::1]:8900", "192.0.2.7", "localhost:1"])
async def test_an_address_or_localhost_is_an_allowed_host(
    emulator: Emulator, session: aiohttp.ClientSession, host: str
) -> None:
    assert await status_of(emulator, session, host) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8900", "localhost.evil.example"])
async def test_a_foreign_host_name_is_rejected_because_of_dns_rebinding(
    emulator: Emulator, session: aiohttp.ClientSession, host: str
) -> None:
    assert await status_of(emulator, session, host) == 403


async def test_additional_host_names_can_be_allowed(
    clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    async with Emulator(clock=clock, allowed_hosts=["Emulator"]) as emulator:
        assert await status_of(emulator, session, "emulator:8900") == 200
        assert await status_of(emulator, session, "evil.example") == 403
    async with Emulator(clock=clock, allowed_hosts=["*"]) as emulator:
        assert await status_of(emulator, session, "any.example") == 200


# Cross-site requests


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "faults"), ("POST", "tokens/expire"), ("DELETE", "requests")]
)
async def test_the_control_api_rejects_cross_site_requests(
    supersim: Api,
    session: aiohttp.ClientSession,
    headers: dict[str, str],
    method: str,
    path: str,
) -> None:
    await supersim.get()
    url = f"{supersim.emulator.url}/_emulator/{path}"
    async with session.request(method, url, json={"dropped": 1}, headers=headers) as response:
        assert response.status == 403
    assert supersim.emulator.faults.dropped == 0
    assert len(supersim.emulator.requests) == 1


async def test_the_control_api_accepts_its_own_origin(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    headers = {"Origin": emulator.url, "Sec-Fetch-Site": "same-origin"}
    url = f"{emulator.url}/_emulator/faults"
    async with session.post(url, json={"dropped": 1}, headers=headers) as response:
        assert response.status == 200


async def test_faults_are_accepted_as_curl_sends_them(
    supersim: Api, session: aiohttp.ClientSession
) -> None:
    url = f"{supersim.emulator.url}/_emulator/faults"
    async with session.post(url, data='{"dropped": 1}', headers={"Content-Type": FORM}) as response:
        assert response.status == 200
    assert supersim.emulator.faults.dropped == 1


async def test_faults_as_plain_text_are_rejected(
    supersim: Api, session: aiohttp.ClientSession
) -> None:
    url = f"{supersim.emulator.url}/_emulator/faults"
    headers = {"Content-Type": "text/plain"}
    async with session.post(url, data='{"dropped": 1}', headers=headers) as response:
        assert response.status == 415
    assert supersim.emulator.faults.dropped == 0


# Numbers out of range


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "-1", "1e9", "\u0664", "\u00b2", "NaN"])
async def test_numbers_out_of_range_are_400(anywhere: Api, number: str) -> None:
    assert (await anywhere.get(PageSize=number)).status == 400
    assert (await anywhere.get(Page=number)).status == 400
    query = str(URL.build(query={"after": number}))
    assert (await anywhere.control("GET", f"requests{query}")).status == 400


@pytest.mark.parametrize(
    "body",
    [
        '{"answer_takes": 1e999}',
        '{"answer_takes": -1}',
        '{"slow_seconds": -1}',
        '{"late_seconds": true}',
        '{"late_seconds": null}',
        '{"concurrency": 0}',
        '{"concurrency": 1.5}',
        '{"retry_after": "soon"}',
        '{"seed": "x"}',
        '{"dropped": NaN}',
        "[" * 100_000,
    ],
)
async def test_faults_out_of_range_are_400(supersim: Api, body: str) -> None:
    before = supersim.emulator.faults
    got = await supersim.control("POST", "faults", body)
    assert got.status == 400
    assert got.body["message"]
    assert supersim.emulator.faults == before

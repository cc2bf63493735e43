"""`asyncsim doctor`: what is wrong is said with what to do, in the exit code too."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import unused_port

from asyncsim.emulator import Emulator
from asyncsim.vendors import EMULATOR_CREDENTIALS as OWN
from tests.cli.conftest import Cli, Ended
from tests.http.raw import raw_server, response

Change = Callable[[web.BaseRequest], tuple[str, dict[str, str]] | web.Response]
"""What a proxy makes of the path and the headers, or its own response."""


@asynccontextmanager
async def proxy(port: int, change: Change) -> AsyncIterator[str]:
    """A reverse proxy in front of the receiver's port."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        made = change(request)
        if isinstance(made, web.Response):
            return made
        path, headers = made
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://127.0.0.1:{port}{path}", data=await request.read(), headers=headers
            ) as response,
        ):
            return web.Response(status=response.status)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def headers_of(request: web.BaseRequest) -> dict[str, str]:
    return {name: text for name, text in request.headers.items() if name != "Host"}


def found(ended: Ended) -> dict[str, tuple[str, str]]:
    return {one["name"]: (one["status"], f"{one['found']} {one['advice']}") for one in ended.json}


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_everything_is_ok_with_an_emulator(vendor: str, cli: Cli, emulator: Emulator) -> None:
    ended = await cli("doctor", "--vendor", vendor, "--listen", "0", "-o", "json")
    assert ended.code == 0
    assert {status for status, _ in found(ended).values()} == {"ok"}
    assert "verified" in found(ended)["public URL"][1]
    assert all(request.method == "GET" or "/token" in request.path for request in emulator.requests)
    table = await cli("doctor", "--vendor", vendor)
    assert table.code == 0
    assert "credentials supersim" in table.out
    for secret in (OWN.auth_token, OWN.client_secret, OWN.webhook_secret):
        assert secret not in ended.out + table.out


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_wrong_secret_ends_with_4(
    vendor: str, cli: Cli, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", OWN.account_sid)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "hidden-word")
    monkeypatch.setenv("ASYNCSIM_KORE_CLIENT_ID", OWN.client_id)
    monkeypatch.setenv("ASYNCSIM_KORE_CLIENT_SECRET", "hidden-word")
    ended = await cli("doctor", "--vendor", vendor, "-o", "json")
    assert ended.code == 4
    status, said = found(ended)["credentials supersim"]
    assert status == "failed"
    assert "asyncsim auth login" in said
    assert found(ended)["reach 127.0.0.1"][0] == "ok"
    assert "hidden-word" not in ended.out + ended.err


async def test_without_any_account_it_says_how_to_get_one(cli: Cli) -> None:
    ended = await cli("doctor")
    assert ended.code == 4
    assert "asyncsim auth login" in ended.out


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("Date: Mon, 01 Jan 2001 00:00:00 GMT", "ahead of"),
        ("Date: Mon, 01 Jan 2201 00:00:00 GMT", "behind"),
        ("Date: yesterday", "no Date"),
        ("X: y", "no Date"),
    ],
)
async def test_a_skewed_clock_is_found_by_the_date_of_the_response(
    date: str, said: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(head: bytes, writer: object) -> bool:
        assert hasattr(writer, "write")
        body = b'{"sims": [], "meta": {"key": "sims"}}'
        writer.write(response(body, "Content-Type: application/json", date))
        return True

    async with raw_server(handle) as raw:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", raw.url)
        ended = await cli("doctor", "-o", "json")
        assert b"authorization" not in raw.heads[0].lower()  # it only asks for the time
    assert ended.code == (0 if said == "no Date" else 1)
    status, text = found(ended)["clock"]
    assert (status, said in text) == ("warning" if said == "no Date" else "failed", True)


async def test_an_api_that_cannot_be_reached_ends_with_1(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCSIM_EMULATOR", f"http://127.0.0.1:{unused_port()}")
    ended = await cli("doctor", "-o", "json")
    assert ended.code == 1
    assert "refused" in found(ended)["reach 127.0.0.1"][1]
    assert "not checked" in found(ended)["credentials"][1]
    monkeypatch.setenv("ASYNCSIM_EMULATOR", "http://sims.invalid")
    assert "cannot be resolved" in found(await cli("doctor", "-o", "json"))["reach sims.invalid"][1]
    ended = await cli("doctor", "-o", "json", "--proxy", f"http://127.0.0.1:{unused_port()}")
    assert "the proxy cannot be reached" in found(ended)["reach sims.invalid"][1]


async def test_a_certificate_that_is_not_trusted_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with raw_server(None, tls) as raw:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", f"https://127.0.0.1:{raw.port}")
        ended = await cli("doctor", "-o", "json")
    assert ended.code == 1
    assert "--ca-bundle" in found(ended)["reach 127.0.0.1"][1]


def cut(request: web.BaseRequest) -> tuple[str, dict[str, str]]:
    return "/callbacks", headers_of(request)


def lowered(request: web.BaseRequest) -> tuple[str, dict[str, str]]:
    return request.raw_path.lower(), headers_of(request)


def without_signature(request: web.BaseRequest) -> tuple[str, dict[str, str]]:
    kept = {name: text for name, text in headers_of(request).items() if "ignature" not in name}
    return request.raw_path, kept


def another_server(request: web.BaseRequest) -> web.Response:
    return web.Response(text="welcome")


def bad_gateway(request: web.BaseRequest) -> web.Response:
    return web.Response(status=502)


def redirect(request: web.BaseRequest) -> web.Response:
    return web.Response(status=301, headers={"Location": "https://example.invalid"})


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cut, "under another path"),
        (lowered, "arrived changed: the ticket is not one of ours"),
        (without_signature, "arrived changed: the signature is missing"),
        (another_server, "something else responds there (HTTP 200)"),
        (bad_gateway, "does not reach this port (HTTP 502)"),
        (redirect, "it redirects (HTTP 301)"),
    ],
)
async def test_a_proxy_that_breaks_callbacks_is_found(
    change: Change, said: str, vendor: str, cli: Cli, emulator: Emulator
) -> None:
    port = unused_port()
    async with proxy(port, change) as url:
        ended = await cli(
            *("doctor", "--vendor", vendor, "-o", "json"),
            *("--listen", f"127.0.0.1:{port}", "--public-url", f"{url}/hooks"),
        )
    assert ended.code == 2
    status, text = found(ended)["public URL"]
    assert (status, said in text) == ("failed", True), text


async def test_a_proxy_that_strips_its_prefix_and_changes_the_host_is_fine(
    cli: Cli, emulator: Emulator
) -> None:
    def strip(request: web.BaseRequest) -> tuple[str, dict[str, str]]:
        return request.raw_path.removeprefix("/hooks"), {**headers_of(request), "Host": "inside"}

    port = unused_port()
    async with proxy(port, strip) as url:
        options = ("--listen", f"{port}", "--public-url", f"{url}/hooks")
        ended = await cli("doctor", "-o", "json", *options)
    assert ended.code == 0, ended.out


async def test_a_public_url_that_nobody_serves_ends_with_1(cli: Cli, emulator: Emulator) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    ended = await cli("doctor", "-o", "json", "--listen", "0", "--public-url", url)
    assert ended.code == 1
    assert "cannot be reached" in found(ended)["public URL"][1]


async def test_a_port_that_is_taken_ends_with_2(cli: Cli, emulator: Emulator) -> None:
    async with raw_server() as raw:
        ended = await cli("doctor", "-o", "json", "--listen", f"{raw.port}")
    assert ended.code == 2
    assert "cannot listen" in found(ended)["public URL"][1]


async def test_an_api_key_alone_cannot_verify_callbacks_and_that_is_a_warning(
    cli: Cli, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", OWN.account_sid)
    monkeypatch.setenv("TWILIO_API_KEY", OWN.api_key)
    monkeypatch.setenv("TWILIO_API_SECRET", OWN.api_secret)
    ended = await cli("doctor", "-o", "json", "--listen", "0")
    assert ended.code == 0
    status, text = found(ended)["signatures twilio"]
    assert (status, "give the auth token" in text) == ("warning", True)
    assert "cannot be verified" in found(ended)["public URL"][1]

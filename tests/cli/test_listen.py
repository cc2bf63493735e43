"""`asyncsim listen`: what arrives is printed, verified or not and why, and forwarded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from asyncsim import CallbackReceiver
from asyncsim.callbacks.samples import signed_sample
from asyncsim.cli.app import execute
from asyncsim.emulator import Emulator
from asyncsim.vendors import EMULATOR_CREDENTIALS as OWN, VENDORS
from tests.cli.conftest import Cli
from tests.http.raw import raw_server

HS = "HS" + "0" * 32
SECRETS = {"twilio": OWN.auth_token, "kore": OWN.webhook_secret}


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send a callback as soon as somebody listens."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.post(url, data=body, headers=headers) as response:
                    return response.status
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)


async def call(url: str, vendor: str, *, wrong: bool = False) -> int:
    sample = signed_sample(VENDORS[vendor], "wrong" if wrong else SECRETS[vendor], url, HS)
    return await post(url, sample.body, sample.headers)


@asynccontextmanager
async def target(seen: list[web.BaseRequest], status: int = 202) -> AsyncIterator[str]:
    """A program to forward to."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        seen.append(request)
        return web.Response(status=status)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def listening(cli: Cli, *options: str, calls: Any) -> tuple[Any, Any]:
    """Run the command, and the calls."""
    async with asyncio.TaskGroup() as group:
        command = group.create_task(cli("listen", *options))
        called = group.create_task(calls)
    return command.result(), called.result()


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_signed_callback_is_verified_and_forwarded_as_it_came(
    vendor: str, cli: Cli, emulator: Emulator
) -> None:
    port, seen = unused_port(), list[web.BaseRequest]()
    url = f"http://127.0.0.1:{port}/hooks/a%20b?x=1"
    async with target(seen) as program:
        ended, status = await listening(
            cli, "--vendor", vendor, "--port", str(port), "--count", "1", "-o", "ndjson",
            "--forward-to", f"{program}/inside", calls=call(url, vendor),
        )  # fmt: skip
    assert (ended.code, status) == (0, 204)
    printed = json.loads(ended.out)
    assert (printed["vendor"], printed["signature"], printed["reason"]) == (
        vendor,
        "verified",
        None,
    )
    assert printed["params"] == {"SimSid": HS, "SimStatus": "active"}
    assert printed["forwarded"]["status"] == 202
    (request,) = seen
    sample = signed_sample(VENDORS[vendor], SECRETS[vendor], url, HS)
    assert request.raw_path == "/inside/hooks/a%20b?x=1"
    assert await request.read() == sample.body
    for name, value in sample.headers.items():
        assert request.headers[name] == value
    assert SECRETS[vendor] not in ended.out + ended.err


async def test_a_wrong_signature_is_rejected_and_not_forwarded(
    cli: Cli, emulator: Emulator
) -> None:
    port, seen = unused_port(), list[web.BaseRequest]()
    url = f"http://127.0.0.1:{port}/x"

    async def calls() -> list[int]:
        return [
            await call(url, "twilio", wrong=True),
            await post(url, b"SimSid=x", {"Content-Type": "application/x-www-form-urlencoded"}),
            await call(url, "kore"),
        ]

    async with target(seen) as program:
        ended, statuses = await listening(
            cli, "--port", str(port), "--count", "3", "--forward-to", program, calls=calls()
        )
    assert statuses == [403, 403, 204]
    assert "the signature is wrong: check the secret and --public-url" in ended.out
    assert "it has no signature of Twilio or KORE" in ended.out
    assert "no signing secret of KORE is known" in ended.out
    assert len(seen) == 1
    assert "0 verified, 1 unverified, 2 rejected" in ended.err
    assert max(map(len, ended.out.splitlines())) <= 80


async def test_without_an_account_nothing_is_verified_but_all_is_printed(cli: Cli) -> None:
    port = unused_port()
    url = f"http://127.0.0.1:{port}/x"
    ended, status = await listening(
        cli, "--port", str(port), "--count", "1", calls=call(url, "twilio")
    )
    assert (ended.code, status) == (0, 204)
    assert "nothing can be verified" in ended.err
    assert "204 unverified twilio" in ended.out


async def test_a_program_that_does_not_respond_is_named_and_the_vendor_is_served(
    cli: Cli, emulator: Emulator
) -> None:
    port = unused_port()
    url = f"http://127.0.0.1:{port}/x"
    ended, status = await listening(
        cli, "--port", str(port), "--count", "1",
        "--forward-to", f"http://127.0.0.1:{unused_port()}", calls=call(url, "twilio"),
    )  # fmt: skip
    assert (ended.code, status) == (0, 204)
    assert "forwarded: cannot connect" in ended.out


async def test_callbacks_of_asyncsims_own_tickets_show_no_secret_part(
    cli: Cli, emulator: Emulator
) -> None:
    port = unused_port()
    public = f"http://127.0.0.1:{port}/hooks"
    receiver = CallbackReceiver(public, port=None)
    receiver.app()
    async with emulator.client(receiver=receiver) as client:
        registration = client.context.registration
        assert registration is not None
        url, nonce = registration.issue_url("supersim", HS)
    ended, status = await listening(
        cli, "--port", str(port), "--public-url", public, "--count", "1", calls=call(url, "twilio")
    )
    assert status == 204
    assert "204 verified" in ended.out
    assert f"/hooks/twilio/supersim/{HS}/..." in ended.out
    assert nonce not in ended.out


async def test_ctrl_c_ends_it_with_0_after_what_has_arrived(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    port = unused_port()
    url = f"http://127.0.0.1:{port}/x"
    command = asyncio.create_task(execute(["listen", "--port", str(port)]))
    assert await call(url, "twilio") == 204
    command.cancel()
    assert await command == 0
    captured = capsys.readouterr()
    assert "204 verified" in captured.out
    assert "stopped: 1 verified" in captured.err


async def test_the_port_and_the_target_are_checked_first(cli: Cli) -> None:
    async with raw_server() as raw:
        ended = await cli("listen", "--port", str(raw.port))
        assert (ended.code, "cannot listen" in ended.err) == (2, True)
    ended = await cli("listen", "--forward-to", "localhost:8000")
    assert (ended.code, "--forward-to must read" in ended.err) == (2, True)

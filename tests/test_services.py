"""The services in `examples/services` run, are killed, and go on without sending twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

import asyncsim
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from tests import image

ROOT = Path(__file__).parent.parent
SERVICES = ROOT / "examples" / "services"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SERVICES))


def posts(emulator: Emulator) -> int:
    return sum(request.method == "POST" for request in emulator.requests)


async def get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.json()


async def status_of(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def post(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.post(url) as response:
        return response.status, await response.json()


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(20):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.01)  # it happens in another process, or behind a proxy


async def answers(url: str, **wanted: object) -> bool:
    """Whether the service responds so."""
    try:
        found = await get(url)
    except aiohttp.ClientConnectionError:  # still starting
        return False
    return all(found.get(key) == value for key, value in wanted.items())


@asynccontextmanager
async def running(
    command: list[str], folder: Path, emulator: Emulator, port: int, end: signal.Signals
) -> AsyncIterator[asyncio.subprocess.Process]:
    given = {"ASYNCSIM_EMULATOR": emulator.url, "PORT": str(port), "CHANGES": "changes.db"}
    environ = {**os.environ, **given}
    service = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environ)
    try:
        yield service
    finally:
        service.send_signal(end)
        async with asyncio.timeout(20):
            await service.wait()


@pytest.mark.parametrize(
    ("name", "end", "status"),
    [("aiohttp", signal.SIGTERM, 0), ("fastapi", signal.SIGKILL, -signal.SIGKILL)],
)
async def test_a_service_goes_on_after_a_restart_and_sends_nothing_twice(
    name: str, end: signal.Signals, status: int, tmp_path: Path, clock: ManualClock
) -> None:
    if name == "aiohttp":
        folder = image.copy_files(tmp_path)
        command = image.command("CMD")
    else:
        folder, command = tmp_path, [sys.executable, str(SERVICES / "fastapi_service.py")]
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    async with Emulator(sims=1, clock=clock) as emulator:
        (sid,) = emulator.world("twilio").sims("supersim")
        async with running(command, folder, emulator, port, end) as service:
            await until(lambda: answers(f"{url}/healthz", pending=0))
            assert await post(f"{url}/sims/{sid}/activate") == (202, {"number": 1})
            await until(lambda: posts(emulator) > 0)  # it is sent in the background
            assert (await get(f"{url}/healthz")) == {"pending": 1}
            check = [part.replace("8080", str(port)) for part in image.command("HEALTHCHECK CMD")]
            healthy = await asyncio.create_subprocess_exec(*check)
            assert await healthy.wait() == 0
        assert service.returncode == status

        async with running(command, folder, emulator, port, signal.SIGTERM):
            await until(lambda: answers(f"{url}/healthz", pending=1))
            await clock.advance(3600)  # the vendor carries it out and calls back
            await until(lambda: answers(f"{url}/changes/1", state="active", sid=sid))
            assert (await get(f"{url}/healthz")) == {"pending": 0}
            assert (await post(f"{url}/sims/missing/activate"))[0] == 404
            assert (await post(f"{url}/sims/DE{'0' * 32}/activate"))[0] == 400
            for number in (0, 10**20):  # more than SQLite's integers hold
                assert await status_of(f"{url}/changes/{number}") in (404, 422)
        assert posts(emulator) == 1
        assert [delivery.outcome for delivery in emulator.deliveries] == ["delivered"]


async def test_a_service_behind_a_proxy_or_tunnel_gets_callbacks_at_its_public_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, public = unused_port(), unused_port()
    public_url = f"http://127.0.0.1:{public}/sims-api"

    async def forward(request: web.Request) -> web.Response:
        path = request.rel_url.raw_path.removeprefix("/sims-api")
        headers = {**request.headers, "Host": "service.internal"}
        headers |= {"X-Forwarded-Host": request.host, "X-Forwarded-Prefix": "/sims-api"}
        inside = f"http://127.0.0.1:{port}{path}"
        body = await request.read()
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, inside, data=body, headers=headers) as response,
        ):
            return web.Response(
                status=response.status,
                body=await response.read(),
                content_type=response.content_type,
            )

    proxy = web.Application()
    proxy.router.add_route("*", "/sims-api/{path:.*}", forward)
    async with Emulator(sims=1, speed=1000) as emulator:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", emulator.url)
        (sid,) = emulator.world("twilio").sims("supersim")
        service = import_module("aiohttp_service").application(public_url, tmp_path / "changes.db")
        runners = [web.AppRunner(one, access_log=None) for one in (service, proxy)]
        for runner, at in zip(runners, (port, public), strict=True):
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", at).start()
        try:
            assert (await post(f"{public_url}/sims/{sid}/activate"))[0] == 202
            await until(lambda: answers(f"{public_url}/changes/1", state="active"))
        finally:
            for runner in runners:
                await runner.cleanup()
        (delivery,) = emulator.deliveries
    assert delivery.outcome == "delivered"
    assert delivery.url.startswith(f"{public_url}/callbacks/")


async def test_what_was_stored_and_never_sent_is_not_sent_after_a_restart(tmp_path: Path) -> None:
    changes_of = import_module("changes").Changes
    async with Emulator(sims=1, speed=1000) as emulator, emulator.client() as client:
        changes = changes_of(client, tmp_path / "changes.db")
        (sim,) = await client.supersim.sims.list()
        prepared = await client.supersim.sims.prepare_update(sim.sid, status="active", timeout=0.1)
        # Killed here: after storing, before sending.
        with sqlite3.connect(tmp_path / "changes.db") as database:
            row = (sim.sid, prepared.token)
            database.execute("INSERT INTO changes (sid, token) VALUES (?, ?)", row)
        database.close()

        async with changes:
            assert changes.pending == 1
            await until(lambda: changes.pending == 0)
        found = changes.find(1)
        assert found["state"] == "unknown"
        assert "perhaps never sent" in found["detail"]
        assert posts(emulator) == 0


async def test_changes_stay_pending_while_the_credentials_are_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes_of = import_module("changes").Changes
    # Both: the token was signed with another secret, or the vendor rejects the login.
    secrets: list[dict[str, Any]] = [{}, {"ticket_secrets": ["one of our own, for all processes"]}]
    for number, settings in enumerate(secrets):
        path = tmp_path / f"{number}.db"
        async with Emulator(sims=1, speed=1000) as emulator:
            (sid,) = emulator.world("twilio").sims("supersim")
            async with emulator.client(**settings) as client, changes_of(client, path) as changes:
                await changes.activate(sid)
            own = emulator.credentials
            soon = asyncsim.Watching(first=0.01, longest=0.02, stale_for=0.05)
            settings |= {"hosts": emulator.hosts, "watching": soon}
            wrong = asyncsim.Client.twilio(own.account_sid, "wrong", **settings)
            async with wrong, changes_of(wrong, path) as changes:
                await until(lambda: changes.pending == 0)
            found = changes.find(1)
            assert (found["state"], bool(found["detail"])) == ("pending", True)
            assert "stays pending until the next start" in caplog.text
            caplog.clear()

            right = asyncsim.Client.twilio(own.account_sid, own.auth_token, **settings)
            async with right, changes_of(right, path) as changes:
                await until(lambda: changes.find(1)["state"] == "active")
            assert changes.find(1)["detail"] is None
            assert posts(emulator) == 1


async def test_requests_at_once_do_not_exceed_the_limit_of_pending_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    module = import_module("changes")
    monkeypatch.setattr(module, "MOST_PENDING", 3)
    async with Emulator(sims=20, clock=clock) as emulator, emulator.client() as client:
        sids = list(emulator.world("twilio").sims("supersim"))
        async with module.Changes(client, tmp_path / "changes.db") as changes:
            ended = await asyncio.gather(*map(changes.activate, sids), return_exceptions=True)
            assert [one for one in ended if isinstance(one, int)] == [1, 2, 3]
            assert {type(one) for one in ended[3:]} == {module.TooManyPending}
            assert changes.pending == 3

"""The port of `--health`."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from asyncsim.cli.exits import CommandError
from asyncsim.cli.health import health_port


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_it_responds_with_the_state_at_the_paths_of_probes() -> None:
    port, state = unused_port(), {"chunks": 3}
    async with health_port(str(port), lambda: state):
        url = f"http://127.0.0.1:{port}"
        assert await get(f"{url}/livez") == (200, '{"chunks": 3}')
        assert await get(f"{url}/healthz") == (200, '{"chunks": 3}')
        assert (await get(f"{url}/"))[0] == 404
    with pytest.raises(aiohttp.ClientConnectionError):
        await get(f"{url}/livez")


async def test_it_responds_to_other_methods_and_malformed_requests_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = unused_port()
    async with (
        health_port(str(port), dict),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        for method in ("POST", "PUT", "DELETE"):
            async with session.request(method, "/livez") as response:
                assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
        async with session.head("/livez") as response:
            assert response.status == 200
        async with session.get("/" + "x" * 20_000) as response:
            assert response.status == 400
    assert caplog.text == ""


async def test_a_taken_port_is_named() -> None:
    port = unused_port()
    async with health_port(f"127.0.0.1:{port}", dict):
        with pytest.raises(CommandError, match=f"--health 127.0.0.1:{port}: cannot listen: "):
            async with health_port(f"127.0.0.1:{port}", dict):
                pass


async def test_without_an_address_no_port_is_opened() -> None:
    async with health_port(None, dict):
        pass

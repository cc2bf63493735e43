"""Options of every command: they may stand anywhere in a command line."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from asyncsim import RetryPolicy
from asyncsim.cli.output import LogHandler
from asyncsim.emulator import Emulator, Faults
from tests.cli.conftest import Cli
from tests.http.raw import raw_server, response

EMPTY = b'{"sims": [], "meta": {"next_page_url": null, "key": "sims"}}'


@pytest.fixture
def _logged() -> Iterator[None]:
    """The handler of `asyncsim.cli.app.start`."""
    handler = LogHandler()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)


async def test_the_ca_bundle_is_trusted_and_a_bad_one_is_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, bundle, empty = trustme.CA(), tmp_path / "ca.pem", tmp_path / "empty.pem"
    authority.cert_pem.write_to_path(str(bundle))
    empty.write_text("none")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    async def handle(head: bytes, writer: object) -> bool:
        assert hasattr(writer, "write")
        writer.write(response(EMPTY, "Content-Type: application/json"))
        return True

    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    async with raw_server(handle, tls) as raw:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", f"https://127.0.0.1:{raw.port}")
        assert (await cli("sims", "list", "--ca-bundle", bundle)).code == 0
        assert (await cli("--ca-bundle", bundle, "sims", "list")).code == 0
        for path, reason in (
            (empty, "no certificates in PEM format"),
            ("none.pem", "No such file"),
        ):
            ended = await cli("sims", "list", "--ca-bundle", path)
            assert ended.code == 2
            assert f"--ca-bundle {path}" in ended.err
            assert reason in ended.err
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        assert (await cli("sims", "list")).code == 0
    assert len(raw.heads) == 3


async def test_the_proxy_gets_all_requests(cli: Cli, emulator: Emulator) -> None:
    heads: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        heads.append(str(request.url))
        return web.Response(body=EMPTY, content_type="application/json")

    server = web.Server(handle)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        ended = await cli("sims", "list", "--proxy", f"http://127.0.0.1:{port}")
    finally:
        await runner.cleanup()
    assert ended.code == 0, ended.err
    assert len(heads) == 1
    assert heads[0].startswith(emulator.url)
    assert not emulator.requests


async def test_a_proxys_password_is_not_taken_from_the_command_line(cli: Cli) -> None:
    ended = await cli("sims", "list", "--proxy", "http://me:hidden-word@127.0.0.1:1")
    assert ended.code == 2
    assert "HTTPS_PROXY" in ended.err
    assert "hidden-word" not in ended.err


@pytest.mark.usefixtures("_logged")
@pytest.mark.parametrize(
    ("options", "logged"),
    [((), ()), (("-v",), ("RequestRetried",)), (("-vv",), ("RequestRetried", "RequestFinished"))],
)
async def test_verbose_logs_retries_and_twice_everything(
    options: tuple[str, ...],
    logged: tuple[str, ...],
    cli: Cli,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    level = logging.getLogger("asyncsim").level  # another test may have set it
    monkeypatch.setattr(RetryPolicy, "pause", lambda *_: 0.0)
    emulator.faults = Faults(server_errors=0.5, seed=2)  # whose first response is an error
    ended = await cli("sims", "list", *options)
    assert ended.code == 0
    for name in ("RequestRetried", "RequestFinished"):
        assert (name in ended.err) == (name in logged)
    assert logging.getLogger("asyncsim").level == level


async def test_a_common_option_without_a_value_is_wrong_usage(cli: Cli) -> None:
    ended = await cli("sims", "list", "--proxy")
    assert ended.code == 2
    assert "--proxy" in ended.err

"""The proxy of a request; neither a proxy nor a session may change the credentials."""

from __future__ import annotations

import base64
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from asyncsim import Client, ConfigurationError, ConnectionFailed, Hosts, RetryPolicy
from asyncsim.cli.accounts import log_in
from tests.http.raw import Raw, raw_server, response

AC, HS, DE = "AC" + "0" * 32, "HS" + "0" * 32, "DE" + "0" * 32
SIM = (
    b'{"sid": "%s", "status": "active", "account_sid": "%s", "date_created": null,'
    b' "date_updated": null, "links": {}}' % (HS.encode(), AC.encode())
)
LOGIN = "Basic " + base64.b64encode(b"me:hidden-word").decode()
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def proxy() -> AsyncIterator[Raw]:
    """A proxy that responds itself instead of forwarding, and rejects tunnels."""

    async def handle(head: bytes, writer: object) -> bool:
        assert hasattr(writer, "write")
        if head.startswith(b"CONNECT"):
            writer.write(response(b"", status="403 No tunnels"))
        elif b"/token " in head:
            writer.write(response(b'{"access_token": "t", "expires_in": 60}'))
        else:
            writer.write(response(SIM, "Content-Type: application/json"))
        return True

    async with raw_server(handle) as raw:
        yield raw


def client(url: str = "http://sims.example.test", *, kore: bool = False, **settings: Any) -> Client:
    more: dict[str, Any] = {
        "hosts": Hosts(wireless=url, supersim=url, monitor=url, token=f"{url}/token"),
        "retry": RetryPolicy(attempts=1),
        **settings,
    }
    if kore:
        return Client.kore("apiclient_1", "secret", **more)
    return Client.twilio(AC, "token", **more)


async def fetch(one: Client) -> str | None:
    async with one:
        return (await one.supersim.sims.fetch(HS)).status


async def test_the_environments_proxies_are_not_used_by_default(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with pytest.raises(ConnectionFailed, match=r"cannot connect to sims\.example\.test"):
        await fetch(client())
    assert proxy.heads == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_the_environments_proxy_is_used_on_request(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, proxy.url)
    assert await fetch(client(proxies_from_env=True)) == "active"
    assert proxy.heads[0].startswith(b"GET http://sims.example.test/v1/Sims/")


async def test_a_proxy_without_a_scheme_is_an_http_proxy(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))
    assert await fetch(client(proxies_from_env=True)) == "active"


async def test_the_token_endpoint_is_reached_through_the_proxy_too(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert await fetch(client(kore=True, proxies_from_env=True)) == "active"
    assert proxy.heads[0].startswith(b"POST http://sims.example.test/token HTTP/1.1")


async def test_the_command_line_uses_the_environments_proxies(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", AC)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "token")
    hosts = Hosts(supersim="http://sims.example.test")
    assert await fetch(log_in("twilio", hosts=hosts)) == "active"
    assert len(proxy.heads) == 1


async def test_https_is_tunnelled_through_the_proxy(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:hidden-word@"))
    with pytest.raises(ConnectionFailed) as caught:
        await fetch(client("https://sims.example.test", proxies_from_env=True))
    assert "the proxy refused to connect to sims.example.test:443 (403 No tunnels)" in str(
        caught.value
    )
    head = proxy.heads[0].decode()
    assert head.startswith("CONNECT sims.example.test:443 ")
    assert f"Proxy-Authorization: {LOGIN}\r\n" in head
    assert "\r\nAuthorization:" not in head


@pytest.mark.parametrize("explicit", [False, True])
async def test_proxy_credentials_go_to_the_proxy_and_are_never_shown(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch, explicit: bool
) -> None:
    url = proxy.url.replace("//", "//me:hidden-word@")
    monkeypatch.setenv("HTTP_PROXY", url)
    one = client(proxy=url) if explicit else client(proxies_from_env=True)
    assert await fetch(one) == "active"
    head = proxy.heads[0].decode()
    assert f"Proxy-Authorization: {LOGIN}\r\n" in head
    assert "\r\nAuthorization: Basic " in head
    assert "hidden-word" not in head
    for text in (repr(one), repr(vars(one.context))):
        assert "hidden-word" not in text
        assert LOGIN not in text


@pytest.mark.parametrize(
    "listed",
    ["sims.example.test", ".example.test", "example.test", "*", "x, sims.example.test:80", "TEST"],
)
async def test_hosts_in_no_proxy_bypass_the_proxy(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", listed)
    with pytest.raises(ConnectionFailed, match=r"cannot connect to sims\.example\.test"):
        await fetch(client(proxies_from_env=True))
    assert proxy.heads == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.9.9", "[::1]", "a.localhost"])
async def test_loopback_bypasses_the_environments_proxy(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConnectionFailed, match="cannot connect to"):
            await fetch(client(f"http://{host}:{port}", proxies_from_env=True))
    assert proxy.heads == []


async def test_a_proxy_given_as_a_setting_is_used_for_all_hosts(
    proxy: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    for url in ("http://sims.example.test", "http://127.0.0.1:1"):
        assert await fetch(client(url, proxy=proxy.url, proxies_from_env=True)) == "active"
    assert len(proxy.heads) == 2


BAD = [
    "socks5://me:hidden-word@127.0.0.1:1",
    " http://me:hidden-word@127.0.0.1:1",
    "http://me:hidden-word@127.0.0.1:1\n",
    "http://me:hidden-word@127.0.0.1:port",
    "http://me:hidden-word@",
    "http://me:hidden-word@127.0.0.1:1\r\nX-Evil: 1",
]


@pytest.mark.parametrize("url", [*BAD, ""])
def test_an_invalid_proxy_is_rejected_at_once_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^proxy=\.\.\. must read") as caught:
        client(proxy=url)
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize("url", BAD)
def test_the_variable_that_holds_an_invalid_proxy_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", url)
    with pytest.raises(ConfigurationError, match=r"^HTTP_PROXY in the environment") as caught:
        client(proxies_from_env=True)
    assert "hidden-word" not in str(caught.value)
    client("http://127.0.0.1:1", proxies_from_env=True)  # loopback uses no proxy


# Sessions of the user's own.


async def test_a_session_with_its_own_credentials_is_rejected() -> None:
    async with aiohttp.ClientSession() as session:
        # As `ClientSession(auth=...)` does, which aiohttp 3.14 calls deprecated.
        session._default_auth = object()  # type: ignore[assignment]
        with pytest.raises(ConfigurationError, match=r"the session given has auth=\.\.\."):
            client(session=session)


async def test_a_session_with_credentials_from_netrc_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine sims.example.test\nlogin someone\npassword hidden-word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with aiohttp.ClientSession(trust_env=True) as session:
        with pytest.raises(ConfigurationError) as caught:
            client(session=session)
        assert "netrc a login for sims.example.test" in str(caught.value)
        assert "hidden-word" not in str(caught.value)
        client("http://other.example.test", session=session)
    async with aiohttp.ClientSession() as session:
        client(session=session)


async def test_the_clients_own_session_ignores_netrc(
    proxy: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default\nlogin someone\npassword hidden-word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert await fetch(client(proxies_from_env=True)) == "active"
    ours = base64.b64encode(f"{AC}:token".encode()).decode()
    assert f"\r\nAuthorization: Basic {ours}\r\n" in proxy.heads[0].decode()
    assert b"Proxy-Authorization" not in proxy.heads[0]


@pytest.mark.parametrize("setting", [{"proxy": "http://127.0.0.1:1"}, {"proxies_from_env": True}])
async def test_the_users_session_chooses_its_own_proxies(setting: dict[str, Any]) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match="has its own proxy settings"):
            client(session=session, **setting)

"""Requests that certainly never reached the server, above all creates."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from asyncsim import (
    AsyncSimError,
    Client,
    ConnectionFailed,
    Hosts,
    OutcomeUnknown,
    RequestTimeout,
    RetryPolicy,
    Timeout,
    TransportError,
)
from tests.http.raw import Raw, raw_server, response

SID = "HS" + "1" * 32
COMMAND = json.dumps(
    {"sid": "HC" + "1" * 32, "status": "queued", "sim_sid": SID, "account_sid": "AC" + "1" * 32}
).encode()
BRIEF = Timeout(request=5.0, connect=0.05)
ONCE = RetryPolicy(attempts=1)
Open = Callable[..., Client]


@pytest.fixture
async def open_client() -> AsyncIterator[Open]:
    """Make clients without retries."""
    async with AsyncExitStack() as stack:

        def make(url: str, session: aiohttp.ClientSession | None = None, **more: Any) -> Client:
            settings: Any = {"retry": ONCE, "timeout": BRIEF, **more}
            client = Client.twilio(
                "AC" + "1" * 32, "token", hosts=Hosts(supersim=url), session=session, **settings
            )
            stack.push_async_callback(client.close)
            return client

        yield make


def calls(client: Client) -> dict[str, Callable[[], Awaitable[object]]]:
    supersim = client.supersim
    return {
        "fetch": lambda: supersim.sims.fetch(SID),
        "update": lambda: supersim.sims.update(SID, status="active"),
        "create": lambda: supersim.sms_commands.create(sim=SID, payload="x"),
    }


async def none_was_sent(client: Client) -> str:
    """Assert that each call reports that nothing was sent; returns the create's message."""
    text = ""
    for call in calls(client).values():
        with pytest.raises(TransportError) as caught:
            await call()
        assert not caught.value.sent
        text = str(caught.value)
        assert text.endswith("; nothing was sent")
    return text


# Proxies.


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 No", "502 No"])
async def test_a_proxy_that_rejects_the_tunnel_is_named_and_nothing_was_sent(
    open_client: Open, status: str
) -> None:
    async def reject(_: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(response(b"", status=status))
        return False

    async with raw_server(reject) as proxy:
        url = proxy.url.replace("//", "//user:hidden@")
        async with aiohttp.ClientSession(proxy=url) as session:
            text = await none_was_sent(open_client("https://sims.example.test", session))
    assert f"the proxy refused to connect to sims.example.test:443 ({status})" in text
    assert "hidden" not in text


async def test_a_proxy_that_requires_a_login_is_named(open_client: Open) -> None:
    async def reject(_: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(response(b"", status="407 Proxy Authentication Required"))
        return True

    async with raw_server(reject) as proxy, aiohttp.ClientSession(proxy=proxy.url) as session:
        text = await none_was_sent(open_client("http://sims.example.test", session))
    assert "the proxy refused to connect to sims.example.test:80 (407" in text


async def test_an_unreachable_proxy_is_named(open_client: Open) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        async with aiohttp.ClientSession(proxy=f"http://u:hidden@127.0.0.1:{port}") as session:
            client = open_client("https://sims.example.test", session)
            text = await none_was_sent(client)
            with pytest.raises(ConnectionFailed) as caught:
                await client.supersim.sims.fetch(SID)
    assert f"cannot connect to the proxy 127.0.0.1:{port}" in text
    assert "hidden" not in repr(caught.value.__cause__)


async def test_a_proxy_that_never_responds_to_connect_is_a_connection_timeout(
    open_client: Open,
) -> None:
    async with raw_server() as proxy, aiohttp.ClientSession(proxy=proxy.url) as session:
        text = await none_was_sent(open_client("https://sims.example.test", session))
    assert "no connection within 0.05 s" in text


@pytest.mark.parametrize("said", [b"", b"220 this is a mail server\r\n\r\n"])
async def test_a_create_through_a_proxy_that_hangs_up_was_not_sent(
    open_client: Open, said: bytes
) -> None:
    async def hang_up(_: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(said)
        return False

    async with raw_server(hang_up) as proxy, aiohttp.ClientSession(proxy=proxy.url) as session:
        client = open_client("https://sims.example.test", session)
        with pytest.raises(ConnectionFailed, match="no connection") as caught:
            await calls(client)["create"]()
    assert not caught.value.sent


# Connecting to the server itself.


class Hanging(AbstractResolver):
    """A resolver that hangs."""

    async def resolve(self, *_: Any, **__: Any) -> list[ResolveResult]:
        return await asyncio.Event().wait()  # type: ignore[return-value]  # never returns

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_name_lookup_that_hangs_sends_nothing(
    open_client: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp.DefaultResolver, "resolve", Hanging.resolve)
    text = await none_was_sent(open_client("http://sims.example.test"))
    assert "no connection within 0.05 s" in text


async def test_a_name_lookup_that_hangs_in_the_users_session_sends_nothing(
    open_client: Open,
) -> None:
    connector = aiohttp.TCPConnector(resolver=Hanging())
    async with aiohttp.ClientSession(connector=connector) as session:
        await none_was_sent(open_client("http://sims.example.test", session))


async def test_an_invalid_name_sends_nothing(open_client: Open) -> None:
    client = open_client(f"http://{'x' * 70}.example.test")
    for call in calls(client).values():
        with pytest.raises(AsyncSimError) as caught:
            await call()
        assert not isinstance(caught.value, OutcomeUnknown)


async def test_a_tls_handshake_that_hangs_sends_nothing(open_client: Open) -> None:
    async with raw_server() as server:
        text = await none_was_sent(open_client(server.url.replace("http", "https")))
    assert "no connection within 0.05 s" in text


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_tls_handshake_that_fails_sends_nothing(open_client: Open, said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        timeout = Timeout(request=5.0, connect=4.0)
        text = await none_was_sent(open_client(f"https://127.0.0.1:{port}", timeout=timeout))
    assert f"cannot connect to 127.0.0.1:{port}" in text


async def test_a_pool_filled_by_the_users_own_requests_sends_nothing(open_client: Open) -> None:
    arrived = asyncio.Event()

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> bool:
        arrived.set()
        return True

    connector = aiohttp.TCPConnector(limit=1)
    async with raw_server(serve) as server, aiohttp.ClientSession(connector=connector) as session:
        other = asyncio.ensure_future(session.get(server.url))
        await arrived.wait()
        text = await none_was_sent(open_client(server.url, session))
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
    assert "perhaps the connection pool of your session is exhausted" in text
    assert not any(head.startswith(b"POST") for head in server.heads)


async def test_a_create_whose_deadline_passes_before_it_connects_was_not_sent(
    open_client: Open,
) -> None:
    async with raw_server() as server:
        timeout = Timeout(request=0.05, connect=5.0)
        client = open_client(server.url.replace("http", "https"), timeout=timeout)
        with pytest.raises(RequestTimeout, match="no connection within") as caught:
            await calls(client)["create"]()
    assert not caught.value.sent


async def test_a_request_that_was_never_sent_is_retried_even_a_create(open_client: Open) -> None:
    rejections = 2

    async def tunnel(head: bytes, writer: asyncio.StreamWriter) -> bool:
        nonlocal rejections
        if head.startswith(b"POST"):
            rejections -= 1
            said = response(b"", status="407 No") if rejections >= 0 else response(COMMAND)
            writer.write(said)
        return True

    async with raw_server(tunnel) as proxy, aiohttp.ClientSession(proxy=proxy.url) as session:
        retry = RetryPolicy(attempts=3, base=0.0)
        client = open_client("http://sims.example.test", session, retry=retry)
        await calls(client)["create"]()


# Connections used for creates.


def keep_alive(closing_after: float | None = None) -> Callable[..., Awaitable[bool]]:
    """A server that announces keep-alive, and may close connections after some seconds."""

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(
            response(COMMAND if head.startswith(b"POST") else b'{"sid": "%b"}' % SID.encode())
        )
        if closing_after is None:
            return True
        await writer.drain()
        await asyncio.sleep(closing_after)
        return False

    return serve


async def test_no_create_is_lost_to_a_server_that_closes_keep_alive_connections(
    open_client: Open,
) -> None:
    async with raw_server(keep_alive(0.0)) as server:
        client = open_client(server.url, retry=RetryPolicy(base=0.0))
        call = calls(client)
        for _ in range(20):
            await call["fetch"]()
            await call["create"]()


async def test_after_a_create_was_lost_on_a_reused_connection_creates_take_new_ones(
    open_client: Open,
) -> None:
    lost = 0
    async with raw_server(keep_alive(0.0)) as server:
        call = calls(open_client(server.url))
        for _ in range(20):
            try:
                await call["create"]()
            except OutcomeUnknown:
                lost += 1
    assert lost <= 1


async def test_consecutive_creates_share_a_connection(open_client: Open) -> None:
    async with raw_server(keep_alive()) as server:
        call = calls(open_client(server.url))
        for _ in range(5):
            await call["create"]()
        assert server.connections == 1


async def test_a_create_does_not_reuse_a_connection_that_was_idle_too_long(
    open_client: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncsim.http.transport._RECENT", 0.0)
    async with raw_server(keep_alive()) as server:
        call = calls(open_client(server.url))
        await call["create"]()
        await call["create"]()
        assert server.connections == 2


async def test_a_421_is_retried_on_a_new_connection(open_client: Open) -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> bool:
        first = len(server.heads) == 1
        said = response(b"", status="421 Misdirected Request") if first else response(COMMAND)
        writer.write(said)
        return True

    server: Raw
    async with raw_server(serve) as server:
        call = calls(open_client(server.url, retry=RetryPolicy(base=0.0)))
        await call["create"]()
        assert server.connections == 2


async def test_the_outcome_of_a_create_lost_after_writing_is_unknown(open_client: Open) -> None:
    async def drop(_: bytes, writer: asyncio.StreamWriter) -> bool:
        return False

    async with raw_server(drop) as server:
        client = open_client(server.url, retry=RetryPolicy())
        with pytest.raises(OutcomeUnknown) as caught:
            await calls(client)["create"]()
        assert len(server.heads) == 1
    assert isinstance(caught.value.__cause__, ConnectionFailed)
    assert caught.value.__cause__.sent

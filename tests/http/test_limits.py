"""Limits on responses: none fills the memory, and each failure is an error of asyncsim."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from asyncsim import (
    AsyncSimError,
    Client,
    ConfigurationError,
    ConnectionFailed,
    DecodeError,
    Hosts,
    NotFound,
    OutcomeUnknown,
    RetryPolicy,
    ServerError,
    Timeout,
    TransportError,
)
from tests.http.raw import raw_server, response

SID = "HS" + "1" * 32
SIM = {"sid": SID, "status": "active", "account_sid": "AC" + "1" * 32, "unique_name": "Zürich"}
TEXT = json.dumps(SIM).encode()
Open = Callable[..., Client]
JSON = "Content-Type: application/json"
GZIP = "Content-Encoding: gzip"


def bomb(size: int) -> bytes:
    """Compress `size` blanks, to about a thousandth of that."""
    return gzip.compress(b" " * size, mtime=0)


@pytest.fixture(params=["ours", "borrowed"])
async def open_client(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Make clients without retries, with their own session and with the user's."""
    async with AsyncExitStack() as stack:
        session = None
        if request.param == "borrowed":
            session = await stack.enter_async_context(aiohttp.ClientSession())

        def make(url: str, **more: Any) -> Client:
            settings: Any = {
                "retry": RetryPolicy(attempts=1),
                "timeout": Timeout(request=5.0),
                "session": session,
                **more,
            }
            client = Client.twilio("AC" + "1" * 32, "token", hosts=Hosts(supersim=url), **settings)
            stack.push_async_callback(client.close)
            return client

        yield make


def always(said: bytes) -> Callable[[bytes, asyncio.StreamWriter], Awaitable[bool]]:
    async def serve(_: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(said)
        return True

    return serve


def endless(head: bytes, part: bytes) -> Callable[[bytes, asyncio.StreamWriter], Awaitable[bool]]:
    async def serve(_: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        while True:  # until the client closes
            writer.write(part)
            await writer.drain()

    return serve


# Accepted bodies.


def deflated(*, header: bool) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS if header else -zlib.MAX_WBITS)
    return packer.compress(TEXT) + packer.flush()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (TEXT, []),
        (TEXT, ["Content-Encoding: identity"]),
        (gzip.compress(TEXT, mtime=0), [GZIP]),
        (gzip.compress(TEXT, mtime=0), ["Content-Encoding: X-GZip"]),
        (deflated(header=True), ["Content-Encoding: deflate"]),
        (deflated(header=False), ["Content-Encoding: deflate"]),
    ],
)
async def test_compressed_bodies_are_read(
    open_client: Open, body: bytes, headers: list[str]
) -> None:
    async with raw_server(always(response(body, JSON, *headers))) as server:
        sim = await open_client(server.url).supersim.sims.fetch(SID)
        assert sim.unique_name == "Zürich"
        assert b"accept-encoding: gzip, deflate\r\n" in server.heads[0].lower()


async def test_bodies_of_unknown_length_are_read(open_client: Open) -> None:
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(TEXT[n : n + 7]), TEXT[n : n + 7]) for n in range(0, len(TEXT), 7)
    )
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with raw_server(always(head + chunks + b"0\r\n\r\n")) as server:
        sims = open_client(server.url).supersim.sims
        assert (await sims.fetch(SID)).unique_name == "Zürich"
        assert (await sims.fetch(SID)).unique_name == "Zürich"
        assert server.connections == 1


async def test_a_page_may_be_larger_than_a_record(open_client: Open) -> None:
    rows = [{**SIM, "unique_name": "x" * 100_000}] * 30
    meta = {"key": "sims", "next_page_url": None}
    body = json.dumps({"sims": rows, "meta": meta}).encode()
    async with raw_server(always(response(gzip.compress(body, mtime=0), JSON, GZIP))) as server:
        client = open_client(server.url)
        assert len((await client.supersim.sims.list()).items) == 30


# Rejected bodies.


@pytest.mark.parametrize("size", [1_000_001, 100_000_000])
async def test_a_small_body_that_decompresses_to_a_large_one_is_rejected(
    open_client: Open, size: int
) -> None:
    async with raw_server(always(response(bomb(size), JSON, GZIP))) as server:
        client = open_client(server.url)
        tracemalloc.start()
        try:
            with pytest.raises(DecodeError, match="larger than 1,000,000 bytes"):
                await client.supersim.sims.fetch(SID)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()


LENGTH = b"HTTP/1.1 %b\r\nContent-Length: 100000000000\r\n\r\n"
CHUNKED = b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 %b\r\n\r\n"
PART = b" " * 65_536


@pytest.mark.parametrize(
    ("head", "part"),
    [(LENGTH, PART), (CHUNKED, b"10000\r\n%b\r\n" % PART), (UNTIL_CLOSED, PART)],
    ids=["length", "chunked", "until closed"],
)
async def test_an_endless_body_is_cut_off(open_client: Open, head: bytes, part: bytes) -> None:
    async with raw_server(endless(head % b"200 OK", part)) as server:
        client = open_client(server.url)
        with pytest.raises(DecodeError, match="larger than 1,000,000 bytes") as caught:
            await client.supersim.sims.fetch(SID)
        assert f"the response to fetch Sim {SID}" in str(caught.value)
        with pytest.raises(DecodeError, match="larger than 16,000,000 bytes"):
            await client.supersim.sims.list()


@pytest.mark.parametrize(("status", "kind"), [("404 No", NotFound), ("500 No", ServerError)])
async def test_an_endless_error_body_is_still_that_error(
    open_client: Open, status: str, kind: type[AsyncSimError]
) -> None:
    head = CHUNKED % status.encode()
    async with raw_server(endless(head, b"10000\r\n%b\r\n" % (b"x" * 65_536))) as server:
        with pytest.raises(kind) as caught:
            await open_client(server.url).supersim.sims.fetch(SID)
    assert len(str(caught.value)) < 500


async def test_a_long_error_message_is_cut_off(open_client: Open) -> None:
    long = "x" * 20_000
    body = json.dumps({"code": 20404, "message": long, "more_info": long}).encode()
    said = response(body, JSON, f"Twilio-Request-Id: {'r' * 5000}", status="404 No")
    async with raw_server(always(said)) as server:
        with pytest.raises(NotFound) as caught:
            await open_client(server.url).supersim.sims.fetch(SID)
    assert caught.value.code == 20404
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("body", [bomb(2_000_000), b"not gzip", gzip.compress(TEXT, mtime=0)[:-12]])
async def test_after_a_create_with_an_unreadable_response_the_outcome_is_unknown(
    open_client: Open, body: bytes
) -> None:
    async with raw_server(always(response(body, JSON, GZIP, status="201 Created"))) as server:
        client = open_client(server.url, retry=RetryPolicy())
        with pytest.raises(OutcomeUnknown) as caught:
            await client.supersim.sms_commands.create(sim=SID, payload="x")
        assert len(server.heads) == 1
    assert isinstance(caught.value.__cause__, DecodeError)


async def test_an_update_with_an_unreadable_response_is_read_back(open_client: Open) -> None:
    async def serve(head: bytes, writer: asyncio.StreamWriter) -> bool:
        pending = json.dumps({**SIM, "status": "scheduled"}).encode()
        posted = head.startswith(b"POST")
        writer.write(response(bomb(2_000_000), JSON, GZIP) if posted else response(pending, JSON))
        return True

    async with raw_server(serve) as server:
        client = open_client(server.url, retry=RetryPolicy(base=0.0))
        assert (await client.supersim.sims.update(SID, status="active")).status == "scheduled"
        assert [head.partition(b" ")[0] for head in server.heads] == [b"POST", b"GET"]


async def test_a_token_response_is_limited_too() -> None:
    async with raw_server(always(response(bomb(200_000), JSON, GZIP))) as server:
        hosts = Hosts(supersim=server.url, token=f"{server.url}/token")
        retry = RetryPolicy(attempts=1)
        async with Client.kore("client", "secret", hosts=hosts, retry=retry) as client:
            with pytest.raises(DecodeError, match="larger than 65,536 bytes"):
                await client.supersim.sims.fetch(SID)


# Malformed HTTP, and responses that were not requested.

STATUS = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"220 this is a mail server\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 " + b"O" * 100_000 + b"\r\n\r\n",
        STATUS + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        STATUS + b"no header\r\n\r\n",
        STATUS + b"Content-Length: -1\r\n\r\n",
        STATUS + b"Content-Length: x\r\n\r\n",
        STATUS + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        STATUS + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        STATUS + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        STATUS + b"Content-Length: 100\r\n\r\n{",
        STATUS + b"X: \0\r\nContent-Length: 2\r\n\r\n{}",
        b"\xff" * 1000 + b"\r\n\r\n",
        b"",
    ],
    ids=range(15),
)
async def test_a_malformed_response_is_an_error_of_asyncsim(open_client: Open, said: bytes) -> None:
    async def serve(_: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(said)
        return False

    async with raw_server(serve) as server:
        client = open_client(server.url)
        with pytest.raises((TransportError, DecodeError)):
            await client.supersim.sims.fetch(SID)
        with pytest.raises(OutcomeUnknown):
            await client.supersim.sms_commands.create(sim=SID, payload="x")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip"])
async def test_an_encoding_that_was_not_requested_is_named(
    open_client: Open, encoding: str
) -> None:
    said = response(b"\x0b\x02\x80{}\x03", JSON, f"Content-Encoding: {encoding}")
    async with raw_server(always(said)) as server:
        with pytest.raises(DecodeError, match=f"encoded as '{encoding}', which was not requested"):
            await open_client(server.url).supersim.sims.fetch(SID)


async def test_an_error_that_cannot_be_decompressed_is_still_that_error(open_client: Open) -> None:
    async with raw_server(always(response(b"no", GZIP, status="404 No"))) as server:
        with pytest.raises(NotFound):
            await open_client(server.url).supersim.sims.fetch(SID)


async def test_the_number_of_headers_is_limited(open_client: Open) -> None:
    said = (
        STATUS
        + b"".join(b"X-%d: x\r\n" % n for n in range(50_000))
        + b"Content-Length: 2\r\n\r\n{}"
    )
    async with raw_server(always(said)) as server:
        with pytest.raises(ConnectionFailed):
            await open_client(server.url).supersim.sims.fetch(SID)


@pytest.mark.parametrize("type_", ["text/plain; charset=no-such", "application/json; charset=\x80"])
async def test_an_unknown_charset_is_ignored(open_client: Open, type_: str) -> None:
    async with raw_server(always(response(TEXT, f"Content-Type: {type_}"))) as server:
        assert (await open_client(server.url).supersim.sims.fetch(SID)).sid == SID


@pytest.mark.parametrize("host", [".", "a..test", f"{'x' * 70}.test"])
async def test_an_invalid_host_is_a_configuration_error(open_client: Open, host: str) -> None:
    with pytest.raises(ConfigurationError, match="check hosts="):
        await open_client(f"http://{host}").supersim.sims.fetch(SID)


async def test_an_error_of_the_users_resolver_becomes_an_error_of_asyncsim() -> None:
    class Broken(aiohttp.abc.AbstractResolver):
        async def resolve(self, *_: Any, **__: Any) -> Any:
            raise KeyError("no such host in the table")

        async def close(self) -> None:
            """Nothing to close."""

    connector = aiohttp.TCPConnector(resolver=Broken())
    async with aiohttp.ClientSession(connector=connector) as session:
        hosts, retry = Hosts(supersim="http://sims.example.test"), RetryPolicy(attempts=1)
        async with Client.twilio(
            "AC" + "1" * 32, "token", hosts=hosts, session=session, retry=retry
        ) as client:
            with pytest.raises(ConnectionFailed) as caught:
                await client.supersim.sms_commands.create(sim=SID, payload="x")
            assert not caught.value.sent

"""A receiver's own port under attack: too many connections, too slow ones, and garbage."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import pytest
from attrs import define

from asyncsim.callbacks import Callback, CallbackReceiver, connections, web
from asyncsim.callbacks.receiver import Registration
from asyncsim.clock import ManualClock
from asyncsim.errors import ConfigurationError
from asyncsim.events import CallbackRefused, Event
from asyncsim.vendors import TWILIO
from tests.callbacks import senders
from tests.callbacks.conftest import listen, register
from tests.callbacks.senders import SIM, Sent


@define
class Connection:
    """One raw client connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def status(self) -> int:
        """Read one response without a body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1])

    async def rest(self) -> bytes:
        """Read until the receiver closes it."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):  # the receiver closed it first
            await self.writer.wait_closed()


Connect = Callable[[], Awaitable[Connection]]


@pytest.fixture
async def small(clock: ManualClock, events: list[Event]) -> AsyncIterator[CallbackReceiver]:
    """A receiver with room for two connections."""
    receiver = CallbackReceiver(
        clock=clock, max_connections=2, max_body=1000, observers=[events.append]
    )
    async with receiver:
        yield receiver


@pytest.fixture
def registration(small: CallbackReceiver, delivered: list[Callback]) -> Registration:
    return listen(register(small, TWILIO), delivered)


@pytest.fixture
async def connect(small: CallbackReceiver) -> AsyncIterator[Connect]:
    conns: list[Connection] = []

    async def one() -> Connection:
        conns.append(Connection(*await asyncio.open_connection("127.0.0.1", small.port)))
        return conns[-1]

    yield one
    for conn in conns:
        await conn.close()


def raw(sent: Sent, *headers: str, version: str = "1.1") -> bytes:
    """Encode a request."""
    named = [f"{name}: {text}" for name, text in sent.headers.items()]
    length = [f"Content-Length: {len(sent.body)}"] if sent.method == "POST" else []
    path = sent.url[sent.url.index("/", 8) :]
    first = f"{sent.method} {path} HTTP/{version}"
    lines = [first, "Host: x", *named, *headers, *length, "", ""]
    return "\r\n".join(lines).encode() + sent.body


def callback(registration: Registration) -> bytes:
    return raw(senders.twilio(registration.issue_url("supersim", SIM)[0]))


async def test_a_silent_connection_is_closed_to_admit_a_new_one(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_GRACE", 0.0)
    silent = [await connect() for _ in range(5)]
    late = await connect()
    late.send(callback(registration))
    assert await late.status() == 204
    assert [await conn.rest() for conn in silent[:4]] == [b""] * 4


async def test_a_pool_keeps_its_connections_under_a_flood(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_GRACE", 0.0)
    pooled = await connect()
    pooled.send(callback(registration))
    assert await pooled.status() == 204
    for conn in [await connect() for _ in range(10)][:-1]:
        assert await conn.rest() == b""
    pooled.send(callback(registration))
    assert await pooled.status() == 204


async def test_while_all_connections_are_busy_a_new_one_waits(
    registration: Registration, connect: Connect
) -> None:
    pool = [await connect(), await connect()]
    for conn in pool:
        conn.send(callback(registration))
        assert await conn.status() == 204
    late = await connect()
    late.send(callback(registration))
    for conn in pool:  # established ones are still served
        conn.send(callback(registration))
        assert await conn.status() == 204
    waiting = asyncio.create_task(late.status())
    pool[0].send(callback(registration))
    assert await pool[0].status() == 204
    assert not waiting.done()
    await pool[1].close()
    assert await waiting == 204


async def test_the_connection_idle_for_longest_is_closed_to_admit_a_new_one(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_RESERVED", 0.0)
    pool = [await connect(), await connect()]
    for conn in (*pool, pool[0]):
        conn.send(callback(registration))
        assert await conn.status() == 204
    late = await connect()
    late.send(callback(registration))
    assert await late.status() == 204
    assert await pool[1].rest() == b""
    pool[0].send(callback(registration))
    assert await pool[0].status() == 204


async def test_a_receiver_stops_while_it_admits_no_connection(clock: ManualClock) -> None:
    async with CallbackReceiver(clock=clock, max_connections=1) as receiver:
        registration = register(receiver, TWILIO)
        conn = Connection(*await asyncio.open_connection("127.0.0.1", receiver.port))
        conn.send(callback(registration))
        assert await conn.status() == 204
        late = Connection(*await asyncio.open_connection("127.0.0.1", receiver.port))
        late.send(callback(registration))
    assert await conn.rest() == b""
    assert await late.rest() == b""
    await conn.close()
    await late.close()


@pytest.mark.parametrize("begun", [b"", b"POST /twilio/supersim", b"GET / HTTP/1.1\r\nX: y\r\n"])
async def test_an_incomplete_request_ends_its_connection(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "_FIRST_REQUEST", 0.01)
    conn = await connect()
    conn.send(begun)
    assert await conn.rest() == b""


async def test_an_incomplete_body_ends_its_connection(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "BODY_TIMEOUT", 0.01)
    monkeypatch.setattr(web, "_LINGER", 0.01)
    conn = await connect()
    conn.send(callback(registration)[:-1])
    assert (await conn.rest()).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("wrong", 403), ("/" + "x" * 20_000, 400)],
)
async def test_without_a_valid_ticket_the_body_is_not_read(
    registration: Registration,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    status: int,
) -> None:
    monkeypatch.setattr(web, "_LINGER", 0.01)
    if path == "wrong":
        ticket = urlsplit(registration.issue_url("supersim", SIM)[0]).path
        path = ticket.replace(SIM, SIM[:-1] + "1")
    conn = await connect()
    conn.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode())
    assert await conn.status() == status
    assert await conn.rest() == b"", "and the connection is closed"


async def test_a_content_length_beyond_the_limit_is_rejected_at_once(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "_LINGER", 0.01)
    path = urlsplit(registration.issue_url("supersim", SIM)[0]).path
    conn = await connect()
    conn.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n".encode())
    assert await conn.status() == 413


async def test_an_expect_100_continue_gets_its_response(
    registration: Registration, connect: Connect, delivered: list[Callback]
) -> None:
    sent = senders.twilio(registration.issue_url("supersim", SIM)[0])
    whole = raw(sent, "Expect: 100-continue")
    conn = await connect()
    conn.send(whole.removesuffix(sent.body))
    assert await conn.status() == 100
    conn.send(sent.body)
    assert await conn.status() == 204
    forged = raw(senders.twilio(sent.url.replace(SIM, SIM[:-1] + "1")), "Expect: 100-continue")
    conn.send(forged.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert await conn.status() == 403, "no body is requested"
    assert len(delivered) == 1


async def test_http_1_0_and_pipelined_requests_are_supported(
    registration: Registration, connect: Connect, delivered: list[Callback]
) -> None:
    conn = await connect()
    conn.send(callback(registration) * 3 + raw(Sent(method="GET", url="http://x.example/nowhere")))
    assert [await conn.status() for _ in range(4)] == [204, 204, 204, 404]
    conn = await connect()
    conn.send(raw(senders.twilio(registration.issue_url("supersim", SIM)[0]), version="1.0"))
    assert (await conn.rest()).startswith(b"HTTP/1.0 204")
    assert len(delivered) == 4


GARBAGE = [
    b"\x16\x03\x01\x00\xee\x01\x00\x00\xea\x03\x03",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"hello\r\n\r\n",
    b"GET TICKET\r\n\r\n",
    b"GET TICKET HTTP/9.9\r\n\r\n",
    b"BREW TICKET HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET TICKET\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET TICKET HTTP/1.1\r\nHost x\r\n\r\n",
    b"GET TICKET HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
    b"GET TICKET HTTP/1.1\r\nHost: x\r\n" + b"X: x\r\n" * 200 + b"\r\n",
    b"GET TICKET?" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\nab",
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=\xff",
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n&&&&",
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n" + b"a=1&" * 100,
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900"
    b"\r\n\r\n" + b"[" * 900,
    b"POST TICKET HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
    b"POST TICKET?SimStatus=\xff HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"GET TICKET HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nab",
    b"CONNECT x.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //x:y@:99999/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_is_rejected_without_a_log_line_per_request(
    registration: Registration,
    connect: Connect,
    events: list[Event],
    delivered: list[Callback],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    garbage: bytes,
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    monkeypatch.setattr(web, "_LINGER", 0.01)
    monkeypatch.setattr(
        connections, "_FIRST_REQUEST", 0.05
    )  # for garbage that looks like an incomplete request
    url, nonce = registration.issue_url("supersim", SIM)
    conn = await connect()
    conn.send(garbage.replace(b"TICKET", urlsplit(url).path.encode()))
    said = await conn.rest()
    assert delivered == []
    status = int(said.split()[1]) if said else None
    assert status in (None, 400, 403, 404, 405, 413, 414, 415)
    # On a busy machine asyncio, in debug mode, also warns of slow steps.
    lines = [one for one in caplog.records if one.levelno > 10 and one.name != "asyncio"]
    # asyncio reports the reset connection of this test itself, its client.
    assert [one for one in caplog.records if one.exc_info and one.name != "asyncio"] == []
    assert len(lines) == any(isinstance(one, CallbackRefused) for one in events)
    assert nonce not in caplog.text + str(events)
    monkeypatch.undo()
    conn = await connect()
    conn.send(callback(registration))
    assert await conn.status() == 204


async def test_rejected_requests_are_logged_once_a_minute(
    registration: Registration,
    connect: Connect,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(5):
        conn = await connect()
        conn.send(b"nonsense\r\n\r\n")
        assert await conn.status() == 400
    await clock.advance(60.0)
    conn = await connect()
    conn.send(raw(senders.twilio(registration.issue_url("supersim", SIM)[0], secret="wrong")))
    assert await conn.status() == 403
    assert [one.getMessage() for one in caplog.records] == [
        "callbacks: rejected 1 since the last such line, the latest with 400: it is not HTTP, or"
        " its headers are too many or too long",
        "callbacks: rejected 5 since the last such line, the latest with 403: the signature is"
        " wrong",
    ]


async def test_no_response_names_the_server_software(
    registration: Registration, connect: Connect
) -> None:
    for request in (
        callback(registration).replace(b"Host", b"Connection: close\r\nHost"),
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /nowhere HTTP/1.0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        conn = await connect()
        conn.send(request)
        said = (await conn.rest()).lower()
        assert b"server: \r\n" in said
        assert not any(word in said for word in (b"aiohttp", b"python", b"asyncsim"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/hooks/", "/hooks/health?full=1"])
async def test_health_checks_get_a_response_and_are_not_counted(
    small: CallbackReceiver, connect: Connect, events: list[Event], method: str, path: str
) -> None:
    conn = await connect()
    conn.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert await conn.status() == 200
    counts = small.counts
    assert (counts.refused, counts.not_found, counts.accepted, events) == (0, 0, 0, [])


def test_connections_are_limited_to_a_quarter_of_the_open_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for files, most in ((100_000, 512), (1024, 240), (256, 48), (16, 1)):
        monkeypatch.setattr(connections, "open_file_limit", lambda files=files: files)
        assert connections.connection_limit(512) == most


@pytest.mark.parametrize("most", [0, -1, 1.5, True, None])
def test_an_invalid_max_connections_is_rejected(most: object) -> None:
    with pytest.raises(ConfigurationError, match="max_connections"):
        CallbackReceiver(max_connections=most)  # type: ignore[arg-type]  # that is the point

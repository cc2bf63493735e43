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
class Wire:
    """One connection, spoken to by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def status(self) -> int:
        """Read one response without a body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1])

    async def rest(self) -> bytes:
        """Read until it is closed."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):  # the other side was first
            await self.writer.wait_closed()


Connect = Callable[[], Awaitable[Wire]]


@pytest.fixture
async def small(clock: ManualClock, events: list[Event]) -> AsyncIterator[CallbackReceiver]:
    """A receiver with room for two connections."""
    receiver = CallbackReceiver(
        clock=clock, max_connections=2, max_body=1000, observers=[events.append]
    )
    async with receiver:
        yield receiver


@pytest.fixture
def registration(small: CallbackReceiver, told: list[Callback]) -> Registration:
    return listen(register(small, TWILIO), told)


@pytest.fixture
async def connect(small: CallbackReceiver) -> AsyncIterator[Connect]:
    wires: list[Wire] = []

    async def one() -> Wire:
        wires.append(Wire(*await asyncio.open_connection("127.0.0.1", small.port)))
        return wires[-1]

    yield one
    for wire in wires:
        await wire.close()


def raw(sent: Sent, *headers: str, version: str = "1.1") -> bytes:
    """Spell a request out."""
    named = [f"{name}: {text}" for name, text in sent.headers.items()]
    length = [f"Content-Length: {len(sent.body)}"] if sent.method == "POST" else []
    path = sent.url[sent.url.index("/", 8) :]
    first = f"{sent.method} {path} HTTP/{version}"
    lines = [first, "Host: x", *named, *headers, *length, "", ""]
    return "\r\n".join(lines).encode() + sent.body


def callback(registration: Registration) -> bytes:
    return raw(senders.twilio(registration.issue_url("supersim", SIM)[0]))


async def test_a_silent_connection_gives_its_place_to_a_new_one(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_GRACE", 0.0)
    silent = [await connect() for _ in range(5)]
    late = await connect()
    late.send(callback(registration))
    assert await late.status() == 204
    assert [await wire.rest() for wire in silent[:4]] == [b""] * 4


async def test_a_pool_keeps_its_connections_under_a_flood(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_GRACE", 0.0)
    pooled = await connect()
    pooled.send(callback(registration))
    assert await pooled.status() == 204
    for wire in [await connect() for _ in range(10)][:-1]:
        assert await wire.rest() == b""
    pooled.send(callback(registration))
    assert await pooled.status() == 204


async def test_while_all_are_busy_the_next_one_waits_until_one_leaves(
    registration: Registration, connect: Connect
) -> None:
    pool = [await connect(), await connect()]
    for wire in pool:
        wire.send(callback(registration))
        assert await wire.status() == 204
    late = await connect()
    late.send(callback(registration))
    for wire in pool:  # they are served as ever
        wire.send(callback(registration))
        assert await wire.status() == 204
    waiting = asyncio.create_task(late.status())
    pool[0].send(callback(registration))
    assert await pool[0].status() == 204
    assert not waiting.done()
    await pool[1].close()
    assert await waiting == 204


async def test_a_connection_idle_for_longest_gives_its_place_to_a_new_one(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_RESERVED", 0.0)
    pool = [await connect(), await connect()]
    for wire in (*pool, pool[0]):
        wire.send(callback(registration))
        assert await wire.status() == 204
    late = await connect()
    late.send(callback(registration))
    assert await late.status() == 204
    assert await pool[1].rest() == b""
    pool[0].send(callback(registration))
    assert await pool[0].status() == 204


async def test_a_receiver_stops_while_it_lets_nobody_in(clock: ManualClock) -> None:
    async with CallbackReceiver(clock=clock, max_connections=1) as receiver:
        registration = register(receiver, TWILIO)
        wire = Wire(*await asyncio.open_connection("127.0.0.1", receiver.port))
        wire.send(callback(registration))
        assert await wire.status() == 204
        late = Wire(*await asyncio.open_connection("127.0.0.1", receiver.port))
        late.send(callback(registration))
    assert await wire.rest() == b""
    assert await late.rest() == b""
    await wire.close()
    await late.close()


@pytest.mark.parametrize("begun", [b"", b"POST /twilio/supersim", b"GET / HTTP/1.1\r\nX: y\r\n"])
async def test_a_request_that_never_comes_whole_ends_its_connection(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "_FIRST_REQUEST", 0.01)
    wire = await connect()
    wire.send(begun)
    assert await wire.rest() == b""


async def test_a_body_that_never_comes_whole_ends_its_connection(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "BODY_TIMEOUT", 0.01)
    monkeypatch.setattr(web, "_LINGER", 0.01)
    wire = await connect()
    wire.send(callback(registration)[:-1])
    assert (await wire.rest()).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("wrong", 403), ("/" + "x" * 20_000, 400)],
)
async def test_nobody_without_a_ticket_makes_the_receiver_wait_for_a_body(
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
    wire = await connect()
    wire.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode())
    assert await wire.status() == status
    assert await wire.rest() == b"", "and the connection is closed"


async def test_a_body_that_says_it_is_too_long_is_not_waited_for(
    registration: Registration, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "_LINGER", 0.01)
    path = urlsplit(registration.issue_url("supersim", SIM)[0]).path
    wire = await connect()
    wire.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n".encode())
    assert await wire.status() == 413


async def test_a_sender_that_asks_whether_to_send_its_body_is_told_so(
    registration: Registration, connect: Connect, told: list[Callback]
) -> None:
    sent = senders.twilio(registration.issue_url("supersim", SIM)[0])
    whole = raw(sent, "Expect: 100-continue")
    wire = await connect()
    wire.send(whole.removesuffix(sent.body))
    assert await wire.status() == 100
    wire.send(sent.body)
    assert await wire.status() == 204
    forged = raw(senders.twilio(sent.url.replace(SIM, SIM[:-1] + "1")), "Expect: 100-continue")
    wire.send(forged.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert await wire.status() == 403, "no body is asked for"
    assert len(told) == 1


async def test_it_speaks_http_1_0_and_answers_pipelined_requests_in_order(
    registration: Registration, connect: Connect, told: list[Callback]
) -> None:
    wire = await connect()
    wire.send(callback(registration) * 3 + raw(Sent(method="GET", url="http://x.example/nowhere")))
    assert [await wire.status() for _ in range(4)] == [204, 204, 204, 404]
    wire = await connect()
    wire.send(raw(senders.twilio(registration.issue_url("supersim", SIM)[0]), version="1.0"))
    assert (await wire.rest()).startswith(b"HTTP/1.0 204")
    assert len(told) == 4


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
async def test_garbage_is_rejected_in_silence(
    registration: Registration,
    connect: Connect,
    events: list[Event],
    told: list[Callback],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    garbage: bytes,
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    monkeypatch.setattr(web, "_LINGER", 0.01)
    monkeypatch.setattr(connections, "_FIRST_REQUEST", 0.05)  # what looks like a request half sent
    url, nonce = registration.issue_url("supersim", SIM)
    wire = await connect()
    wire.send(garbage.replace(b"TICKET", urlsplit(url).path.encode()))
    said = await wire.rest()
    assert told == []
    status = int(said.split()[1]) if said else None
    assert status in (None, 400, 403, 404, 405, 413, 414, 415)
    # On a busy machine asyncio, in debug mode, also warns of slow steps.
    lines = [one for one in caplog.records if one.levelno > 10 and one.name != "asyncio"]
    assert [one.exc_info for one in caplog.records if one.exc_info] == []
    assert len(lines) == any(isinstance(one, CallbackRefused) for one in events)
    assert nonce not in caplog.text + str(events)
    monkeypatch.undo()
    wire = await connect()
    wire.send(callback(registration))
    assert await wire.status() == 204


async def test_rejected_requests_are_one_line_a_minute(
    registration: Registration,
    connect: Connect,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(5):
        wire = await connect()
        wire.send(b"nonsense\r\n\r\n")
        assert await wire.status() == 400
    await clock.advance(60.0)
    wire = await connect()
    wire.send(raw(senders.twilio(registration.issue_url("supersim", SIM)[0], secret="wrong")))
    assert await wire.status() == 403
    assert [one.getMessage() for one in caplog.records] == [
        "callbacks: rejected 1 since the last such line, the latest with 400: it is not HTTP, or"
        " its headers are too many or too long",
        "callbacks: rejected 5 since the last such line, the latest with 403: the signature is"
        " wrong",
    ]


async def test_no_response_says_what_software_it_comes_from(
    registration: Registration, connect: Connect
) -> None:
    for request in (
        callback(registration).replace(b"Host", b"Connection: close\r\nHost"),
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /nowhere HTTP/1.0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        wire = await connect()
        wire.send(request)
        said = (await wire.rest()).lower()
        assert b"server: \r\n" in said
        assert not any(word in said for word in (b"aiohttp", b"python", b"asyncsim"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/hooks/", "/hooks/health?full=1"])
async def test_health_checks_are_answered_and_counted_nowhere(
    small: CallbackReceiver, connect: Connect, events: list[Event], method: str, path: str
) -> None:
    wire = await connect()
    wire.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert await wire.status() == 200
    counts = small.counts
    assert (counts.refused, counts.not_found, counts.accepted, events) == (0, 0, 0, [])


def test_connections_take_a_quarter_of_the_open_files_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for files, most in ((100_000, 512), (1024, 240), (256, 48), (16, 1)):
        monkeypatch.setattr(connections, "open_file_limit", lambda files=files: files)
        assert connections.connection_limit(512) == most


@pytest.mark.parametrize("most", [0, -1, 1.5, True, None])
def test_a_limit_of_connections_that_is_none_is_refused(most: object) -> None:
    with pytest.raises(ConfigurationError, match="max_connections"):
        CallbackReceiver(max_connections=most)  # type: ignore[arg-type]  # that is the point

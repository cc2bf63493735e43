"""The aiohttp server on real sockets: on its own port, and mounted in an application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from asyncsim.callbacks import Callback, CallbackReceiver, web as callbacks_web
from asyncsim.callbacks.receiver import Registration
from asyncsim.clock import ManualClock
from asyncsim.vendors import KORE, TWILIO
from tests.callbacks import senders
from tests.callbacks.conftest import listen, register
from tests.callbacks.senders import SIM, Sent


@pytest.fixture
async def open_receiver(clock: ManualClock) -> AsyncIterator[CallbackReceiver]:
    async with CallbackReceiver(clock=clock, max_body=1000) as receiver:
        yield receiver


@pytest.fixture
def twilio_here(open_receiver: CallbackReceiver, delivered: list[Callback]) -> Registration:
    return listen(register(open_receiver, TWILIO), delivered)


@pytest.fixture
def kore_here(open_receiver: CallbackReceiver, delivered: list[Callback]) -> Registration:
    return listen(register(open_receiver, KORE), delivered)


async def test_callbacks_arrive_over_a_real_socket(
    twilio_here: Registration, kore_here: Registration, delivered: list[Callback]
) -> None:
    assert await senders.twilio(twilio_here.issue_url("supersim", SIM)[0]).post() == 204
    assert await senders.twilio_get(twilio_here.issue_url("supersim", SIM)[0]).post() == 204
    assert await senders.kore(kore_here.issue_url("supersim", SIM)[0]).post() == 204
    assert await senders.kore_get(kore_here.issue_url("supersim", SIM)[0]).post() == 204
    assert [one.signed for one in delivered] == [True, True, True, False]


@pytest.mark.parametrize("name", ["a b", "a/b", "50%25", "é", "日本/x?y#z", "a+b"])
async def test_encoded_names_pass_the_web_server_untouched(
    twilio_here: Registration, kore_here: Registration, delivered: list[Callback], name: str
) -> None:
    assert await senders.twilio(twilio_here.issue_url("supersim", name)[0]).post() == 204
    assert await senders.kore(kore_here.issue_url("supersim", name)[0]).post() == 204
    assert [(one.name, one.signed) for one in delivered] == [(name, True)] * 2


async def test_an_equivalent_spelling_of_the_path_is_verified_as_sent(
    kore_here: Registration, delivered: list[Callback]
) -> None:
    # yarl would turn %2d into "-" and %c3 into %C3, and the signature would no longer match.
    url, _ = kore_here.issue_url("supersim", "é-")
    spelt = url.replace("%C3%A9-", "%c3%a9%2d")
    assert await senders.kore(spelt).post() == 204
    assert [(one.name, one.signed) for one in delivered] == [("é-", True)]


async def test_forgeries_get_their_statuses_over_a_real_socket(
    open_receiver: CallbackReceiver, twilio_here: Registration, delivered: list[Callback]
) -> None:
    url, _ = twilio_here.issue_url("supersim", SIM)
    assert await senders.twilio(url, secret="wrong").post() == 403
    assert await senders.twilio(url[:-4] + "AAAA").post() == 403
    assert await senders.twilio(open_receiver.public_url + "/").post() == 404
    assert await Sent(method="PUT", url=url).post() == 405
    assert delivered == []
    assert (open_receiver.counts.refused, open_receiver.counts.not_found) == (3, 1)


async def raw(receiver: CallbackReceiver, *parts: bytes) -> bytes:
    """Send raw HTTP and return all that is received until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_an_overlong_body_is_rejected_without_being_read(
    open_receiver: CallbackReceiver, kore_here: Registration
) -> None:
    path = kore_here.issue_url("supersim", SIM)[0].removeprefix(open_receiver.public_url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", open_receiver.port)
    writer.write(head + b"x" * 2000)  # and nothing more of the announced billion
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert status.split()[1] == b"413"


async def test_a_chunked_body_is_limited_too(
    open_receiver: CallbackReceiver, kore_here: Registration
) -> None:
    path = kore_here.issue_url("supersim", SIM)[0].removeprefix(open_receiver.public_url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", open_receiver.port)
    writer.write(head + b"7d0\r\n" + b"x" * 2000 + b"\r\n")
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert status.split()[1] == b"413"


async def test_a_body_that_never_arrives_does_not_hold_its_connection(
    open_receiver: CallbackReceiver, kore_here: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks_web, "BODY_TIMEOUT", 0.01)
    path = kore_here.issue_url("supersim", SIM)[0].removeprefix(open_receiver.public_url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", open_receiver.port)
    writer.write(head.encode() + b"Sim")
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert status.split()[1] == b"408"


async def test_a_malformed_chunked_body_is_rejected(
    open_receiver: CallbackReceiver, kore_here: Registration
) -> None:
    path = kore_here.issue_url("supersim", SIM)[0].removeprefix(open_receiver.public_url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    response = await raw(open_receiver, head, b"zz\r\nSim")
    assert b" 400 " in response.splitlines()[0]


async def test_a_slightly_overlong_body_gets_its_response_after_it_was_sent(
    open_receiver: CallbackReceiver, kore_here: Registration
) -> None:
    url, _ = kore_here.issue_url("supersim", SIM)
    for _ in range(5):
        assert await Sent(method="POST", url=url, body=b"x" * 1_000_000).post() == 413
    assert open_receiver.counts.refused == 5


async def test_a_sender_that_disconnects_early_is_not_counted(
    open_receiver: CallbackReceiver, kore_here: Registration, caplog: pytest.LogCaptureFixture
) -> None:
    path = kore_here.issue_url("supersim", SIM)[0].removeprefix(open_receiver.public_url)
    _, writer = await asyncio.open_connection("127.0.0.1", open_receiver.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    writer.write(head.encode() + b"Sim")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await senders.kore(kore_here.issue_url("supersim", SIM)[0]).post() == 204
    assert (open_receiver.counts.accepted, open_receiver.counts.refused) == (1, 0)
    assert caplog.text == ""


async def test_a_405_lists_the_allowed_methods(
    open_receiver: CallbackReceiver, kore_here: Registration
) -> None:
    path = kore_here.issue_url("supersim", SIM)[0].removeprefix(open_receiver.public_url)
    request = f"DELETE {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    response = await raw(open_receiver, request)
    assert b"405" in response.splitlines()[0]
    assert b"Allow: GET, POST" in response


async def test_an_oversized_header_is_rejected_by_the_web_server(
    open_receiver: CallbackReceiver,
) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"
    response = await raw(open_receiver, request)
    assert response.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """An aiohttp server of the user."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("prefix", ["/hooks", "/v1/hooks", "/hooks/twilio/supersim"])
async def test_the_receiver_mounts_under_a_prefix_of_an_application(
    clock: ManualClock, delivered: list[Callback], prefix: str
) -> None:
    public = "https://example.com" + prefix
    receiver = CallbackReceiver(public, clock=clock, max_body=1000)
    users = web.Application(client_max_size=10)
    users.add_subapp(prefix, receiver.app())
    async with serving(users) as base, receiver:
        twilio = listen(register(receiver, TWILIO), delivered)
        kore = listen(register(receiver, KORE), delivered)
        for sent in (
            senders.twilio(twilio.issue_url("supersim", "a/b é")[0]),
            senders.kore(kore.issue_url("supersim", "a/b é")[0]),
            senders.twilio_get(twilio.issue_url("supersim", "a/b é")[0]),
        ):
            here = base + sent.url.removeprefix("https://example.com")
            assert await sent.post(to=here) == 204
            assert await Sent(method="POST", url=here, body=b"x" * 2000).post() == 413
        assert (
            await Sent(method="GET", url=public.replace("https://example.com", base)).post() == 404
        )
    assert [(one.name, one.signed) for one in delivered] == [("a/b é", True)] * 3


async def test_a_delivery_in_flight_when_the_port_closes_gets_a_response(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = CallbackReceiver(clock=clock)
    await receiver.start()
    registration = register(receiver, TWILIO)
    path = registration.issue_url("supersim", SIM)[0].partition(str(receiver.port))[2]
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na".encode())
    await writer.drain()
    while not asyncio.all_tasks() - {asyncio.current_task()}:  # noqa: ASYNC110  # until the loop starts its task
        await asyncio.sleep(0)
    stopping = asyncio.create_task(receiver.stop())
    await asyncio.sleep(0)
    writer.write(b"b")
    response = await reader.read()
    await stopping
    writer.close()
    await writer.wait_closed()
    assert response.startswith(b"HTTP/1.1 4")
    assert not [one for one in caplog.records if one.name != "asyncsim"]

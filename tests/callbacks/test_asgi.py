"""The receiver as an ASGI application: in FastAPI, over real sockets, and message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest
from attrs import define, evolve, field
from fastapi import FastAPI

from asyncsim.callbacks import Callback, CallbackReceiver, asgi
from asyncsim.callbacks.receiver import Registration
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from asyncsim.errors import ReceiverError
from asyncsim.vendors import KORE, TWILIO
from tests.callbacks import senders
from tests.callbacks.asgi_server import free_socket, served
from tests.callbacks.conftest import listen, register
from tests.callbacks.senders import SIM, Sent

PREFIX = "/hooks/sims"


@define
class Mounted:
    receiver: CallbackReceiver
    twilio: Registration
    kore: Registration
    origin: str
    delivered: list[Callback] = field(factory=list)


@pytest.fixture
async def mounted(clock: ManualClock) -> AsyncIterator[Mounted]:
    with free_socket() as where:
        origin = f"http://127.0.0.1:{where.getsockname()[1]}"
        receiver = CallbackReceiver(origin + PREFIX, clock=clock, max_body=1000)
        app = FastAPI()
        app.mount(PREFIX, receiver.asgi())
        app.add_api_route("/health", lambda: {"ok": True})
        delivered: list[Callback] = []
        twilio, kore = [listen(register(receiver, vendor), delivered) for vendor in (TWILIO, KORE)]
        async with served(app, where):
            yield Mounted(receiver, twilio, kore, origin, delivered)


async def test_callbacks_reach_a_receiver_in_fastapi(mounted: Mounted) -> None:
    assert await senders.twilio(mounted.twilio.issue_url("supersim", SIM)[0]).post() == 204
    assert await senders.twilio_get(mounted.twilio.issue_url("supersim", SIM)[0]).post() == 204
    assert await senders.kore(mounted.kore.issue_url("supersim", SIM)[0]).post() == 204
    assert await senders.kore_get(mounted.kore.issue_url("supersim", SIM)[0]).post() == 204
    assert [(one.status, one.signed) for one in mounted.delivered] == [
        ("active", True), ("active", True), ("active", True), ("active", False),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a b", "a/b", "50%25", "é", "日本/x?y#z", "a+b"])
async def test_encoded_names_pass_fastapi_untouched(mounted: Mounted, name: str) -> None:
    assert await senders.twilio(mounted.twilio.issue_url("supersim", name)[0]).post() == 204
    assert await senders.kore(mounted.kore.issue_url("supersim", name)[0]).post() == 204
    assert [(one.name, one.signed) for one in mounted.delivered] == [(name, True)] * 2


async def test_forged_callbacks_are_rejected_in_fastapi(mounted: Mounted) -> None:
    url, _ = mounted.twilio.issue_url("supersim", SIM)
    assert await senders.twilio(url, secret="wrong").post() == 403
    assert await senders.twilio(url[:-4] + "AAAA").post() == 403
    assert await senders.twilio(mounted.receiver.public_url + "/").post() == 404
    assert await Sent(method="PUT", url=url).post() == 405
    assert mounted.delivered == []
    counts = mounted.receiver.counts
    assert (counts.refused, counts.not_found) == (3, 1)


@pytest.mark.parametrize("size", [2_000, 500_000])
async def test_a_body_beyond_the_limit_is_rejected_in_fastapi(mounted: Mounted, size: int) -> None:
    url, _ = mounted.twilio.issue_url("supersim", SIM)
    try:
        assert await senders.twilio(url, {"Padding": "x" * size}).post() == 413
    except aiohttp.ClientOSError:  # the response came before the whole body had been sent
        assert size > 100_000
    assert mounted.receiver.counts.refused == 1


async def test_the_applications_other_routes_are_unaffected(mounted: Mounted) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(mounted.origin + "/health") as response,
    ):
        assert await response.json() == {"ok": True}


async def test_the_receiver_can_be_the_whole_application(clock: ManualClock) -> None:
    with free_socket() as where:
        receiver = CallbackReceiver(f"http://127.0.0.1:{where.getsockname()[1]}", clock=clock)
        delivered: list[Callback] = []
        registration = listen(register(receiver, TWILIO), delivered)
        async with served(receiver.asgi(), where, lifespan="on"):
            assert await senders.twilio(registration.issue_url("supersim", SIM)[0]).post() == 204
        assert len(delivered) == 1


async def test_a_client_waits_by_callbacks_received_in_fastapi() -> None:
    with free_socket() as where:
        receiver = CallbackReceiver(f"http://127.0.0.1:{where.getsockname()[1]}{PREFIX}")
        app = FastAPI()
        app.mount(PREFIX, receiver.asgi())
        async with (
            served(app, where),
            Emulator(sims=1, speed=1000) as emulator,
            emulator.client(receiver=receiver) as client,
        ):
            (sim,) = await client.supersim.sims.list()
            sim = await client.supersim.sims.update_and_wait(sim.sid, status="active", timeout=60)
            assert sim.status == "active"
        assert receiver.counts.accepted == 1


async def test_a_mounted_receiver_opens_no_port_and_needs_its_public_url() -> None:
    receiver = CallbackReceiver()
    receiver.asgi()
    with pytest.raises(ReceiverError, match="needs a public_url, prefix included"):
        await receiver.start()


# ASGI messages, by the specification.


Message = dict[str, Any]


async def speak(app: asgi.ASGIApp, scope: Message, *messages: Message) -> list[Message]:
    """Send these messages, then block; returns the application's messages."""
    said: list[Any] = []
    left = iter(messages)

    async def receive() -> Any:
        message = next(left, None)
        return message or await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        said.append(message)

    await app(scope, receive, send)
    return said


def http(sent: Sent, **scope: Any) -> dict[str, Any]:
    path, _, query = sent.url.removeprefix("https://example.com").partition("?")
    return {
        "type": "http",
        "method": sent.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in sent.headers.items()],
        **scope,
    }


def status_of(said: list[dict[str, Any]]) -> int:
    status: int = said[0]["status"]
    return status


@pytest.fixture
def sent(twilio: Registration) -> Sent:
    return senders.twilio(twilio.issue_url("supersim", SIM)[0])


async def test_a_body_in_several_messages_is_joined(receiver: CallbackReceiver, sent: Sent) -> None:
    half = len(sent.body) // 2
    pieces: list[Message] = [
        {"type": "http.request", "body": sent.body[:half], "more_body": True},
        {"type": "http.request", "body": sent.body[half:]},
    ]
    said = await speak(receiver.asgi(), http(sent), *pieces)
    assert said == [
        {"type": "http.response.start", "status": 204, "headers": []},
        {"type": "http.response.body", "body": b""},
    ]


async def test_reading_stops_soon_after_the_limit(receiver: CallbackReceiver, sent: Sent) -> None:
    endless: list[Message] = [{"type": "http.request", "body": b"x" * 600, "more_body": True}]
    assert status_of(await speak(receiver.asgi(), http(sent), *endless * 2)) == 413


async def test_a_disconnect_does_not_complete_a_body(
    receiver: CallbackReceiver, sent: Sent
) -> None:
    first = {"type": "http.request", "body": sent.body, "more_body": True}
    said = await speak(receiver.asgi(), http(sent), first, {"type": "http.disconnect"})
    assert status_of(said) == 400
    assert receiver.counts.accepted == 0


async def test_a_body_that_never_ends_times_out(
    receiver: CallbackReceiver, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "BODY_TIMEOUT", 0.0)
    assert status_of(await speak(receiver.asgi(), http(sent))) == 408


@pytest.mark.parametrize(("version", "closes"), [("1.0", True), ("1.1", True), ("2", False)])
async def test_every_rejection_closes_its_connection(
    receiver: CallbackReceiver, sent: Sent, version: str, closes: bool
) -> None:
    body = {"type": "http.request", "body": sent.body}
    forged = http(evolve(sent, url=sent.url + "x"), http_version=version)
    (start, _) = await speak(receiver.asgi(), forged, body)
    assert ((b"connection", b"close") in start["headers"]) == closes
    (start, _) = await speak(receiver.asgi(), http(sent, http_version=version), body)
    assert (start["status"], start["headers"]) == (204, [])


async def test_without_a_valid_ticket_the_body_is_not_read(
    receiver: CallbackReceiver, sent: Sent
) -> None:
    app = receiver.asgi()
    assert status_of(await speak(app, http(evolve(sent, url=sent.url[:-1])))) == 404
    forged = evolve(sent, url=sent.url.replace(SIM, SIM[:-1] + "1"))
    assert status_of(await speak(app, http(forged))) == 403
    sent.headers["content-length"] = "1001"
    assert status_of(await speak(app, http(sent))) == 413
    assert (receiver.counts.refused, receiver.counts.not_found) == (2, 1)


async def test_health_checks_get_a_response_at_the_mount_point(
    receiver: CallbackReceiver, sent: Sent
) -> None:
    for path in ("/hooks/", "/hooks/healthz"):
        scope = http(Sent(method="GET", url="https://example.com" + path))
        assert status_of(await speak(receiver.asgi(), scope)) == 200
    assert (receiver.counts.refused, receiver.counts.not_found) == (0, 0)


async def test_a_405_lists_the_allowed_methods(receiver: CallbackReceiver, sent: Sent) -> None:
    body = {"type": "http.request", "body": b""}
    said = await speak(receiver.asgi(), http(sent, method="PATCH"), body)
    assert status_of(said) == 405
    assert (b"allow", b"GET, POST") in said[0]["headers"]


@pytest.mark.parametrize("raw_path", [None, b"with the query"])
async def test_a_raw_path_that_is_missing_or_includes_the_query_is_accepted(
    receiver: CallbackReceiver, twilio: Registration, raw_path: bytes | None
) -> None:
    sent = senders.twilio_get(twilio.issue_url("supersim", SIM)[0])
    scope = http(sent)
    if raw_path:
        raw_path = scope["raw_path"] + b"?" + scope["query_string"]
    body = {"type": "http.request", "body": b""}
    said = await speak(receiver.asgi(), {**scope, "raw_path": raw_path}, body)
    assert status_of(said) == 204


@pytest.mark.parametrize("name", ["a b", "a/b", "50%25", "é", "日本/x?y#z", "a+b", "..", "%2e"])
async def test_without_a_raw_path_any_name_is_accepted(
    receiver: CallbackReceiver, twilio: Registration, delivered: list[Callback], name: str
) -> None:
    sent = senders.twilio(twilio.issue_url("supersim", name)[0])
    decoded = "/über?#\udcff" + unquote(http(sent)["path"])
    body = {"type": "http.request", "body": sent.body}
    for scope in ({"raw_path": None}, {"raw_path": None, "path": decoded}):
        assert status_of(await speak(receiver.asgi(), http(sent, **scope), body)) == 204
    assert [(one.name, one.signed) for one in delivered] == [(name, True)] * 2


async def test_the_receiver_handles_lifespan_messages(receiver: CallbackReceiver) -> None:
    said = await speak(
        receiver.asgi(),
        {"type": "lifespan"},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert [one["type"] for one in said] == [
        "lifespan.startup.complete", "lifespan.shutdown.complete",
    ]  # fmt: skip


async def test_a_websocket_is_closed(receiver: CallbackReceiver) -> None:
    said = await speak(receiver.asgi(), {"type": "websocket"}, {"type": "websocket.connect"})
    assert [one["type"] for one in said] == ["websocket.close"]

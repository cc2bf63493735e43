from __future__ import annotations

import asyncio
import socket
import traceback
from contextlib import ExitStack

import pytest
from aiohttp import ClientResponseError, ClientSession, DefaultResolver, TCPConnector
from yarl import URL

from asyncsim.clock import ManualClock
from asyncsim.core.settings import Timeout
from asyncsim.errors import (
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    RequestTimeout,
    TransportError,
)
from asyncsim.http.content import FORM, make_body
from asyncsim.http.transport import USER_AGENT, Response, Transport
from tests.http.conftest import Bench
from tests.http.server import CUT, DROP, GARBAGE, HANG, ScriptedResponse, Server

OPERATION = "fetch Sim HS1"
SECRET = "Bearer a-token-that-must-not-be-shown"


async def get(transport: Transport, url: str) -> Response:
    headers = {"Authorization": SECRET}
    return await transport.exchange("GET", URL(url, encoded=True), headers, None, OPERATION)


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def test_bytes_are_sent_unchanged_and_received_whole(bench: Bench, server: Server) -> None:
    server.plan(ScriptedResponse(202, '{"sid": "HS1"}', {"Twilio-Request-Id": "RQ1"}))
    url = URL(f"{server.url}/v1/Sims/a%20b%2Fc?Status=new&PageToken=PA%2B", encoded=True)
    response = await bench.open().exchange(
        "POST",
        url,
        {"Authorization": SECRET, "Content-Type": FORM},
        make_body("Status=active"),
        OPERATION,
    )
    assert (response.status, response.body) == (202, b'{"sid": "HS1"}')
    assert response.headers["twilio-request-id"] == "RQ1"
    [request] = server.received
    assert request.raw_path == "/v1/Sims/a%20b%2Fc?Status=new&PageToken=PA%2B"
    assert (request.method, request.body) == ("POST", "Status=active")
    assert request.headers["Authorization"] == SECRET
    assert request.headers["Content-Type"] == FORM
    assert request.headers["User-Agent"] == USER_AGENT
    assert request.headers["Accept"] == "application/json"


async def test_many_requests_share_one_body(bench: Bench, server: Server) -> None:
    transport, shared = bench.open(), make_body("Status=active")
    posts = [transport.exchange("POST", URL(server.url), {}, shared, OPERATION) for _ in range(10)]
    await asyncio.gather(*posts)
    assert [request.body for request in server.received] == ["Status=active"] * 10


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_response_and_its_target_gets_no_request(
    bench: Bench, server: Server, status: int
) -> None:
    async with Server() as elsewhere:
        server.plan(ScriptedResponse(status, headers={"Location": f"{elsewhere.url}/v1/Sims"}))
        assert (await get(bench.open(), server.url)).status == status
        assert elsewhere.received == []
    assert len(server.received) == 1


async def test_cookies_are_not_kept(bench: Bench, server: Server) -> None:
    server.plan(ScriptedResponse(headers={"Set-Cookie": "lane=slow"}))
    transport = bench.open()
    await get(transport, server.url)
    await get(transport, server.url)
    assert "Cookie" not in server.received[1].headers


async def test_a_response_timeout_names_its_limit(bench: Bench, server: Server) -> None:
    server.plan(HANG)
    with pytest.raises(RequestTimeout) as caught:
        await get(bench.open(timeout=Timeout(request=0.05)), server.url)
    assert str(caught.value) == "fetch Sim HS1: no response within 0.05 s"
    assert caught.value.sent


@pytest.mark.parametrize("how", [DROP, CUT, GARBAGE])
async def test_a_lost_connection_says_that_something_was_sent(
    bench: Bench, server: Server, how: str
) -> None:
    server.plan(how)
    with pytest.raises(ConnectionFailed, match="fetch Sim HS1: connection lost") as caught:
        await get(bench.open(), server.url)
    assert caught.value.sent


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_aiohttp_does_not_retry_on_its_own(bench: Bench, server: Server, method: str) -> None:
    transport = bench.open()
    await get(transport, server.url)
    server.plan(DROP)
    with pytest.raises(ConnectionFailed):
        await transport.exchange(method, URL(server.url), {}, None, OPERATION)
    assert len(server.received) == 2


async def test_the_error_of_a_malformed_response_does_not_carry_the_credential(
    bench: Bench, server: Server
) -> None:
    server.plan(GARBAGE)
    with pytest.raises(ConnectionFailed) as caught:
        await get(bench.open(), server.url)
    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, ClientResponseError)  # its repr shows the request's headers
        assert SECRET not in repr(error) + "".join(traceback.format_exception(error))
        error = error.__cause__ or error.__context__


async def test_a_refused_connection_names_host_and_port_and_that_nothing_was_sent(
    bench: Bench,
) -> None:
    port = unused_port()
    with pytest.raises(ConnectionFailed) as caught:
        await get(bench.open(), f"http://127.0.0.1:{port}/v1/Sims")
    assert not caught.value.sent
    assert f"cannot connect to 127.0.0.1:{port} (Connect" in str(caught.value)
    assert str(caught.value).endswith("; nothing was sent")


async def test_a_host_that_does_not_accept_the_connection_is_a_timeout_with_nothing_sent(
    bench: Bench,
) -> None:
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):  # its backlog is full now, and Linux ignores further connections
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/Sims"
        with pytest.raises(RequestTimeout) as caught:
            await get(bench.open(timeout=Timeout(connect=0.05)), url)
    assert str(caught.value) == "fetch Sim HS1: no connection within 0.05 s; nothing was sent"


async def test_a_host_without_tls_is_a_failed_connection(bench: Bench, server: Server) -> None:
    with pytest.raises(ConnectionFailed, match="cannot connect to") as caught:
        await get(bench.open(), server.url.replace("http:", "https:"))
    assert not caught.value.sent


@pytest.mark.parametrize("url", ["supersim.example/v1/Sims", "http://:0/v1", "nothing://x/v1"])
async def test_an_invalid_base_url_is_a_configuration_error(bench: Bench, url: str) -> None:
    with pytest.raises(ConfigurationError, match="hosts="):
        await get(bench.open(), url)


async def test_the_transports_own_session_is_opened_late_and_closed(
    server: Server, clock: ManualClock
) -> None:
    transport = Transport(None, Timeout(), clock)
    assert transport._session is None
    await get(transport, server.url)
    session = transport._session
    assert session is not None
    await transport.close()
    await transport.close()
    assert session.closed


async def test_after_closing_nothing_is_sent_and_no_session_opened(
    bench: Bench, server: Server
) -> None:
    transport = bench.open()
    await transport.close()
    with pytest.raises(ClientClosed, match="the client was closed; no change had been sent"):
        await get(transport, server.url)
    assert server.received == []


async def test_a_request_in_flight_when_the_client_closes_raises_client_closed(
    bench: Bench, server: Server
) -> None:
    server.plan(HANG, HANG)
    transport = bench.open()
    task = asyncio.create_task(get(transport, server.url))
    await server.arrival()
    await transport.close()
    with pytest.raises(ClientClosed, match="the client was closed") as caught:
        await task
    assert not isinstance(caught.value, TransportError)  # so it is not retried


@pytest.fixture
def hanging_lookup(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Name resolution that hangs; the event is set when it starts."""
    begun = asyncio.Event()

    async def resolve(*_: object, **__: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(DefaultResolver, "resolve", resolve)
    return begun


async def test_a_name_lookup_when_the_client_closes_is_not_a_cancellation(
    bench: Bench, hanging_lookup: asyncio.Event
) -> None:
    transport = bench.open()
    task = asyncio.create_task(get(transport, "http://sims.example.test"))
    await hanging_lookup.wait()
    await transport.close()
    with pytest.raises(ClientClosed, match="the client was closed"):
        await task


async def test_a_request_cancelled_while_the_client_closes_is_cancelled(
    bench: Bench, hanging_lookup: asyncio.Event
) -> None:
    transport = bench.open()
    task = asyncio.create_task(get(transport, "http://sims.example.test"))
    await hanging_lookup.wait()
    task.cancel()
    await transport.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_users_session_is_used_and_stays_open(bench: Bench, server: Server) -> None:
    async with ClientSession(headers={"X-Mine": "1"}, raise_for_status=True) as session:
        server.plan(404)
        transport = bench.open(session=session)
        assert (await get(transport, server.url)).status == 404
        await transport.close()
        assert not session.closed
        assert server.received[0].headers["X-Mine"] == "1"


async def test_a_closed_session_of_the_user_is_named_as_the_cause(
    bench: Bench, server: Server
) -> None:
    session = ClientSession()
    await session.close()
    with pytest.raises(ConfigurationError, match="the session given to this client is closed"):
        await get(bench.open(session=session), server.url)


@pytest.mark.parametrize(
    ("limit", "per_host", "connections"), [(100, 0, 100), (100, 7, 7), (0, 7, 7), (0, 0, 0)]
)
async def test_the_limit_of_the_users_connector_is_known(
    bench: Bench, limit: int, per_host: int, connections: int
) -> None:
    connector = TCPConnector(limit=limit, limit_per_host=per_host)
    async with ClientSession(connector=connector) as session:
        assert bench.open(session=session).max_connections == connections


async def test_the_transports_own_session_has_no_limit_but_the_limiter(bench: Bench) -> None:
    assert bench.open().max_connections == 0


async def test_responses_and_requests_hide_their_secrets(bench: Bench) -> None:
    assert "token" not in repr(Response(200, {}, b'{"access_token": "token"}'))
    request = bench.request(
        "POST", body=make_body("CallbackUrl=https%3A%2F%2Fexample.com%2Fticket")
    )
    assert "ticket" not in repr(request)

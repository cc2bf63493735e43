from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector

from asyncsim.client import Client
from asyncsim.clock import ManualClock
from asyncsim.core.retry import Idempotency
from asyncsim.core.settings import Throttle, Timeout
from asyncsim.errors import (
    APIError,
    AuthenticationError,
    BadRequest,
    ClientClosed,
    Conflict,
    ConnectionFailed,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    QueueTimeout,
    RateLimited,
    RequestTimeout,
    ServerError,
)
from asyncsim.events import LimitChanged, RequestFinished, RequestRetried
from asyncsim.http.auth import BasicAuth
from asyncsim.http.content import make_body
from asyncsim.http.request import Ambiguous
from asyncsim.vendors import Hosts
from tests.http.conftest import PASSWORD, Bench
from tests.http.server import DROP, HANG, Received, ScriptedResponse, Server

SAFE, CHECK, NEVER = Idempotency.SAFE, Idempotency.CHECK_FIRST, Idempotency.UNSAFE
SHORT = Timeout(request=0.2)  # real time; on a busy machine a shorter one ends other attempts, too


# 429: not processed, so always retried, and not counted as an attempt.


@pytest.mark.parametrize("idempotency", Idempotency)
async def test_a_429_does_not_count_as_an_attempt(
    bench: Bench, server: Server, idempotency: Idempotency
) -> None:
    server.plan(*[429] * 5, ScriptedResponse(200, '{"sid": "HS1"}'))
    request = bench.request("POST", idempotency)
    response = await bench.run(bench.sender(attempts=1).send(request))
    assert response.body == b'{"sid": "HS1"}'
    assert server.statuses == [429] * 5 + [200]
    assert not request.in_doubt


async def test_a_429_lowers_the_limit_and_observers_are_notified(
    bench: Bench, server: Server
) -> None:
    server.plan(429, 200)
    await bench.run(bench.sender().send(bench.request()))
    assert [(one.limit, one.in_flight) for one in bench.seen(LimitChanged)] == [(1.0, 0)]


async def test_endless_429s_end_with_the_queue_timeout(bench: Bench, server: Server) -> None:
    server.plan(*[ScriptedResponse(429, {"code": 20429, "message": "too many"})] * 100)
    sender = bench.sender(timeout=Timeout(queue=60.0))
    error = await bench.fails(sender.send(bench.request()), QueueTimeout)
    assert str(error) == (
        "fetch Sim HS1: no slot was free within 60 s, nothing was sent;"
        " send fewer at once or raise Timeout(queue=...)"
    )
    assert isinstance(error.__cause__, RateLimited)
    assert bench.clock.now() == 60.0
    assert bench.limiter.limit.in_flight == 0


async def test_a_retry_after_of_0_causes_no_flood_of_429s(bench: Bench, server: Server) -> None:
    server.plan(*[ScriptedResponse(429, headers={"Retry-After": "0"})] * 1000)
    sender = bench.sender(timeout=Timeout(queue=60.0))
    await bench.fails(sender.send(bench.request()), QueueTimeout)
    assert len(server.received) < 12


async def test_retry_after_of_a_429_pauses_all_requests(bench: Bench, server: Server) -> None:
    server.plan(ScriptedResponse(429, headers={"Retry-After": "20"}))
    sender = bench.sender()
    first = asyncio.create_task(sender.send(bench.request()))
    await bench.clock.advance(1)
    second = asyncio.create_task(sender.send(bench.request()))
    await bench.clock.advance(18.9)
    assert len(server.received) == 1
    await bench.clock.advance(0.2)
    await bench.run(asyncio.gather(first, second))
    assert len(server.received) == 3


async def test_a_slot_is_not_held_during_a_pause(bench: Bench, server: Server) -> None:
    server.plan(ScriptedResponse(503, headers={"Retry-After": "5"}))
    sender = bench.sender(throttle=Throttle(limit=1, maximum=1))
    paused = asyncio.create_task(sender.send(bench.request()))
    await bench.clock.settle()
    assert bench.limiter.limit.in_flight == 0
    await sender.send(bench.request())  # no time has to pass for this one
    await bench.run(paused)


# Failures, by what is retried.


@pytest.mark.parametrize("failure", [500, 502, 503, 504, DROP, HANG])
async def test_a_safe_request_is_retried(bench: Bench, server: Server, failure: int | str) -> None:
    server.plan(failure, failure, 200)
    request = bench.request()
    await bench.run(bench.sender(timeout=SHORT).send(request))
    assert server.statuses[-1] == 200
    assert (request.attempts, request.in_doubt) == (3, True)


@pytest.mark.parametrize(
    ("failure", "kind"), [(503, ServerError), (DROP, ConnectionFailed), (HANG, RequestTimeout)]
)
async def test_after_the_last_attempt_the_last_failure_is_raised(
    bench: Bench, server: Server, failure: int | str, kind: type[Exception]
) -> None:
    server.plan(*[failure] * 9)
    request = bench.request()
    error = await bench.fails(bench.sender(timeout=SHORT, attempts=3).send(request), kind)
    assert str(error).startswith("fetch Sim HS1: ")
    assert request.attempts == 3
    assert bench.limiter.limit.in_flight == 0


@pytest.mark.parametrize(
    ("failure", "kind"), [(500, ServerError), (DROP, ConnectionFailed), (HANG, RequestTimeout)]
)
async def test_a_desired_state_is_not_resent_without_a_read(
    bench: Bench, server: Server, failure: int | str, kind: type[Exception]
) -> None:
    server.plan(failure)
    request = bench.request("POST", CHECK, body=make_body("Status=active"))
    error = await bench.fails(bench.sender(timeout=SHORT).send(request), Ambiguous)
    assert isinstance(error.error, kind)
    assert len(server.received) == 1


@pytest.mark.parametrize("failure", [500, DROP, HANG])
async def test_a_create_is_never_resent_blindly(
    bench: Bench, server: Server, failure: int | str
) -> None:
    server.plan(failure)
    request = bench.request("POST", NEVER, look="list the Commands of this SIM to see")
    error = await bench.fails(bench.sender(timeout=SHORT).send(request), OutcomeUnknown)
    assert str(error) == (
        "update Sim HS1: sent, but no readable response came; list the Commands of this SIM to see"
    )
    assert error.__cause__ is not None
    assert len(server.received) == 1


@pytest.mark.parametrize("idempotency", Idempotency)
async def test_a_refused_connection_is_retried_because_nothing_was_sent(
    bench: Bench, idempotency: Idempotency
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sender = bench.sender(base=8.0)
    request = bench.request("POST", idempotency, base=f"http://127.0.0.1:{port}")
    task = asyncio.create_task(sender.send(request))
    while not bench.seen(RequestRetried):
        await bench.clock.settle()
    assert "nothing was sent" in bench.seen(RequestRetried)[0].reason
    async with Server(port) as server:
        await bench.run(task)
        await bench.transport.close()
    assert len(server.received) == 1
    assert not request.in_doubt


async def test_a_server_that_stays_down_is_named(bench: Bench) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{free.getsockname()[1]}"
    error = await bench.fails(
        bench.sender().send(bench.request("POST", NEVER, base=base)), ConnectionFailed
    )
    assert not error.sent
    assert len(bench.seen(RequestFinished)) == 3
    assert {one.status for one in bench.seen(RequestFinished)} == {None}


async def test_retry_after_of_a_503_is_honoured(bench: Bench, server: Server) -> None:
    server.plan(ScriptedResponse(503, headers={"Retry-After": "12"}), 200)
    await bench.run(bench.sender().send(bench.request()))
    assert bench.clock.now() >= 12
    assert bench.seen(RequestRetried)[0].delay == 12


async def test_pauses_after_failures_stay_below_their_growing_bounds(
    bench: Bench, server: Server
) -> None:
    server.plan(*[500] * 5, 200)
    await bench.run(bench.sender(attempts=6, base=1.0).send(bench.request()))
    delays = [one.delay for one in bench.seen(RequestRetried)]
    assert len(delays) == 5
    assert all(0 <= delay <= 2.0**n for n, delay in enumerate(delays))


# Deadlines are separate.


async def test_time_in_the_queue_does_not_count_against_the_request_timeout(
    bench: Bench, server: Server
) -> None:
    server.plan(HANG, 200)
    sender = bench.sender(timeout=Timeout(request=0.2), throttle=Throttle(limit=1, maximum=1))
    first = asyncio.create_task(sender.send(bench.request("POST", CHECK)))
    await server.arrival()
    second = asyncio.create_task(sender.send(bench.request()))
    await bench.fails(first, Ambiguous)
    await bench.run(second)


async def test_failures_and_their_pauses_do_not_count_against_the_queue_timeout(
    bench: Bench, server: Server
) -> None:
    server.plan(*[ScriptedResponse(503, headers={"Retry-After": "50"})] * 3, 429, 200)
    sender = bench.sender(attempts=6, timeout=Timeout(queue=5.0))
    await bench.run(sender.send(bench.request()))
    assert bench.clock.now() >= 150


class SlowLogin(BasicAuth):
    """A login that takes a minute, as one at an overloaded token endpoint does."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__("AC1", PASSWORD)
        self._clock = clock
        self._obtained = False

    def current(self) -> tuple[str, int] | None:  # type: ignore[override]  # as Auth has it
        return super().current() if self._obtained else None

    async def obtain(self, latest: float) -> None:
        await self._clock.sleep(60.0)
        self._obtained = True


async def test_waiting_for_a_login_does_not_count_against_the_queue_timeout(
    bench: Bench, server: Server
) -> None:
    sender = bench.sender(timeout=Timeout(queue=30.0), auth=lambda _: SlowLogin(bench.clock))
    assert bench.limiter.try_acquire()
    bench.limiter.throttled(80.0)
    await bench.run(sender.send(bench.request()))
    assert bench.clock.now() >= 80.0


async def test_a_request_that_gets_no_slot_in_time_was_not_sent(
    bench: Bench, server: Server
) -> None:
    sender = bench.sender(timeout=Timeout(queue=5.0), throttle=Throttle(limit=1, maximum=1))
    assert bench.limiter.try_acquire()
    request = bench.request()
    error = await bench.fails(sender.send(request), QueueTimeout)
    assert isinstance(error, TimeoutError)
    assert bench.clock.now() == 5.0
    assert (server.received, request.attempts) == ([], 0)


async def test_a_retry_that_gets_no_slot_reports_that_something_was_sent(
    bench: Bench, server: Server
) -> None:
    server.plan(503, *[429] * 99)
    sender = bench.sender(timeout=Timeout(queue=60.0))
    error = await bench.fails(sender.send(bench.request()), QueueTimeout)
    assert error.sent
    assert "an earlier attempt may have been carried out" in str(error)


async def test_urgent_requests_overtake(bench: Bench, server: Server) -> None:
    sender = bench.sender(throttle=Throttle(limit=1, maximum=1))
    assert bench.limiter.try_acquire()
    tasks = [asyncio.create_task(sender.send(bench.request(query=f"N={n}"))) for n in range(3)]
    await bench.clock.settle()
    tasks.append(asyncio.create_task(sender.send(bench.request(query="N=sweep", urgent=True))))
    await bench.clock.settle()
    bench.limiter.release()
    await bench.run(asyncio.gather(*tasks))
    paths = [one.raw_path.partition("=")[2] for one in server.received]
    assert paths == ["sweep", "0", "1", "2"]


# Cancelling and halting.


async def test_a_cancelled_request_gives_its_slot_back(bench: Bench, server: Server) -> None:
    server.plan(HANG, 200)
    sender = bench.sender(throttle=Throttle(limit=1, maximum=1))
    task = asyncio.create_task(sender.send(bench.request()))
    await server.arrival()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.limiter.limit.in_flight == 0
    await sender.send(bench.request())


async def test_a_request_cancelled_in_its_pause_holds_no_slot(bench: Bench, server: Server) -> None:
    server.plan(503)
    task = asyncio.create_task(bench.sender(base=1e3).send(bench.request()))
    await bench.clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.limiter.limit.in_flight == 0


@pytest.mark.parametrize(
    ("failure", "idempotency", "kind"),
    [
        (429, SAFE, RateLimited),
        (503, SAFE, ServerError),
        (503, CHECK, ServerError),
        (503, NEVER, OutcomeUnknown),
        (400, SAFE, BadRequest),
    ],
)
async def test_a_halted_request_gets_its_response_and_is_not_retried(
    bench: Bench, server: Server, failure: int, idempotency: Idempotency, kind: type[Exception]
) -> None:
    request = bench.request("POST", idempotency)

    async def halt(_: Received) -> ScriptedResponse:
        assert request.in_flight
        request.halted = True
        return ScriptedResponse(failure)

    server.otherwise = halt
    await bench.fails(bench.sender().send(request), kind)
    assert len(server.received) == 1
    assert not request.in_flight


async def test_a_request_halted_in_its_pause_is_not_retried(bench: Bench, server: Server) -> None:
    server.plan(ScriptedResponse(503, headers={"Retry-After": "9"}))
    request = bench.request()
    task = asyncio.create_task(bench.sender().send(request))
    await bench.clock.settle()
    request.halted = True
    await bench.fails(task, ServerError)
    assert len(server.received) == 1


@pytest.mark.parametrize("held_up", [ScriptedResponse(503, headers={"Retry-After": "9"}), 429])
async def test_a_request_waiting_when_the_client_closes_is_not_sent(
    bench: Bench, server: Server, held_up: ScriptedResponse | int
) -> None:
    server.plan(held_up)
    task = asyncio.create_task(bench.sender().send(bench.request()))
    await bench.clock.settle()
    await bench.transport.close()
    await bench.fails(task, ClientClosed)
    assert len(server.received) == 1
    assert bench.limiter.limit.in_flight == 0


@pytest.mark.parametrize("held_up", [ScriptedResponse(503, headers={"Retry-After": "300"}), 429])
async def test_a_pausing_or_queued_request_fails_at_once_when_the_client_closes(
    bench: Bench, server: Server, held_up: ScriptedResponse | int
) -> None:
    server.plan(held_up)
    sender = bench.sender()
    task = asyncio.create_task(sender.send(bench.request()))
    await server.arrival()
    await bench.clock.settle()
    await sender.close()
    await bench.clock.settle()
    assert task.done()
    with pytest.raises(ClientClosed, match="the client was closed"):
        await task
    assert (bench.clock.next_timer, bench.limiter.limit.in_flight) == (None, 0)


async def test_closing_one_client_rejects_no_requests_of_another(bench: Bench) -> None:
    sender = bench.sender(throttle=Throttle(limit=1, maximum=1))
    assert bench.limiter.try_acquire()
    ours = asyncio.create_task(sender.send(bench.request()))
    others = asyncio.create_task(bench.limiter.acquire(1000.0))
    await bench.clock.settle()
    await sender.close()
    await bench.clock.settle()
    assert (ours.done(), others.done()) == (True, False)
    with pytest.raises(ClientClosed, match="the client was closed"):
        await ours
    bench.limiter.release()
    await others


# Errors.


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (301, None, BadRequest),
        (400, 83007, BadRequest),
        (401, 20003, AuthenticationError),
        (403, 20006, PermissionDenied),
        (404, 20404, NotFound),
        (405, 20004, BadRequest),
        (409, None, Conflict),
        (400, 33010, Conflict),
        (400, 83009, Conflict),
        (400, 83010, BadRequest),
        (422, None, BadRequest),
        (500, 20500, ServerError),
    ],
)
async def test_an_error_response_becomes_an_error_with_all_that_the_vendor_said(
    bench: Bench, server: Server, status: int, code: int | None, kind: type[APIError]
) -> None:
    body = {"code": code, "message": "no", "more_info": "https://example.com/e", "status": status}
    server.plan(ScriptedResponse(status, body, {"Twilio-Request-Id": "RQ7"}))
    error = await bench.fails(bench.sender(attempts=1).send(bench.request()), kind)
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, code, "no")
    assert (error.more_info, error.request_id) == ("https://example.com/e", "RQ7")
    assert str(error).startswith(f"fetch Sim HS1: no (HTTP {status}")
    assert "RQ7" in str(error)
    assert len(server.received) == 1


async def test_a_body_that_is_no_error_envelope_is_shown_shortened(
    bench: Bench, server: Server
) -> None:
    server.plan(ScriptedResponse(400, "<html>" + "x" * 9999))
    error = await bench.fails(bench.sender().send(bench.request()), BadRequest)
    assert error.code is None
    assert "<html>" in str(error)
    assert len(str(error)) < 500


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_success(bench: Bench, server: Server, status: int) -> None:
    server.plan(ScriptedResponse(status, ""))
    response = await bench.run(bench.sender().send(bench.request()))
    assert response.status == status


async def test_a_request_is_authenticated_and_form_encoded(bench: Bench, server: Server) -> None:
    await bench.run(
        bench.sender().send(bench.request("POST", CHECK, body=make_body("Status=active")))
    )
    await bench.run(bench.sender().send(bench.request()))
    post, get = server.received
    assert post.body == "Status=active"
    assert post.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert post.headers["Authorization"].startswith("Basic ")
    assert "Content-Type" not in get.headers


# Events.


async def test_observers_are_notified_of_every_request_and_retry(
    bench: Bench, server: Server
) -> None:
    server.plan(503, 429, 200)
    await bench.run(bench.sender().send(bench.request()))
    finished = bench.seen(RequestFinished)
    assert [one.status for one in finished] == [503, 429, 200]
    assert [one.attempt for one in finished] == [1, 2, 3]
    assert {(one.method, one.product, one.path) for one in finished} == {
        ("GET", "supersim", "/v1/Sims/HS1")
    }
    assert [one.attempt for one in bench.seen(RequestRetried)] == [1, 2]
    assert "HTTP 503" in bench.seen(RequestRetried)[0].reason


async def test_no_event_and_no_error_shows_the_password(bench: Bench, server: Server) -> None:
    server.plan(401)
    sender = bench.sender()
    error = await bench.fails(sender.send(bench.request()), AuthenticationError)
    header = server.received[0].headers["Authorization"]
    for shown in (*map(repr, bench.events), repr(error), str(error), repr(sender)):
        assert PASSWORD not in shown
        assert header.removeprefix("Basic ") not in shown


# Sessions of others, through the whole client.


async def test_the_limit_of_the_users_connector_caps_the_throttle(server: Server) -> None:
    async def slowly(_: Received) -> ScriptedResponse:
        for _turn in range(20):  # others may arrive meanwhile
            await asyncio.sleep(0)
        return ScriptedResponse(200, {"sid": "HS" + "1" * 32, "status": "new"})

    server.otherwise = slowly
    async with ClientSession(connector=TCPConnector(limit=4)) as session:
        hosts = Hosts(supersim=server.url)
        async with Client.twilio("AC1", "x", session=session, hosts=hosts) as client:
            sims = client.supersim.sims
            await asyncio.gather(*(sims.fetch("HS" + "1" * 32) for _ in range(40)))
        assert not session.closed
    assert 1 < server.most_in_flight <= 4


async def test_clients_that_share_a_throttle_share_one_limit(
    server: Server, clock: ManualClock
) -> None:
    throttle = Throttle(limit=1, maximum=1)
    shared: dict[str, Any] = {
        "throttle": throttle,
        "hosts": Hosts(supersim=server.url),
        "clock": clock,
    }
    server.plan(*[ScriptedResponse(200, {"sid": "HS" + "1" * 32, "status": "new"})] * 20)
    async with (
        Client.twilio("AC1", "x", **shared) as one,
        Client.twilio("AC1", "x", **shared) as two,
    ):
        await asyncio.gather(
            *(client.supersim.sims.fetch("HS" + "1" * 32) for client in (one, two) * 10)
        )
    assert server.most_in_flight == 1
    assert len(server.received) == 20

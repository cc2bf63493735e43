"""A desired state is written once, whichever response is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from asyncsim.core.goal import Goal
from asyncsim.core.retry import Idempotency
from asyncsim.core.settings import Timeout
from asyncsim.errors import (
    APIError,
    BadRequest,
    Conflict,
    ConnectionFailed,
    DecodeError,
    NotFound,
    QueueTimeout,
    ServerError,
)
from asyncsim.events import RequestRetried
from asyncsim.http.content import make_body
from asyncsim.http.reconcile import WriteResult, write
from asyncsim.http.request import Request
from asyncsim.http.transport import Response
from asyncsim.models.supersim.sims import Sim
from asyncsim.vendors import TWILIO
from asyncsim.wire import json, records
from tests.core.records import HS, supersim_goal
from tests.http.conftest import Bench
from tests.http.server import DROP, HANG, Received, ScriptedResponse, Server

ACTIVE = supersim_goal(status="active")


def sim(status: str) -> ScriptedResponse:
    return ScriptedResponse(200, {"sid": HS, "status": status})


def problem(code: int, status: int = 400) -> ScriptedResponse:
    return ScriptedResponse(status, {"code": code, "message": "no", "status": status})


class Api:
    """A vendor's API with one list of responses for POSTs and one for reads."""

    def __init__(
        self, server: Server, posts: Sequence[ScriptedResponse], reads: Sequence[ScriptedResponse]
    ) -> None:
        self.responses = {"POST": list(posts), "GET": list(reads)}
        self.server = server
        server.otherwise = self.respond

    async def respond(self, request: Received) -> ScriptedResponse:
        return self.responses[request.method].pop(0)

    @property
    def methods(self) -> list[str]:
        return [one.method for one in self.server.received]


class Writer:
    """Writes `status=active` for one SIM."""

    def __init__(self, bench: Bench, attempts: int = 3, **more: Any) -> None:
        self.bench = bench
        self.attempts = attempts
        self.sender = bench.sender(attempts=attempts, **more)
        self.request: Request = bench.request(
            "POST", Idempotency.CHECK_FIRST, body=make_body("Status=active")
        )

    async def write(self, target: Goal = ACTIVE) -> WriteResult[Sim]:
        return await self.bench.run(
            write(
                self.sender,
                self.request,
                target,
                decode=decode,
                read=self.read,
                attempts=self.attempts,
            )
        )

    async def read(self) -> Sim:
        return decode(await self.sender.send(self.bench.request(urgent=True)))


def decode(response: Response) -> Sim:
    if response.body.startswith(b"<"):
        raise DecodeError("Sim", "not JSON")
    return records.decode(Sim, json.loads(response.body), TWILIO)


# Sent once, with a response.


@pytest.mark.parametrize("status", ["scheduled", "active"])
async def test_a_response_is_returned_without_a_read(
    bench: Bench, server: Server, status: str
) -> None:
    api = Api(server, [sim(status)], [])
    written = await Writer(bench).write()
    assert (written.record.status, written.recovered) == (status, False)
    assert api.methods == ["POST"]


async def test_a_rejection_is_raised_without_a_read(bench: Bench, server: Server) -> None:
    api = Api(server, [problem(83007)], [])
    with pytest.raises(BadRequest, match="update Sim HS1: no"):
        await Writer(bench).write()
    assert api.methods == ["POST"]


# The response was lost.


@pytest.mark.parametrize(
    "lost", [ScriptedResponse(DROP), ScriptedResponse(500), ScriptedResponse(504)]
)
@pytest.mark.parametrize("status", ["scheduled", "active"])
async def test_a_change_that_was_carried_out_is_not_resent(
    bench: Bench, server: Server, lost: ScriptedResponse, status: str
) -> None:
    api = Api(server, [lost], [sim(status)])
    written = await Writer(bench).write()
    assert (written.record.status, written.recovered) == (status, True)
    assert api.methods == ["POST", "GET"]


async def test_after_an_unreadable_response_the_sim_is_read(bench: Bench, server: Server) -> None:
    api = Api(server, [ScriptedResponse(200, "<html>")], [sim("scheduled")])
    written = await Writer(bench).write()
    assert (written.record.status, written.recovered) == ("scheduled", True)
    assert api.methods == ["POST", "GET"]


async def test_a_change_that_was_not_carried_out_is_resent(bench: Bench, server: Server) -> None:
    api = Api(server, [ScriptedResponse(DROP), sim("scheduled")], [sim("new")])
    writer = Writer(bench)
    written = await writer.write()
    assert (written.record.status, written.recovered) == ("scheduled", False)
    assert api.methods == ["POST", "GET", "POST"]
    assert writer.request.attempts == 2


async def test_a_sim_that_has_moved_past_the_target_by_itself_was_written(
    bench: Bench, server: Server
) -> None:
    api = Api(server, [ScriptedResponse(DROP)], [sim("active")])
    assert (await Writer(bench).write(supersim_goal(status="ready"))).recovered
    api.responses = {"POST": [ScriptedResponse(DROP)], "GET": [sim("ready")]}
    assert (await Writer(bench).write(supersim_goal("active", status="ready"))).recovered


async def test_a_change_that_no_read_can_show_is_resent(bench: Bench, server: Server) -> None:
    api = Api(server, [ScriptedResponse(DROP), sim("active")], [sim("active")])
    written = await Writer(bench).write(supersim_goal(callback_url="https://example.com/hook"))
    assert not written.recovered
    assert api.methods == ["POST", "GET", "POST"]


@pytest.mark.parametrize(
    ("lost", "kind"),
    [(ScriptedResponse(DROP), ConnectionFailed), (ScriptedResponse(502), ServerError)],
)
async def test_after_the_last_attempt_the_failure_is_raised(
    bench: Bench, server: Server, lost: ScriptedResponse, kind: type[Exception]
) -> None:
    api = Api(server, [lost] * 3, [sim("new")] * 3)
    with pytest.raises(kind, match="update Sim HS1"):
        await Writer(bench, attempts=3).write()
    assert api.methods == ["POST", "GET"] * 3


@pytest.mark.parametrize("attempts", [1, 3])
async def test_the_sim_is_read_after_the_last_attempt_too(
    bench: Bench, server: Server, attempts: int
) -> None:
    api = Api(
        server, [ScriptedResponse(DROP)] * attempts, [sim("new")] * (attempts - 1) + [sim("active")]
    )
    assert (await Writer(bench, attempts=attempts).write()).recovered
    assert api.methods == ["POST", "GET"] * attempts


async def test_without_retries_a_lost_response_is_raised_if_the_change_is_not_visible(
    bench: Bench, server: Server
) -> None:
    api = Api(server, [ScriptedResponse(503)], [sim("new")])
    with pytest.raises(ServerError):
        await Writer(bench, attempts=1).write()
    assert api.methods == ["POST", "GET"]


async def test_the_read_waits_for_retry_after(bench: Bench, server: Server) -> None:
    Api(server, [ScriptedResponse(503, headers={"Retry-After": "40"})], [sim("scheduled")])
    await Writer(bench).write()
    assert bench.clock.now() >= 40
    assert bench.seen(RequestRetried)[0].delay == 40


async def test_a_request_halted_while_in_flight_is_neither_read_back_nor_resent(
    bench: Bench, server: Server
) -> None:
    writer = Writer(bench)

    async def halt(_: Received) -> ScriptedResponse:
        writer.request.halted = True
        return ScriptedResponse(DROP)

    server.otherwise = halt
    with pytest.raises(ConnectionFailed):
        await writer.write()
    assert len(server.received) == 1


async def test_a_request_halted_in_the_pause_is_not_read_back(bench: Bench, server: Server) -> None:
    api = Api(server, [ScriptedResponse(503, headers={"Retry-After": "40"})], [])
    writer = Writer(bench)
    bench.clock.call_at(20.0, lambda: setattr(writer.request, "halted", True))
    with pytest.raises(ServerError):
        await writer.write()
    assert api.methods == ["POST"]


async def test_a_request_halted_during_the_read_is_not_resent(bench: Bench, server: Server) -> None:
    writer = Writer(bench)

    async def halt() -> Sim:
        writer.request.halted = True
        return decode(Response(200, {}, b'{"sid": "HS1", "status": "new"}'))

    api = Api(server, [ScriptedResponse(DROP)], [])
    with pytest.raises(ConnectionFailed):
        await bench.run(
            write(writer.sender, writer.request, ACTIVE, decode=decode, read=halt, attempts=3)
        )
    assert api.methods == ["POST"]


# The read fails too.


@pytest.mark.parametrize("reads", [[ScriptedResponse(503)] * 3, [ScriptedResponse(DROP)] * 9])
async def test_when_the_read_fails_the_error_of_the_write_is_raised(
    bench: Bench, server: Server, reads: list[ScriptedResponse]
) -> None:
    Api(server, [ScriptedResponse(504)], reads)
    with pytest.raises(ServerError, match="update Sim HS1") as caught:
        await Writer(bench).write()
    assert caught.value.status == 504
    assert str(caught.value.__cause__).startswith("fetch Sim HS1")


async def test_when_the_read_gets_no_slot_the_error_of_the_write_is_raised(
    bench: Bench, server: Server
) -> None:
    writer = Writer(bench)

    async def no_slot() -> Sim:
        raise QueueTimeout("fetch Sim HS1", 600.0)

    Api(server, [ScriptedResponse(504)], [])
    with pytest.raises(ServerError) as caught:
        await bench.run(
            write(writer.sender, writer.request, ACTIVE, decode=decode, read=no_slot, attempts=3)
        )
    assert isinstance(caught.value.__cause__, QueueTimeout)


async def test_a_missing_sim_found_by_the_read_is_not_found(bench: Bench, server: Server) -> None:
    Api(server, [ScriptedResponse(504)], [problem(20404, 404)])
    with pytest.raises(NotFound, match="fetch Sim HS1"):
        await Writer(bench).write()


async def test_a_move_of_a_sim_that_the_read_misses_is_resent(bench: Bench, server: Server) -> None:
    api = Api(server, [ScriptedResponse(504), sim("new")], [problem(20404, 404)])
    written = await Writer(bench).write(supersim_goal(account_sid="AC" + "2" * 32))
    assert written.record.status == "new"
    assert api.methods == ["POST", "GET", "POST"]


async def test_a_rejected_move_of_a_missing_sim_is_raised(bench: Bench, server: Server) -> None:
    Api(server, [ScriptedResponse(504), problem(83010)], [problem(20404, 404)] * 2)
    with pytest.raises(BadRequest, match="update Sim HS1"):
        await Writer(bench).write(supersim_goal(account_sid="AC" + "2" * 32))


async def test_an_unreadable_response_is_a_decode_error(bench: Bench, server: Server) -> None:
    Api(server, [ScriptedResponse(200, {"status": "active"})], [])
    with pytest.raises(DecodeError):
        await Writer(bench).write()


# Conflicts.

BUSY = [problem(33010, 409), problem(83009), ScriptedResponse(409), problem(83010)]


@pytest.mark.parametrize("busy", BUSY)
async def test_a_change_already_in_progress_is_a_conflict(
    bench: Bench, server: Server, busy: ScriptedResponse
) -> None:
    api = Api(server, [busy], [sim("scheduled")])
    with pytest.raises(Conflict) as caught:
        await Writer(bench).write()
    assert caught.value.status == busy.status
    assert "wait with await_transition()" in str(caught.value)
    assert api.methods == ["POST", "GET"]


@pytest.mark.parametrize(
    ("busy", "kind"), [(problem(83010), BadRequest), (problem(33010, 409), Conflict)]
)
async def test_with_no_change_in_progress_the_rejection_is_raised(
    bench: Bench, server: Server, busy: ScriptedResponse, kind: type[APIError]
) -> None:
    api = Api(server, [busy], [sim("inactive")])
    with pytest.raises(kind) as caught:
        await Writer(bench).write()
    assert type(caught.value) is kind
    assert api.methods == ["POST", "GET"]


@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize("status", ["scheduled", "active"])
async def test_a_conflict_after_a_lost_response_is_with_our_own_change(
    bench: Bench, server: Server, busy: ScriptedResponse, status: str
) -> None:
    # The first read was stale.
    api = Api(server, [ScriptedResponse(DROP), busy], [sim("new"), sim(status)])
    written = await Writer(bench).write()
    assert (written.record.status, written.recovered) == (status, True)
    assert api.methods == ["POST", "GET", "POST", "GET"]


async def test_an_illegal_transition_after_a_lost_response_may_be_due_to_our_own_change(
    bench: Bench, server: Server
) -> None:
    Api(server, [ScriptedResponse(DROP), problem(33105)], [sim("new"), sim("active")])
    assert (await Writer(bench).write()).recovered


async def test_a_rejection_after_a_lost_response_is_raised_if_the_sim_has_another_status(
    bench: Bench, server: Server
) -> None:
    Api(server, [ScriptedResponse(DROP), problem(83007)], [sim("new"), sim("new")])
    with pytest.raises(BadRequest, match="83007"):
        await Writer(bench).write()


async def test_when_the_read_after_a_conflict_fails_the_conflict_is_raised(
    bench: Bench, server: Server
) -> None:
    Api(server, [problem(33010, 409)], [ScriptedResponse(503)] * 3)
    with pytest.raises(Conflict) as caught:
        await Writer(bench).write()
    assert isinstance(caught.value.__cause__, ServerError)


async def test_a_request_that_times_out_is_a_lost_response(bench: Bench, server: Server) -> None:
    Api(server, [ScriptedResponse(HANG)], [sim("scheduled")])
    assert (await Writer(bench, timeout=Timeout(request=0.1)).write()).recovered
    assert bench.seen(RequestRetried)[0].reason == "update Sim HS1: no response within 0.1 s"

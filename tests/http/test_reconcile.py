"""A desired state is written once, whatever gets lost."""

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


class Desk:
    """A vendor's desk: POSTs and reads are answered from lists of their own."""

    def __init__(
        self, server: Server, posts: Sequence[ScriptedResponse], reads: Sequence[ScriptedResponse]
    ) -> None:
        self.answers = {"POST": list(posts), "GET": list(reads)}
        self.server = server
        server.otherwise = self.answer

    async def answer(self, request: Received) -> ScriptedResponse:
        return self.answers[request.method].pop(0)

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

    async def write(self, goal: Goal = ACTIVE) -> WriteResult[Sim]:
        return await self.bench.run(
            write(
                self.sender,
                self.request,
                goal,
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


# Sent once, answered once.


@pytest.mark.parametrize("status", ["scheduled", "active"])
async def test_an_answer_is_the_answer(bench: Bench, server: Server, status: str) -> None:
    desk = Desk(server, [sim(status)], [])
    written = await Writer(bench).write()
    assert (written.record.status, written.recovered) == (status, False)
    assert desk.methods == ["POST"]


async def test_a_refusal_is_raised_without_a_look(bench: Bench, server: Server) -> None:
    desk = Desk(server, [problem(83007)], [])
    with pytest.raises(BadRequest, match="update Sim HS1: no"):
        await Writer(bench).write()
    assert desk.methods == ["POST"]


# The answer got lost.


@pytest.mark.parametrize(
    "lost", [ScriptedResponse(DROP), ScriptedResponse(500), ScriptedResponse(504)]
)
@pytest.mark.parametrize("status", ["scheduled", "active"])
async def test_what_was_carried_out_all_the_same_is_not_sent_again(
    bench: Bench, server: Server, lost: ScriptedResponse, status: str
) -> None:
    desk = Desk(server, [lost], [sim(status)])
    written = await Writer(bench).write()
    assert (written.record.status, written.recovered) == (status, True)
    assert desk.methods == ["POST", "GET"]


async def test_an_answer_that_cannot_be_read_is_looked_for(bench: Bench, server: Server) -> None:
    desk = Desk(server, [ScriptedResponse(200, "<html>")], [sim("scheduled")])
    written = await Writer(bench).write()
    assert (written.record.status, written.recovered) == ("scheduled", True)
    assert desk.methods == ["POST", "GET"]


async def test_what_was_not_carried_out_is_sent_again(bench: Bench, server: Server) -> None:
    desk = Desk(server, [ScriptedResponse(DROP), sim("scheduled")], [sim("new")])
    writer = Writer(bench)
    written = await writer.write()
    assert (written.record.status, written.recovered) == ("scheduled", False)
    assert desk.methods == ["POST", "GET", "POST"]
    assert writer.request.attempts == 2


async def test_a_sim_that_has_gone_on_to_what_follows_by_itself_was_written(
    bench: Bench, server: Server
) -> None:
    desk = Desk(server, [ScriptedResponse(DROP)], [sim("active")])
    assert (await Writer(bench).write(supersim_goal(status="ready"))).recovered
    desk.answers = {"POST": [ScriptedResponse(DROP)], "GET": [sim("ready")]}
    assert (await Writer(bench).write(supersim_goal("active", status="ready"))).recovered


async def test_what_no_read_can_show_is_sent_again(bench: Bench, server: Server) -> None:
    desk = Desk(server, [ScriptedResponse(DROP), sim("active")], [sim("active")])
    written = await Writer(bench).write(supersim_goal(callback_url="https://example.com/hook"))
    assert not written.recovered
    assert desk.methods == ["POST", "GET", "POST"]


@pytest.mark.parametrize(
    ("lost", "kind"),
    [(ScriptedResponse(DROP), ConnectionFailed), (ScriptedResponse(502), ServerError)],
)
async def test_when_the_attempts_are_used_up_the_failure_is_raised(
    bench: Bench, server: Server, lost: ScriptedResponse, kind: type[Exception]
) -> None:
    desk = Desk(server, [lost] * 3, [sim("new")] * 3)
    with pytest.raises(kind, match="update Sim HS1"):
        await Writer(bench, attempts=3).write()
    assert desk.methods == ["POST", "GET"] * 3


@pytest.mark.parametrize("attempts", [1, 3])
async def test_the_last_attempt_is_looked_for_too(
    bench: Bench, server: Server, attempts: int
) -> None:
    desk = Desk(
        server, [ScriptedResponse(DROP)] * attempts, [sim("new")] * (attempts - 1) + [sim("active")]
    )
    assert (await Writer(bench, attempts=attempts).write()).recovered
    assert desk.methods == ["POST", "GET"] * attempts


async def test_without_retries_a_lost_answer_is_raised_if_the_change_is_not_there(
    bench: Bench, server: Server
) -> None:
    desk = Desk(server, [ScriptedResponse(503)], [sim("new")])
    with pytest.raises(ServerError):
        await Writer(bench, attempts=1).write()
    assert desk.methods == ["POST", "GET"]


async def test_retry_after_is_waited_for_before_the_look(bench: Bench, server: Server) -> None:
    Desk(server, [ScriptedResponse(503, headers={"Retry-After": "40"})], [sim("scheduled")])
    await Writer(bench).write()
    assert bench.clock.now() >= 40
    assert bench.seen(RequestRetried)[0].delay == 40


async def test_a_request_halted_meanwhile_is_neither_looked_for_nor_sent_again(
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


async def test_a_request_halted_in_the_pause_is_not_looked_for(
    bench: Bench, server: Server
) -> None:
    desk = Desk(server, [ScriptedResponse(503, headers={"Retry-After": "40"})], [])
    writer = Writer(bench)
    bench.clock.call_at(20.0, lambda: setattr(writer.request, "halted", True))
    with pytest.raises(ServerError):
        await writer.write()
    assert desk.methods == ["POST"]


async def test_a_request_halted_during_the_look_is_not_sent_again(
    bench: Bench, server: Server
) -> None:
    writer = Writer(bench)

    async def halt() -> Sim:
        writer.request.halted = True
        return decode(Response(200, {}, b'{"sid": "HS1", "status": "new"}'))

    desk = Desk(server, [ScriptedResponse(DROP)], [])
    with pytest.raises(ConnectionFailed):
        await bench.run(
            write(writer.sender, writer.request, ACTIVE, decode=decode, read=halt, attempts=3)
        )
    assert desk.methods == ["POST"]


# The look fails too.


@pytest.mark.parametrize("reads", [[ScriptedResponse(503)] * 3, [ScriptedResponse(DROP)] * 9])
async def test_when_the_look_fails_it_is_the_write_that_one_hears_of(
    bench: Bench, server: Server, reads: list[ScriptedResponse]
) -> None:
    Desk(server, [ScriptedResponse(504)], reads)
    with pytest.raises(ServerError, match="update Sim HS1") as caught:
        await Writer(bench).write()
    assert caught.value.status == 504
    assert str(caught.value.__cause__).startswith("fetch Sim HS1")


async def test_when_there_is_no_slot_for_the_look_it_is_the_write_that_one_hears_of(
    bench: Bench, server: Server
) -> None:
    writer = Writer(bench)

    async def no_slot() -> Sim:
        raise QueueTimeout("fetch Sim HS1", 600.0)

    Desk(server, [ScriptedResponse(504)], [])
    with pytest.raises(ServerError) as caught:
        await bench.run(
            write(writer.sender, writer.request, ACTIVE, decode=decode, read=no_slot, attempts=3)
        )
    assert isinstance(caught.value.__cause__, QueueTimeout)


async def test_a_sim_that_is_not_there_is_what_the_look_says(bench: Bench, server: Server) -> None:
    Desk(server, [ScriptedResponse(504)], [problem(20404, 404)])
    with pytest.raises(NotFound, match="fetch Sim HS1"):
        await Writer(bench).write()


async def test_a_sim_that_is_not_there_after_a_move_is_asked_to_move_once_more(
    bench: Bench, server: Server
) -> None:
    desk = Desk(server, [ScriptedResponse(504), sim("new")], [problem(20404, 404)])
    written = await Writer(bench).write(supersim_goal(account_sid="AC" + "2" * 32))
    assert written.record.status == "new"
    assert desk.methods == ["POST", "GET", "POST"]


async def test_a_refused_move_of_a_sim_that_is_not_there_is_the_refusal(
    bench: Bench, server: Server
) -> None:
    Desk(server, [ScriptedResponse(504), problem(83010)], [problem(20404, 404)] * 2)
    with pytest.raises(BadRequest, match="update Sim HS1"):
        await Writer(bench).write(supersim_goal(account_sid="AC" + "2" * 32))


async def test_an_answer_that_cannot_be_read_says_so(bench: Bench, server: Server) -> None:
    Desk(server, [ScriptedResponse(200, {"status": "active"})], [])
    with pytest.raises(DecodeError):
        await Writer(bench).write()


# Conflicts.

BUSY = [problem(33010, 409), problem(83009), ScriptedResponse(409), problem(83010)]


@pytest.mark.parametrize("busy", BUSY)
async def test_anothers_change_under_way_is_a_conflict(
    bench: Bench, server: Server, busy: ScriptedResponse
) -> None:
    desk = Desk(server, [busy], [sim("scheduled")])
    with pytest.raises(Conflict) as caught:
        await Writer(bench).write()
    assert caught.value.status == busy.status
    assert "wait with await_transition()" in str(caught.value)
    assert desk.methods == ["POST", "GET"]


@pytest.mark.parametrize(
    ("busy", "kind"), [(problem(83010), BadRequest), (problem(33010, 409), Conflict)]
)
async def test_with_nothing_under_way_the_refusal_stands_as_it_is(
    bench: Bench, server: Server, busy: ScriptedResponse, kind: type[APIError]
) -> None:
    desk = Desk(server, [busy], [sim("inactive")])
    with pytest.raises(kind) as caught:
        await Writer(bench).write()
    assert type(caught.value) is kind
    assert desk.methods == ["POST", "GET"]


@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize("status", ["scheduled", "active"])
async def test_a_conflict_after_a_lost_answer_is_with_our_own_change(
    bench: Bench, server: Server, busy: ScriptedResponse, status: str
) -> None:
    # The first read came off an old copy.
    desk = Desk(server, [ScriptedResponse(DROP), busy], [sim("new"), sim(status)])
    written = await Writer(bench).write()
    assert (written.record.status, written.recovered) == (status, True)
    assert desk.methods == ["POST", "GET", "POST", "GET"]


async def test_an_illegal_transition_after_a_lost_answer_may_be_due_to_our_own_change(
    bench: Bench, server: Server
) -> None:
    Desk(server, [ScriptedResponse(DROP), problem(33105)], [sim("new"), sim("active")])
    assert (await Writer(bench).write()).recovered


async def test_a_refusal_after_a_lost_answer_stands_if_the_sim_is_elsewhere(
    bench: Bench, server: Server
) -> None:
    Desk(server, [ScriptedResponse(DROP), problem(83007)], [sim("new"), sim("new")])
    with pytest.raises(BadRequest, match="83007"):
        await Writer(bench).write()


async def test_when_the_look_at_a_conflict_fails_the_conflict_is_raised(
    bench: Bench, server: Server
) -> None:
    Desk(server, [problem(33010, 409)], [ScriptedResponse(503)] * 3)
    with pytest.raises(Conflict) as caught:
        await Writer(bench).write()
    assert isinstance(caught.value.__cause__, ServerError)


async def test_a_request_that_times_out_is_a_lost_answer(bench: Bench, server: Server) -> None:
    Desk(server, [ScriptedResponse(HANG)], [sim("scheduled")])
    assert (await Writer(bench, timeout=Timeout(request=0.1)).write()).recovered
    assert bench.seen(RequestRetried)[0].reason == "update Sim HS1: no response within 0.1 s"

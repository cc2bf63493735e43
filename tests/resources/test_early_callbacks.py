"""Changes whose callbacks overtake the answers of their POSTs, which then never come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from asyncsim import Outcome, RetryPolicy
from asyncsim.models.supersim.sims import SimUpdate
from tests.callbacks import senders
from tests.http.server import DROP, Received, ScriptedResponse
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import AUTH_TOKEN, ScriptedApi, sid

HS = sid("HS")


class Vendor:
    """One SIM; the first POST is carried out and called back at once, and answered last."""

    def __init__(self, scripted: ScriptedApi, last: ScriptedResponse) -> None:
        self.scripted = scripted
        self.status = "new"
        self.asked: list[str] = []
        """The statuses that were asked for."""
        self.last = last
        self.may_answer = asyncio.Event()
        self.down = False
        """Whether reads get 503."""
        scripted.script = self.answer

    async def answer(self, one: Received) -> ScriptedResponse:
        if one.method == "GET":
            return ScriptedResponse(503) if self.down else self.record()
        form = {name: values[0] for name, values in parse_qs(one.body).items()}
        self.status = form["Status"]
        self.asked.append(self.status)
        if len(self.asked) > 1:
            return self.record()
        params = {"SimSid": HS, "SimStatus": self.status}
        await senders.twilio(form["CallbackUrl"], params, secret=AUTH_TOKEN).post()
        with self.scripted.clock.resting():
            await self.may_answer.wait()
        return self.last

    def record(self) -> ScriptedResponse:
        return ScriptedResponse(200, {"sid": HS, "status": self.status})


@pytest.fixture
async def listening(set_scripted: OpenScripted) -> ScriptedApi:
    return await set_scripted(listens=True)


LAST = [
    ScriptedResponse(DROP),
    ScriptedResponse(503),
    ScriptedResponse(429),
    ScriptedResponse(409, {"code": 33010, "status": 409}),
]


@pytest.mark.parametrize("last", LAST)
async def test_a_change_that_has_ended_is_not_sent_over_the_one_after_it(
    listening: ScriptedApi, last: ScriptedResponse
) -> None:
    vendor = Vendor(listening, last)
    first_is_out = asyncio.Event()

    async def changes() -> AsyncIterator[tuple[str, SimUpdate]]:
        yield HS, {"status": "active"}
        await first_is_out.wait()
        yield HS, {"status": "inactive"}

    async def all_of_them() -> list[Outcome[Any]]:
        ended = []
        async for outcome in listening.client.supersim.sims.update_many(changes()):
            ended.append(outcome)
            first_is_out.set()
            if len(ended) == 2:
                vendor.may_answer.set()
                await listening.clock.sleep(60)
        return ended

    ended = await listening.complete(all_of_them())
    assert [(one.requested["status"], one.ok) for one in ended] == [
        ("active", True),
        ("inactive", True),
    ]
    assert (vendor.asked, vendor.status) == (["active", "inactive"], "inactive")


@pytest.mark.parametrize("last", LAST)
async def test_the_late_error_of_a_change_is_not_the_outcome_of_the_next(
    listening: ScriptedApi, last: ScriptedResponse
) -> None:
    vendor = Vendor(listening, last)
    first_is_out = asyncio.Event()

    async def changes() -> AsyncIterator[tuple[str, SimUpdate]]:
        yield HS, {"status": "active"}
        await first_is_out.wait()
        yield HS, {"status": "inactive"}

    async def pending(one: Received) -> ScriptedResponse:
        """Let the second change be under way when the first one's answer is lost."""
        if one.method == "POST" and vendor.asked:
            vendor.asked.append("inactive")
            vendor.may_answer.set()
            vendor.status = "scheduled"
            return vendor.record()
        if listening.clock.now() > 60:
            vendor.status = "inactive"
        return await vendor.answer(one)

    listening.script = pending

    async def all_of_them() -> list[Outcome[Any]]:
        ended = []
        async for outcome in listening.client.supersim.sims.update_many(changes()):
            ended.append(outcome)
            first_is_out.set()
        return ended

    ended = await listening.complete(all_of_them())
    assert [one.error for one in ended] == [None, None]
    assert ended[1].sim is not None
    assert (ended[1].sim.status, ended[1].seconds > 50) == ("inactive", True)
    assert vendor.asked == ["active", "inactive"]


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_wait_that_has_ended_well_is_the_result_whatever_becomes_of_the_answer(
    set_scripted: OpenScripted, last: ScriptedResponse, attempts: int
) -> None:
    scripted = await set_scripted(listens=True, retry=RetryPolicy(attempts=attempts))
    vendor = Vendor(scripted, last)
    task = asyncio.create_task(scripted.client.supersim.sims.update_and_wait(HS, status="active"))
    await scripted.clock.settle()
    vendor.down = True
    vendor.may_answer.set()
    assert (await scripted.complete(task)).status == "active"
    assert vendor.asked == ["active"]

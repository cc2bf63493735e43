"""Changes whose callbacks arrive before the POST's response, which is then lost."""

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
    """One SIM; its first POST is carried out and called back at once, but responds late."""

    def __init__(self, scripted: ScriptedApi, last: ScriptedResponse) -> None:
        self.scripted = scripted
        self.status = "new"
        self.requested: list[str] = []
        """The statuses requested."""
        self.last = last
        self.may_respond = asyncio.Event()
        self.down = False
        """Whether reads get 503."""
        scripted.script = self.respond

    async def respond(self, one: Received) -> ScriptedResponse:
        if one.method == "GET":
            return ScriptedResponse(503) if self.down else self.record()
        form = {name: values[0] for name, values in parse_qs(one.body).items()}
        self.status = form["Status"]
        self.requested.append(self.status)
        if len(self.requested) > 1:
            return self.record()
        params = {"SimSid": HS, "SimStatus": self.status}
        await senders.twilio(form["CallbackUrl"], params, secret=AUTH_TOKEN).post()
        with self.scripted.clock.resting():
            await self.may_respond.wait()
        return self.last

    def record(self) -> ScriptedResponse:
        return ScriptedResponse(200, {"sid": HS, "status": self.status})


@pytest.fixture
async def listening(open_scripted_api: OpenScripted) -> ScriptedApi:
    return await open_scripted_api(listens=True)


LAST = [
    ScriptedResponse(DROP),
    ScriptedResponse(503),
    ScriptedResponse(429),
    ScriptedResponse(409, {"code": 33010, "status": 409}),
]


@pytest.mark.parametrize("last", LAST)
async def test_a_settled_change_is_not_resent_over_the_next_one(
    listening: ScriptedApi, last: ScriptedResponse
) -> None:
    vendor = Vendor(listening, last)
    first_settled = asyncio.Event()

    async def changes() -> AsyncIterator[tuple[str, SimUpdate]]:
        yield HS, {"status": "active"}
        await first_settled.wait()
        yield HS, {"status": "inactive"}

    async def collect() -> list[Outcome[Any]]:
        ended = []
        async for outcome in listening.client.supersim.sims.update_many(changes()):
            ended.append(outcome)
            first_settled.set()
            if len(ended) == 2:
                vendor.may_respond.set()
                await listening.clock.sleep(60)
        return ended

    ended = await listening.complete(collect())
    assert [(one.requested["status"], one.ok) for one in ended] == [
        ("active", True),
        ("inactive", True),
    ]
    assert (vendor.requested, vendor.status) == (["active", "inactive"], "inactive")


@pytest.mark.parametrize("last", LAST)
async def test_the_late_error_of_a_change_does_not_fail_the_next_one(
    listening: ScriptedApi, last: ScriptedResponse
) -> None:
    vendor = Vendor(listening, last)
    first_settled = asyncio.Event()

    async def changes() -> AsyncIterator[tuple[str, SimUpdate]]:
        yield HS, {"status": "active"}
        await first_settled.wait()
        yield HS, {"status": "inactive"}

    async def pending(one: Received) -> ScriptedResponse:
        """Make the second change pending when the first one's response is lost."""
        if one.method == "POST" and vendor.requested:
            vendor.requested.append("inactive")
            vendor.may_respond.set()
            vendor.status = "scheduled"
            return vendor.record()
        if listening.clock.now() > 60:
            vendor.status = "inactive"
        return await vendor.respond(one)

    listening.script = pending

    async def collect() -> list[Outcome[Any]]:
        ended = []
        async for outcome in listening.client.supersim.sims.update_many(changes()):
            ended.append(outcome)
            first_settled.set()
        return ended

    ended = await listening.complete(collect())
    assert [one.error for one in ended] == [None, None]
    assert ended[1].sim is not None
    assert (ended[1].sim.status, ended[1].seconds > 50) == ("inactive", True)
    assert vendor.requested == ["active", "inactive"]


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_settled_wait_is_the_result_even_if_the_response_is_lost(
    open_scripted_api: OpenScripted, last: ScriptedResponse, attempts: int
) -> None:
    scripted = await open_scripted_api(listens=True, retry=RetryPolicy(attempts=attempts))
    vendor = Vendor(scripted, last)
    task = asyncio.create_task(scripted.client.supersim.sims.update_and_wait(HS, status="active"))
    await scripted.clock.settle()
    vendor.down = True
    vendor.may_respond.set()
    assert (await scripted.complete(task)).status == "active"
    assert vendor.requested == ["active"]

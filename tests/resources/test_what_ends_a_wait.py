"""What a vendor, a proxy or a cache may say while a change is awaited, and what each is worth."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import pytest

from asyncsim import TransitionTimeout
from tests.callbacks import senders
from tests.resources.conftest import SetFar
from tests.resources.far import AUTH_TOKEN, Far, sid
from tests.sending.server import Answer, Received

HS = sid("HS")
BEFORE, ACCEPTED, AFTER = (f"2026-01-01T00:00:{second:02}Z" for second in (0, 10, 20))
"""Dates of a record from before the change, of the response to the POST, and of its end."""


def record(status: str | None, date: str | None = AFTER, **more: Any) -> Answer:
    return Answer(200, {"sid": HS, "status": status, "date_updated": date, **more})


class Vendor:
    """One SIM; `read` is the response to each read of it."""

    def __init__(self, far: Far) -> None:
        self.far = far
        self.accepted = record("scheduled", ACCEPTED)
        self.read = record("scheduled", ACCEPTED)
        self.reads = 0
        self.callback_url = ""
        far.script = self.answer

    async def answer(self, one: Received) -> Answer:
        if one.method == "POST":
            self.callback_url = parse_qs(one.body).get("CallbackUrl", [""])[0]
            return self.accepted
        self.reads += 1
        return self.read

    async def call_back(self, status: str, **more: str) -> None:
        params = {"SimSid": HS, "SimStatus": status, **more}
        with self.far.clock.working():
            await senders.twilio(self.callback_url, params, secret=AUTH_TOKEN).post()

    async def activate(self, **keywords: Any) -> asyncio.Task[Any]:
        sims = self.far.client.supersim.sims
        task = asyncio.create_task(sims.update_and_wait(HS, status="active", **keywords))
        await self.far.clock.settle()
        return task


@pytest.fixture
def vendor(far: Far) -> Vendor:
    return Vendor(far)


# A read that fails is asked for again later, and holds nobody up meanwhile.


async def test_a_callback_does_not_wait_for_a_read_that_was_told_to_come_back_later(
    set_far: SetFar,
) -> None:
    vendor = Vendor(await set_far(listens=True))
    vendor.read = Answer(503, headers={"Retry-After": "120"})
    wait = await vendor.activate()
    await vendor.far.clock.advance(16)
    assert vendor.reads == 1
    vendor.read = record("active")
    await vendor.call_back("active")
    await vendor.far.clock.settle()
    assert wait.done()
    assert wait.result().status == "active"


async def test_a_retry_after_of_a_read_is_kept_unless_something_newer_is_known(
    vendor: Vendor,
) -> None:
    vendor.read = Answer(503, headers={"Retry-After": "120"})
    wait = await vendor.activate()
    await vendor.far.clock.advance(100)
    assert vendor.reads == 1
    vendor.read = record("active")
    await vendor.far.clock.advance(60)
    assert wait.result().status == "active"


async def test_the_last_read_does_not_wait_for_one_that_was_told_to_come_back_later(
    vendor: Vendor,
) -> None:
    vendor.read = Answer(503, headers={"Retry-After": "120"})
    wait = await vendor.activate(timeout=60)
    await vendor.far.clock.advance(10)
    vendor.read = record("active")
    await vendor.far.clock.advance(50)
    assert wait.result().status == "active"


async def test_a_wait_whose_reads_all_fail_ends_at_its_deadline(vendor: Vendor) -> None:
    vendor.read = Answer(503)
    wait = await vendor.activate(timeout=60)
    await vendor.far.clock.advance(60)
    with pytest.raises(TransitionTimeout):
        wait.result()

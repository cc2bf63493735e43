from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from benchmarks.cases._answers_worker import wrong
from benchmarks.peers.bare import bare
from benchmarks.peers.ours import ours
from benchmarks.peers.twilio_ import twilio_unpooled
from benchmarks.stub.protocol import Answering
from benchmarks.stub.vendor import Terms, Vendor

IN_FLIGHT = 20


@pytest.fixture
async def base() -> AsyncIterator[str]:
    vendor, loop = Vendor(Terms(sims=IN_FLIGHT)), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(vendor), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_our_answers_are_about_what_was_asked_for(base: str) -> None:
    assert await wrong(ours, base, IN_FLIGHT) == 0
    assert await wrong(bare, base, IN_FLIGHT) == 0


async def test_answers_that_are_mixed_up_are_noticed(base: str) -> None:
    assert await wrong(twilio_unpooled, base, IN_FLIGHT) > 0

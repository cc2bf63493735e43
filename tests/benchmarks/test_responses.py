from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from benchmarks.cases._responses_worker import count_wrong
from benchmarks.peers.asyncsim_ import asyncsim_client
from benchmarks.peers.bare import bare
from benchmarks.peers.twilio_ import twilio_unpooled
from benchmarks.stub.protocol import Connection
from benchmarks.stub.vendor import Terms, Vendor

IN_FLIGHT = 20


@pytest.fixture
async def base() -> AsyncIterator[str]:
    vendor, loop = Vendor(Terms(sims=IN_FLIGHT)), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(vendor), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_stub_responses_are_about_the_requested_resource(base: str) -> None:
    assert await count_wrong(asyncsim_client, base, IN_FLIGHT) == 0
    assert await count_wrong(bare, base, IN_FLIGHT) == 0


async def test_mixed_up_responses_are_detected(base: str) -> None:
    assert await count_wrong(twilio_unpooled, base, IN_FLIGHT) > 0

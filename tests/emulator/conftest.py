from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from twilio.rest import Client

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Latency
from tests.emulator.api import Api, Listener, listening
from tests.emulator.sdk import Asynchronous, Blocking

TRANSITION = 20.0
"""Every change takes exactly this long in these tests."""

LATENCY = Latency(transition=TRANSITION, sigma=0.0, callback=0.0)


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    async with Emulator(sims=3, clock=clock, latency=LATENCY) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as opened:
        yield opened


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as opened:
        yield opened


@pytest.fixture
def supersim(emulator: Emulator, session: aiohttp.ClientSession) -> Api:
    return Api(emulator, session, "twilio", "supersim")


@pytest.fixture
def wireless(emulator: Emulator, session: aiohttp.ClientSession) -> Api:
    return Api(emulator, session, "twilio", "wireless")


@pytest.fixture
def kore_supersim(emulator: Emulator, session: aiohttp.ClientSession) -> Api:
    return Api(emulator, session, "kore", "supersim")


@pytest.fixture
def kore_wireless(emulator: Emulator, session: aiohttp.ClientSession) -> Api:
    return Api(emulator, session, "kore", "wireless")


@pytest.fixture(params=["supersim", "wireless", "kore_supersim", "kore_wireless"])
def anywhere(request: pytest.FixtureRequest) -> Api:
    """Each product of each vendor in turn."""
    api: Api = request.getfixturevalue(request.param)
    return api


@pytest.fixture(params=["supersim", "kore_supersim"])
def any_supersim(request: pytest.FixtureRequest) -> Api:
    """Super SIM at each vendor in turn."""
    api: Api = request.getfixturevalue(request.param)
    return api


@pytest.fixture(params=["wireless", "kore_wireless"])
def any_wireless(request: pytest.FixtureRequest) -> Api:
    """Programmable Wireless at each vendor in turn."""
    api: Api = request.getfixturevalue(request.param)
    return api


@pytest.fixture
def blocking(emulator: Emulator) -> Iterator[Any]:
    """Twilio's client for programs without asyncio."""
    http = Blocking()
    http.emulator = emulator
    own = emulator.credentials
    yield Client(own.account_sid, own.auth_token, http_client=http)
    http.session.close()


@pytest.fixture
async def asynchronous(emulator: Emulator) -> AsyncIterator[Any]:
    """Twilio's client for asyncio."""
    own = emulator.credentials
    async with Asynchronous() as http:
        http.emulator = emulator
        yield Client(own.account_sid, own.auth_token, http_client=http)

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from asyncsim.clock import ManualClock
from tests.integration.harness import APIS, Api, Harness, open_harness

OpenHarness = Callable[..., Awaitable[Harness]]


@pytest.fixture(params=APIS, ids="-".join)
def api(request: pytest.FixtureRequest) -> Api:
    """Each product of each vendor."""
    param: Api = request.param
    return param


@pytest.fixture
async def start_harness(clock: ManualClock) -> AsyncIterator[OpenHarness]:
    """Opens harnesses and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def open_one(*api: Api, **settings: Any) -> Harness:
            return await stack.enter_async_context(open_harness(clock, *api, **settings))

        yield open_one


@pytest.fixture
async def harness(start_harness: OpenHarness, api: Api) -> Harness:
    """A client that polls, for each API."""
    return await start_harness(api)


@pytest.fixture
async def listening(start_harness: OpenHarness, api: Api) -> Harness:
    """A client with a callback receiver, for each API."""
    return await start_harness(api, listens=True)

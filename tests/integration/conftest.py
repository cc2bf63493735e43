from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from asyncsim.clock import ManualClock
from tests.integration.stage import PLACES, Place, Stage, open_stage

OpenStage = Callable[..., Awaitable[Stage]]


@pytest.fixture(params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest) -> Place:
    """Each product of each vendor in turn."""
    found: Place = request.param
    return found


@pytest.fixture
async def set_stage(clock: ManualClock) -> AsyncIterator[OpenStage]:
    """Open stages that are closed when the test is over."""
    async with AsyncExitStack() as stack:

        async def opened(*where: Place, **settings: Any) -> Stage:
            return await stack.enter_async_context(open_stage(clock, *where, **settings))

        yield opened


@pytest.fixture
async def stage(set_stage: OpenStage, place: Place) -> Stage:
    """A client that asks, at each place."""
    return await set_stage(place)


@pytest.fixture
async def listening(set_stage: OpenStage, place: Place) -> Stage:
    """A client that is called back, at each place."""
    return await set_stage(place, listens=True)

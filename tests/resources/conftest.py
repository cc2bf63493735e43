"""Resources are tested with the emulator, or against responses written by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from asyncsim.clock import ManualClock
from tests.integration.conftest import set_stage
from tests.resources.far import Far, open_far

__all__ = ["far", "kore", "set_far", "set_stage"]

SetFar = Callable[..., Awaitable[Far]]


@pytest.fixture
async def set_far(clock: ManualClock) -> AsyncIterator[SetFar]:
    """Open scripted vendors that are closed when the test is over."""
    async with AsyncExitStack() as stack:

        async def opened(vendor: str = "twilio", **settings: Any) -> Far:
            return await stack.enter_async_context(open_far(clock, vendor, **settings))

        yield opened


@pytest.fixture
async def far(set_far: SetFar) -> Far:
    """A scripted Twilio."""
    return await set_far()


@pytest.fixture
async def kore(set_far: SetFar) -> Far:
    """A scripted KORE."""
    return await set_far("kore")

"""Resources are tested with the emulator, or against responses written by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from asyncsim.clock import ManualClock
from tests.integration.conftest import start_harness
from tests.resources.scripted import ScriptedApi, open_scripted

__all__ = ["kore", "scripted", "set_scripted", "start_harness"]

OpenScripted = Callable[..., Awaitable[ScriptedApi]]


@pytest.fixture
async def set_scripted(clock: ManualClock) -> AsyncIterator[OpenScripted]:
    """Open scripted vendors that are closed when the test is over."""
    async with AsyncExitStack() as stack:

        async def opened(vendor: str = "twilio", **settings: Any) -> ScriptedApi:
            return await stack.enter_async_context(open_scripted(clock, vendor, **settings))

        yield opened


@pytest.fixture
async def scripted(set_scripted: OpenScripted) -> ScriptedApi:
    """A scripted Twilio."""
    return await set_scripted()


@pytest.fixture
async def kore(set_scripted: OpenScripted) -> ScriptedApi:
    """A scripted KORE."""
    return await set_scripted("kore")

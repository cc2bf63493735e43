"""Fixtures: resources with the emulator, or with scripted responses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from asyncsim.clock import ManualClock
from tests.integration.conftest import start_harness
from tests.resources.scripted import ScriptedApi, open_scripted

__all__ = ["kore", "open_scripted_api", "scripted", "start_harness"]

OpenScripted = Callable[..., Awaitable[ScriptedApi]]


@pytest.fixture
async def open_scripted_api(clock: ManualClock) -> AsyncIterator[OpenScripted]:
    """Opens scripted APIs and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def open_one(vendor: str = "twilio", **settings: Any) -> ScriptedApi:
            return await stack.enter_async_context(open_scripted(clock, vendor, **settings))

        yield open_one


@pytest.fixture
async def scripted(open_scripted_api: OpenScripted) -> ScriptedApi:
    """A scripted Twilio API."""
    return await open_scripted_api()


@pytest.fixture
async def kore(open_scripted_api: OpenScripted) -> ScriptedApi:
    """A scripted KORE API."""
    return await open_scripted_api("kore")

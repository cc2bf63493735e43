"""Fixtures and settings of all tests."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from inspect import iscoroutinefunction
from typing import Any

import pytest
from hypothesis import settings

from asyncsim.clock import ManualClock

pytest_plugins = ["tests.postgres.fixtures"]

# The same examples in each run, and no deadline, so that a busy machine fails no test.
settings.register_profile("asyncsim", deadline=None, derandomize=True)
settings.load_profile("asyncsim")


def pytest_configure() -> None:
    """Keep bytecode, also where the environment forbids it, as images of containers do.

    A run starts hundreds of Pythons, each of which would compile the package.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


# A closed connection or a cancelled task takes a few iterations of the loop to end.
_TURNS = 20


@pytest.fixture
def clock() -> ManualClock:
    """A clock that only the test advances."""
    return ManualClock()


@pytest.fixture(autouse=True)
def same_jitter() -> None:
    """Draw the same pauses before retries and reads in each run of a test."""
    random.seed(0)


@pytest.fixture(autouse=True)
def no_leaked_tasks(request: pytest.FixtureRequest) -> None:
    """Fail a test that leaves a task behind; first of all fixtures, so checked last."""
    if iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_check_for_leaks")


@pytest.fixture
async def _check_for_leaks() -> AsyncIterator[None]:
    unhandled: list[dict[str, Any]] = []
    # Errors in tasks that are not awaited, which asyncio would otherwise only log.
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    yield
    if unhandled:
        pytest.fail(f"an error in a task that was not awaited: {unhandled[0]}")
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if asyncio.all_tasks() == {asyncio.current_task()}:
            return
    orphans = asyncio.all_tasks() - {asyncio.current_task()}
    pytest.fail(f"the test left tasks behind: {sorted(task.get_name() for task in orphans)}")

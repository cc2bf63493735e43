"""What all tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from inspect import iscoroutinefunction
from typing import Any

import pytest
from hypothesis import settings

from asyncsim.clock import ManualClock

# The same examples in each run, and no deadline: a busy machine is no finding.
settings.register_profile("asyncsim", deadline=None, derandomize=True)
settings.load_profile("asyncsim")

# A closed connection or a cancelled task needs a few turns of the loop to be gone.
_TURNS = 20


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until the test moves it."""
    return ManualClock()


@pytest.fixture(autouse=True)
def every_task_has_an_owner(request: pytest.FixtureRequest) -> None:
    """Fail a test that leaves a task behind; first of all fixtures, so checked last."""
    if iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_orphans")


@pytest.fixture
async def _no_orphans() -> AsyncIterator[None]:
    unheard: list[dict[str, Any]] = []
    # What breaks down in a task that nobody awaits: without this, asyncio would only log it.
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    yield
    if unheard:
        pytest.fail(f"a fault that nobody awaited: {unheard[0]}")
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if asyncio.all_tasks() == {asyncio.current_task()}:
            return
    orphans = asyncio.all_tasks() - {asyncio.current_task()}
    pytest.fail(f"the test left tasks behind: {sorted(task.get_name() for task in orphans)}")

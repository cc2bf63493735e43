"""The fixture that checks all tests for leaked tasks and unhandled errors."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SCOPE = "asyncio_default_fixture_loop_scope=function"
LEAKED = """
import asyncio
from tests.conftest import _check_for_leaks, no_leaked_tasks

kept = []

async def test_leaves_a_task():
    kept.append(asyncio.create_task(asyncio.Event().wait()))

async def test_ends_its_task():
    task = asyncio.create_task(asyncio.Event().wait())
    task.cancel()

async def test_has_none():
    pass

def test_needs_no_loop():
    pass
"""


def test_a_test_that_leaves_a_task_behind_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LEAKED)
    result = pytester.runpytest("-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-o", SCOPE)
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*the test left tasks behind: *"])


UNHANDLED = """
import asyncio
from tests.conftest import _check_for_leaks, no_leaked_tasks

async def test_fails_in_the_background():
    def broken():
        raise LookupError("our error")

    asyncio.get_running_loop().call_soon(broken)
    await asyncio.sleep(0)
"""


def test_a_test_with_an_unhandled_error_in_the_background_fails(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(UNHANDLED)
    result = pytester.runpytest("-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-o", SCOPE)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*an error in a task that was not awaited: *our error*"])

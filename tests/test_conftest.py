"""The fixture that guards all other tests has to be guarded itself."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SCOPE = "asyncio_default_fixture_loop_scope=function"
ORPHAN = """
import asyncio
from tests.conftest import _no_orphans, every_task_has_an_owner

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
    pytester.makepyfile(ORPHAN)
    result = pytester.runpytest("-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-o", SCOPE)
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*the test left tasks behind: *"])


UNHEARD = """
import asyncio
from tests.conftest import _no_orphans, every_task_has_an_owner

async def test_breaks_down_where_nobody_awaits():
    def broken():
        raise LookupError("ours to mend")

    asyncio.get_running_loop().call_soon(broken)
    await asyncio.sleep(0)
"""


def test_a_test_in_whose_background_something_breaks_down_fails(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(UNHEARD)
    result = pytester.runpytest("-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-o", SCOPE)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*a fault that nobody awaited: *ours to mend*"])

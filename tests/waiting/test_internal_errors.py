"""Internal errors: they reach the loop's exception handler, and no wait hangs."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest

from asyncsim.clock import ManualClock
from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError
from asyncsim.events import SweepingStopped
from asyncsim.waiting import Watcher, sweeps
from tests.waiting.conftest import FakeVendor, start_waits


class InternalError(Exception):
    """A bug in this package."""


def broken(*_: object, **__: object) -> NoReturn:
    raise InternalError


@pytest.fixture
async def reported() -> list[Any]:
    """Exceptions that reach the loop's handler, which would otherwise fail the test."""
    found: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: found.append(context.get("exception"))
    )
    return found


@pytest.mark.parametrize(("module", "function"), [(sweeps, "list_pause"), (sweeps, "should_sweep")])
async def test_an_error_in_planning_ends_sweeping_and_single_reads_continue(
    vendor: FakeVendor,
    watcher: Watcher,
    clock: ManualClock,
    reported: list[Any],
    module: Any,
    function: str,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, function, broken)
        waits = start_waits(vendor, watcher, 9)
        await clock.advance(1)
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(40)
    assert len(vendor.ended) == 9
    assert {wait.settled_by for wait in waits} == {"read"}
    assert {type(one) for one in reported} == {InternalError}
    assert [type(event) for event in vendor.events].count(SweepingStopped) == 1


async def test_an_error_in_a_sweep_is_reported_and_single_reads_continue(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock, reported: list[Any]
) -> None:
    vendor.sweeps_fail = InternalError()
    waits = start_waits(vendor, watcher, 9)
    await clock.advance(5)
    assert [type(one) for one in reported] == [InternalError]
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(40)
    assert {wait.settled_by for wait in waits} == {"read"}


async def test_an_error_in_the_watchers_task_ends_all_waits(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock, reported: list[Any]
) -> None:
    def on_done(wait: Transition) -> None:
        vendor.ended.append(wait)
        if len(vendor.ended) == 1:
            raise InternalError  # one failing callback must not stop the others

    waits = [vendor.wait(f"HS{one}", timeout=5.0) for one in range(3)]
    for wait in waits:
        wait.on_done = on_done
        watcher.register(wait)
        watcher.accepted(wait, vendor.put(wait.name, "scheduled"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watcher, "_expire", broken)
        await clock.advance(60)
    assert vendor.ended == waits
    assert all("failed" in str(wait.error) for wait in waits)
    assert all(isinstance(wait.error, AsyncSimError) for wait in waits)
    assert not len(watcher)


async def test_a_read_that_raises_an_internal_error_is_retried(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock, reported: list[Any]
) -> None:
    (wait,) = start_waits(vendor, watcher, 1)
    vendor.errors[wait.name] = InternalError()
    await clock.advance(5)
    del vendor.errors[wait.name]
    vendor.put(wait.name, "active")
    await clock.advance(40)
    assert (wait.done, wait.error) == (True, None)
    assert all(isinstance(one, InternalError) for one in reported)
    assert reported

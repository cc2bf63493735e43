"""Faults of ours: nobody hangs on them, and they are heard."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest

from asyncsim.clock import ManualClock
from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError
from asyncsim.events import SweepingStopped
from asyncsim.waiting import Watcher, sweeps
from tests.waiting.conftest import World, begin


class Fault(Exception):
    """A mistake in our code."""


def broken(*_: object, **__: object) -> NoReturn:
    raise Fault


@pytest.fixture
async def heard() -> list[Any]:
    """What the loop is told of; else each fault would fail the test."""
    found: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: found.append(context.get("exception"))
    )
    return found


@pytest.mark.parametrize(("where", "what"), [(sweeps, "list_pause"), (sweeps, "should_sweep")])
async def test_what_planning_raises_ends_sweeping_and_single_reads_go_on(
    world: World, watcher: Watcher, clock: ManualClock, heard: list[Any], where: Any, what: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, what, broken)
        waits = begin(world, watcher, 9)
        await clock.advance(1)
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(40)
    assert len(world.ended) == 9
    assert {wait.settled_by for wait in waits} == {"read"}
    assert {type(one) for one in heard} == {Fault}
    assert [type(event) for event in world.events].count(SweepingStopped) == 1


async def test_a_sweep_that_breaks_down_is_heard_and_single_reads_go_on(
    world: World, watcher: Watcher, clock: ManualClock, heard: list[Any]
) -> None:
    world.sweeps_fail = Fault()
    waits = begin(world, watcher, 9)
    await clock.advance(5)
    assert [type(one) for one in heard] == [Fault]
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(40)
    assert {wait.settled_by for wait in waits} == {"read"}


async def test_a_driver_that_breaks_down_ends_all_waits(
    world: World, watcher: Watcher, clock: ManualClock, heard: list[Any]
) -> None:
    def told(wait: Transition) -> None:
        world.ended.append(wait)
        if len(world.ended) == 1:
            raise Fault  # nor may one sink keep it from the others

    waits = [world.wait(f"HS{one}", timeout=5.0) for one in range(3)]
    for wait in waits:
        wait.on_done = told
        watcher.register(wait)
        watcher.accepted(wait, world.put(wait.name, "scheduled"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watcher, "_expire", broken)
        await clock.advance(60)
    assert world.ended == waits
    assert all("failed" in str(wait.error) for wait in waits)
    assert all(isinstance(wait.error, AsyncSimError) for wait in waits)
    assert not len(watcher)


async def test_a_read_that_breaks_down_is_tried_again(
    world: World, watcher: Watcher, clock: ManualClock, heard: list[Any]
) -> None:
    (wait,) = begin(world, watcher, 1)
    world.errors[wait.name] = Fault()
    await clock.advance(5)
    del world.errors[wait.name]
    world.put(wait.name, "active")
    await clock.advance(40)
    assert (wait.done, wait.error) == (True, None)
    assert all(isinstance(one, Fault) for one in heard)
    assert heard

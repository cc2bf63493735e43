"""Refused logins: judged once for all waits of a client, by one read at a time."""

from __future__ import annotations

import pytest

from asyncsim.clock import ManualClock
from asyncsim.errors import APIError, AuthenticationError, PermissionDenied, TransitionTimeout
from asyncsim.waiting import Watcher
from tests.waiting.conftest import World, begin

REFUSED = AuthenticationError(401, 20003, "Authenticate")
DENIED = PermissionDenied(403, 20003, "not yours")


def revoke(world: World, error: APIError = REFUSED) -> None:
    world.errors = dict.fromkeys(world.sims, error)
    world.sweeps_fail = error


async def test_ten_thousand_waits_do_not_hammer_a_revoked_password(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 10_000)
    await clock.advance(1)
    revoke(world)
    await clock.advance(40)
    assert {type(wait.error) for wait in waits} == {AuthenticationError}
    assert len(world.reads) + len(world.sweeps) <= 10
    assert watcher.is_idle


async def test_nor_do_they_where_each_is_read_singly(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    watcher._sweeper.health.stop("the filter is refused here")
    waits = begin(world, watcher, 10_000)
    revoke(world)
    await clock.advance(40)
    assert {type(wait.error) for wait in waits} == {AuthenticationError}
    assert len(world.reads) <= 256 + 10, "those in flight at the first refusal, and the probes"


@pytest.mark.parametrize("error", [REFUSED, DENIED])
async def test_credentials_that_are_refused_for_some_seconds_end_no_wait(
    world: World, watcher: Watcher, clock: ManualClock, error: APIError
) -> None:
    waits = begin(world, watcher, 50)
    await clock.advance(1)
    revoke(world, error)
    await clock.advance(9)
    assert world.ended == []
    world.errors.clear()
    world.sweeps_fail = None
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(20)
    assert [wait.error for wait in waits] == [None] * 50


@pytest.mark.parametrize("error", [REFUSED, DENIED])
@pytest.mark.parametrize("number", [3, 50])
async def test_a_refusal_of_one_sim_while_others_are_read_is_that_sims_own(
    world: World, watcher: Watcher, clock: ManualClock, error: APIError, number: int
) -> None:
    waits = begin(world, watcher, number)
    for wait in waits:
        world.put(wait.name, "active" if wait is waits[0] else "scheduled")
    world.errors["HS0"] = error
    world.walks_fail = REFUSED
    await clock.advance(95)
    assert type(waits[0].error) is PermissionDenied
    assert waits[0].error.status == error.status
    assert not any(wait.done for wait in waits[1:])
    assert world.reads.count("HS0") >= 3
    for wait in waits[1:]:
        world.put(wait.name, "active")
    await clock.advance(20)
    assert [wait.error for wait in waits[1:]] == [None] * (number - 1)


async def test_in_doubt_a_deadline_is_kept_to_the_second(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    (wait,) = begin(world, watcher, 1)
    other = world.wait("HS9", timeout=5.0)
    watcher.register(other)
    watcher.accepted(other, world.put("HS9", "scheduled"))
    revoke(world)
    await clock.advance(5)
    assert isinstance(other.error, TransitionTimeout)
    assert isinstance(other.error.__cause__, AuthenticationError)
    assert not wait.done


async def test_what_was_judged_is_judged_anew_for_later_waits(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    begin(world, watcher, 3)
    revoke(world)
    await clock.advance(40)
    assert len(world.ended) == 3
    world.errors.clear()
    waits = begin(world, watcher, 3)
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(20)
    assert [wait.error for wait in waits] == [None] * 3


async def test_a_probe_whose_wait_is_abandoned_makes_room_for_the_next(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 4)
    revoke(world)
    await clock.advance(2)
    for wait in waits[:3]:
        watcher.abandon(wait)
    await clock.advance(40)
    assert [type(wait.error) for wait in world.ended] == [AuthenticationError]

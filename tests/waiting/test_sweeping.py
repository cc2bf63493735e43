"""What sweeps make of bad answers, of lists that leave something out, and of waits without SID."""

from __future__ import annotations

import pytest

from asyncsim.clock import ManualClock
from asyncsim.errors import (
    AuthenticationError,
    BadRequest,
    ConnectionFailed,
    DecodeError,
    NotFound,
    PermissionDenied,
)
from asyncsim.events import SweepingStopped
from asyncsim.models.supersim.sims import Sim
from asyncsim.waiting import Watcher
from tests.waiting.conftest import World, begin


async def test_waits_by_name_whose_first_reads_failed_are_all_read_again(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    names = [f"depot-{number}" for number in range(5)]
    for name in names:
        world.sims[name] = Sim(sid=f"HS-{name}", status="active", date_updated=clock.utcnow())
        world.errors[name] = ConnectionFailed(f"fetch Sim {name}", "connection lost")
        wait = world.wait(name, no_request=True, accepted_at=clock.now())
        watcher.register(wait)
        watcher.resume(wait)
    await clock.advance(1)
    assert world.reads == names
    world.errors.clear()
    await clock.advance(1)
    assert len(world.ended) == 5, "no list can show those of which only the name is known"


def stops(world: World) -> list[SweepingStopped]:
    return [event for event in world.events if isinstance(event, SweepingStopped)]


@pytest.mark.parametrize(
    "error",
    [
        BadRequest(408),
        BadRequest(400, None, "not from the vendor, which always names a code"),
        BadRequest(405, 20004),
        AuthenticationError(401, 20003),
        PermissionDenied(403, 20003),
        NotFound(404, 20404),
        DecodeError("a page of Sims", "not JSON"),
    ],
)
async def test_no_bad_answer_but_a_refused_filter_ends_sweeping(
    world: World, watcher: Watcher, clock: ManualClock, error: Exception
) -> None:
    waits = begin(world, watcher, 5)
    world.sweeps_fail = error
    await clock.advance(2)
    world.sweeps_fail = None
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(3)
    # After a refused login one read tells that the credentials are good.
    probes = ["HS0"] if isinstance(error, AuthenticationError | PermissionDenied) else []
    assert [wait.settled_by for wait in waits].count("sweep") == 5 - len(probes)
    assert (stops(world), world.reads) == ([], probes)


async def test_a_refused_filter_ends_sweeping(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    begin(world, watcher, 5)
    world.sweeps_fail = BadRequest(400, 20001, "Status cannot be filtered by")
    await clock.advance(60)
    assert world.sweeps == ["scheduled"]
    assert "rejected the status filter" in stops(world)[0].reason


async def test_a_refusal_of_the_unfiltered_list_says_nothing_of_the_filter(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 5)
    for wait in waits:
        world.put(wait.name, "active")
    world.walks_fail = BadRequest(400, 20001)
    await clock.advance(2)
    assert world.sweeps == ["scheduled", None]
    world.walks_fail = None
    await clock.advance(2)
    assert ({wait.settled_by for wait in waits}, stops(world)) == ({"sweep"}, [])


async def slip(world: World, clock: ManualClock, *names: str) -> None:
    """Hide pending SIMs from one sweep, as pages that shift do."""
    world.unlisted.update(names)
    await clock.advance(2)
    world.unlisted.clear()


async def test_a_sim_that_slips_between_pages_now_and_then_does_not_end_sweeping(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    begin(world, watcher, 20)
    for _ in range(3):
        await slip(world, clock, "HS0")
    assert (len(world.reads), stops(world)) == (3, [])


async def test_good_sweeps_between_two_bad_ones_make_good_for_the_first(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 20)
    for _ in range(3):
        await slip(world, clock, *(wait.name for wait in waits[:8]))
        await clock.advance(4)
    assert stops(world) == []


async def test_sweeps_that_hide_pending_sims_one_after_the_other_are_given_up(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 20)
    for _ in range(2):
        await slip(world, clock, *(wait.name for wait in waits[:8]))
    await clock.advance(2)
    assert "turned out to be pending" in stops(world)[0].reason


async def test_a_list_that_ignores_its_filter_holds_nobody_up(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    world.ignores_filter = True
    for number in range(100, 140):
        world.put(f"HS{number}", "new")
    waits = begin(world, watcher, 20)
    await clock.advance(5)
    assert "filter is ignored" in stops(world)[0].reason
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(30)
    assert [wait.error for wait in waits] == [None] * 20
    assert len(world.ended) == 20


async def test_rows_in_another_status_than_the_filters_are_confirmed(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    world.ignores_filter = True
    waits = begin(world, watcher, 20)
    for wait in waits[:4]:
        world.put(wait.name, "active")
    await clock.advance(3)
    assert world.ended == waits[:4]
    assert all(wait.confirmed for wait in waits[:4])
    assert stops(world) == []


async def test_a_list_that_calls_settled_sims_pending_is_found_out(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 20)
    for wait in waits:
        wait.timeout = 900.0
    await clock.advance(1)
    world.frozen = list(world.sims.values())
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(120)
    assert len(world.ended) == 20, "though every list shows them as scheduled"
    assert "had settled before" in stops(world)[0].reason


async def test_sweeping_goes_on_after_a_bad_hour(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 20)
    for wait in waits:
        wait.timeout = 90_000.0
    world.unlisted.update(wait.name for wait in waits)
    await clock.advance(3600)
    assert len(stops(world)) < 8, "ever more seldom"
    world.unlisted.clear()
    await clock.advance(3600)
    world.sweeps.clear()
    await clock.advance(600)
    assert world.sweeps


async def test_a_status_that_no_list_is_asked_for_is_read_singly_and_sweeping_goes_on(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 20)
    for wait in waits[:6]:
        world.put(wait.name, "provisioning")
    await clock.advance(60)
    assert (world.ended, stops(world)) == ([], [])
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(30)
    assert [wait.error for wait in waits] == [None] * 20
    assert len(world.ended) == 20

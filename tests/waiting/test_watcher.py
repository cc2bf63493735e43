from __future__ import annotations

import asyncio
import weakref

import pytest

from asyncsim.callbacks.bus import Callback
from asyncsim.clock import ManualClock
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.errors import (
    AuthenticationError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DecodeError,
    NotFound,
    PermissionDenied,
    ServerError,
    TransitionTimeout,
    WrongResource,
)
from asyncsim.events import SweepingStopped, WaitSettled
from asyncsim.waiting import Watcher
from tests.waiting.conftest import World, begin


def callback(name: str, status: str, **more: object) -> Callback:
    parts = {"nonce": "current", "signed": True, "method": "POST", **more}
    return Callback(vendor="twilio", product="supersim", name=name, status=status, **parts)  # type: ignore[arg-type]  # parts of several types


async def test_a_wait_is_read_until_it_has_settled(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1")
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    await clock.advance(20)
    assert (world.ended, len(watcher)) == ([], 1)
    world.put("HS1", "active")
    await clock.advance(30)
    assert world.ended == [wait]
    assert (wait.settled_by, wait.error) == ("read", None)
    assert watcher.is_idle


async def test_a_post_that_outlives_every_other_wait_disturbs_nobody(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    slow, quick = world.wait("HS1"), world.wait("HS2", timeout=5.0)
    watcher.register(slow)
    watcher.register(quick)
    watcher.accepted(quick, world.put("HS2", "scheduled"))
    await clock.advance(50)
    assert world.ended == [quick], "its deadline has passed, and nothing is planned for the other"
    watcher.accepted(slow, world.put("HS1", "scheduled"))
    world.put("HS1", "active")
    await clock.advance(30)
    assert (slow.error, slow.done) == (None, True)


async def test_waits_for_one_sim_do_not_multiply_its_reads(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    record = world.put("HS1", "scheduled")
    for _ in range(4):  # fewer than are swept
        wait = world.wait("HS1", timeout=1000.0)
        watcher.register(wait)
        watcher.accepted(wait, record)
    await clock.advance(900)
    assert len(world.reads) < 4 * 100


async def test_a_callback_that_only_refreshes_adds_no_reads(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1", timeout=1000.0, nonce="current")
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    for _ in range(50):
        assert watcher.handle_callback(callback("HS1", "scheduled"))
    await clock.advance(900)
    assert len(world.reads) == 900 // 15


async def test_a_callback_finds_waits_by_the_sid_it_names(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1", nonce="current")
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    world.put("HS1", "active")
    assert not watcher.handle_callback(callback("other", "active"))
    assert watcher.handle_callback(callback("depot", "active", sid="HS1"))
    await clock.settle()
    assert world.ended == [wait]


async def test_a_sim_renamed_by_a_slow_post_is_read_by_the_sid_of_its_early_callback(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("old", nonce="current")
    watcher.register(wait)
    world.put("HS" + "1" * 32, "active")
    world.errors["old"] = NotFound(404, 20404, "renamed")
    watcher.handle_callback(callback("old", "active", sid="HS" + "1" * 32))
    await clock.settle()
    assert (world.reads, wait.error, world.ended) == (["HS" + "1" * 32], None, [wait])


async def test_an_old_ticket_does_not_tell_the_sid_to_read(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("depot", nonce="current")
    watcher.register(wait)
    world.put("depot", "scheduled")
    watcher.handle_callback(callback("depot", "active", sid="HS" + "2" * 32, nonce="old"))
    assert wait.sid is None
    await clock.settle()
    assert world.reads == ["depot"]


async def test_no_read_ends_a_wait_whose_post_is_on_its_way(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("old", nonce="current")
    watcher.register(wait)
    world.errors["old"] = NotFound(404, 20404, "renamed")
    for _ in range(3):
        watcher.handle_callback(callback("old", "active"))
        await clock.advance(2)
    assert (wait.done, len(world.reads)) == (False, 3)
    del world.errors["old"]
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    world.put("HS1", "active")
    await clock.advance(60)
    assert (wait.done, wait.error) == (True, None)


async def test_a_callback_during_a_read_costs_another_read(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1", nonce="current")
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    old = world.sims["HS1"]
    world.hold = asyncio.Event()
    watcher.handle_callback(callback("HS1", "active"))
    watcher.handle_callback(callback("HS1", "active"))
    await clock.settle()
    assert world.reads == ["HS1"], "two hints before the read went out are one"
    watcher.handle_callback(callback("HS1", "active"))
    world.sims["HS1"] = old
    world.hold.set()
    await clock.advance(1)
    assert world.reads == ["HS1", "HS1"]


async def test_an_old_ticket_says_nothing_of_what_went_wrong_now(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1", nonce="current")
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    watcher.handle_callback(callback("HS1", "new", nonce="old", error_code=33000))
    await clock.settle()
    assert (wait.callback_error, len(world.reads), wait.done) == (None, 1, False)


async def test_abandoning_a_wait_stops_its_read(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1")
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    world.hold = asyncio.Event()
    watcher.handle_callback(callback("HS1", "active"))
    await clock.settle()
    assert world.reads == ["HS1"]
    watcher.abandon(wait)
    await clock.settle()
    assert (watcher.is_idle, clock.next_timer, world.ended) == (True, None, [])


async def test_abandoning_a_wait_whose_read_has_not_begun_stops_it_too(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1", no_request=True)
    watcher.register(wait)
    watcher.resume(wait)
    watcher.abandon(wait)
    await clock.settle()
    assert (world.reads, watcher.is_idle) == ([], True)
    again = world.wait("HS1", no_request=True)
    world.put("HS1", "active")
    watcher.register(again)
    watcher.resume(again)
    await clock.settle()
    assert world.ended == [again]


async def test_no_more_reads_than_256_are_under_way(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    world.hold = asyncio.Event()
    waits = [world.wait(f"HS{number}", no_request=True) for number in range(300)]
    for wait in waits:
        world.put(wait.name, "active")
        watcher.register(wait)
        watcher.resume(wait)
    await clock.settle()
    assert len(world.reads) == 256
    for wait in waits[:100]:
        watcher.abandon(wait)
    await clock.settle()
    assert len(world.reads) == 300, "whoever leaves makes room"
    world.hold.set()
    await clock.settle()
    assert len(world.ended) == 200


@pytest.mark.parametrize(
    "error",
    [
        NotFound(404, 20404, "gone"),
        AuthenticationError(401, 20003, "the account is closed"),
        PermissionDenied(403),
    ],
)
async def test_what_is_gone_or_refused_ends_its_wait_once_it_has_lasted(
    world: World, watcher: Watcher, clock: ManualClock, error: Exception
) -> None:
    (wait,) = begin(world, watcher, 1)
    world.errors[wait.name] = error
    await clock.advance(9.9)
    assert not wait.done
    await clock.advance(20)
    assert (type(wait.error), len(world.reads) >= 3) == (type(error), True)


async def test_a_closed_session_ends_its_wait_at_once(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    (wait,) = begin(world, watcher, 1)
    world.errors[wait.name] = ConfigurationError("the session given to this client is closed")
    await clock.advance(5)
    assert (type(wait.error), len(world.reads)) == (ConfigurationError, 1)


async def test_a_404_of_what_was_never_seen_ends_its_wait_at_once(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1", no_request=True)
    watcher.register(wait)
    world.errors["HS1"] = NotFound(404, 20404, "gone")
    watcher.resume(wait)
    await clock.settle()
    assert (type(wait.error), len(world.reads)) == (NotFound, 1)


async def test_what_cannot_be_decoded_is_not_known_yet_until_the_deadline(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    (wait,) = begin(world, watcher, 1)
    world.errors[wait.name] = DecodeError("Sim", "not JSON: '<html>'")
    await clock.advance(99)
    assert not wait.done
    world.put(wait.name, "active")
    del world.errors[wait.name]
    await clock.advance(1)
    assert (wait.done, wait.error) == (True, None)


@pytest.mark.parametrize("error", [DecodeError("Sim", "no sid"), WrongResource("HS1", "HS2")])
async def test_what_says_nothing_of_the_sim_never_ends_its_wait(
    world: World, watcher: Watcher, clock: ManualClock, error: Exception
) -> None:
    wait = world.wait("HS1", timeout=900.0)
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    world.errors["HS1"] = error
    await clock.advance(600)
    assert not wait.done
    del world.errors["HS1"]
    world.put("HS1", "active")
    await clock.advance(60)
    assert (wait.done, wait.error) == (True, None)


async def test_what_cannot_be_read_for_a_while_is_read_again(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1")
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    world.errors["HS1"] = ConnectionFailed("fetch Sim HS1", "connection lost")
    await clock.advance(40)
    del world.errors["HS1"]
    world.put("HS1", "active")
    await clock.advance(40)
    assert (wait.done, wait.error) == (True, None)


async def test_a_deadline_with_a_read_that_never_ends_is_kept_all_the_same(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1", timeout=20.0)
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "scheduled"))
    world.hold = asyncio.Event()
    await clock.advance(29)
    assert not wait.done
    await clock.advance(1)
    assert isinstance(wait.error, TransitionTimeout)
    world.hold.set()


async def test_from_as_many_waits_as_the_settings_say_they_are_swept(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = [world.wait(f"HS{number}") for number in range(5)]
    for wait in waits:
        watcher.register(wait)
        watcher.accepted(wait, world.put(wait.name, "scheduled"))
    await clock.advance(10)
    assert (world.reads, world.sweeps) == ([], ["scheduled"] * 3), "ever more seldom"
    for wait in waits:
        world.put(wait.name, "active")
    await clock.advance(4)
    assert {wait.settled_by for wait in waits} == {"sweep"}
    assert (world.reads, world.sweeps[-1], watcher.is_idle) == ([], None, True)


async def test_a_sweep_ends_with_the_last_wait_and_the_next_waits_are_swept_again(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    world.between_pages = asyncio.Event()
    for wait in [*begin(world, watcher, 5), None]:
        await clock.advance(2)
        if wait is not None:
            watcher.abandon(wait)
    assert (watcher.is_idle, clock.next_timer) == (True, None)
    world.between_pages.set()
    asked = len(world.sweeps)
    waits = begin(world, watcher, 5)
    await clock.advance(2)
    assert len(world.sweeps) == asked + 1
    for wait in waits:
        watcher.abandon(wait)


async def test_a_sweep_tells_nothing_of_changes_that_came_after_it_began(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 5)
    world.between_pages = asyncio.Event()
    await clock.advance(2)
    late = world.wait("HS9")
    watcher.register(late)
    watcher.accepted(late, world.put("HS9", "scheduled"))
    world.between_pages.set()
    await clock.settle()
    assert world.reads == [], "it is not in that list because it was not scheduled yet"
    for wait in [*waits, late]:
        watcher.abandon(wait)


async def test_while_sweeps_go_on_failing_single_reads_take_over(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = begin(world, watcher, 5)
    world.sweeps_fail = ServerError(503)
    await clock.advance(5)
    assert (len(world.sweeps), world.reads) == (2, []), "one failure or two may pass"
    world.sweeps_fail = None
    await clock.advance(2)
    world.sweeps_fail = ServerError(503)
    await clock.advance(4)
    assert world.reads == [], "a sweep that worked begins the count anew"
    await clock.advance(32)
    assert {*world.reads} == {wait.name for wait in waits}
    world.sweeps_fail = None
    await clock.advance(40)
    for wait in waits:
        world.put(wait.name, "active")
    world.reads.clear()
    await clock.advance(Watching().safety_every)
    assert {wait.settled_by for wait in waits} == {"sweep"}, "they are tried again"
    assert not [event for event in world.events if isinstance(event, SweepingStopped)]


async def test_ends_are_told_to_observers(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1")
    watcher.register(wait)
    watcher.accepted(wait, world.put("HS1", "active"))
    await clock.settle()
    (event,) = world.events
    assert isinstance(event, WaitSettled)
    assert (event.name, event.settled_by, event.error) == ("HS1", "answer", None)


async def test_a_closed_watcher_takes_nothing_more_and_has_told_everybody(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = [world.wait(f"HS{number}") for number in range(3)]
    for wait in waits:
        watcher.register(wait)
    watcher.accepted(waits[0], world.put("HS0", "scheduled"))
    await watcher.close()
    assert world.ended == waits
    assert all(isinstance(wait.error, ClientClosed) for wait in waits)
    assert (watcher.is_idle, clock.next_timer) == (True, None)
    with pytest.raises(ClientClosed, match="closed"):
        watcher.register(world.wait("HS9"))


async def test_an_answer_after_the_end_opens_nothing_again(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    wait = world.wait("HS1", nonce="current")
    watcher.register(wait)
    pending = world.put("HS1", "scheduled")
    world.put("HS1", "active")
    watcher.handle_callback(callback("HS1", "active"))
    await clock.settle()
    assert world.ended == [wait]
    watcher.accepted(wait, pending)
    assert (world.ended, watcher.is_idle, clock.next_timer) == ([wait], True, None)


class Listener:
    """Somebody whom a wait tells of its end."""

    def hear(self, wait: Transition) -> None:
        assert wait.done


async def test_a_wait_that_has_ended_keeps_nobody_alive_whom_it_told(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    waits = [world.wait("HS1"), world.wait("HS2")]
    listeners = [Listener(), Listener()]
    for at, wait in enumerate(waits):
        wait.on_done = listeners[at].hear
        watcher.register(wait)
    gone = [weakref.ref(one) for one in listeners]
    del listeners
    watcher.accepted(waits[0], world.put("HS1", "active"))
    watcher.abandon(waits[1])
    assert [one() for one in gone] == [None, None]

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
from asyncsim.events import SweepingStopped, WaitSettled, WaitStarted
from asyncsim.waiting import Watcher
from tests.waiting.conftest import FakeVendor, start_waits


def callback(name: str, status: str, **more: object) -> Callback:
    fields = {"nonce": "current", "signed": True, "method": "POST", **more}
    return Callback(vendor="twilio", product="supersim", name=name, status=status, **fields)  # type: ignore[arg-type]  # mixed value types


async def test_a_wait_is_read_until_it_has_settled(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1")
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    await clock.advance(20)
    assert (vendor.ended, len(watcher)) == ([], 1)
    vendor.put("HS1", "active")
    await clock.advance(30)
    assert vendor.ended == [wait]
    assert (wait.settled_by, wait.error) == ("read", None)
    assert watcher.is_idle


async def test_a_post_in_flight_longer_than_every_other_wait_still_settles(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    slow, quick = vendor.wait("HS1"), vendor.wait("HS2", timeout=5.0)
    watcher.register(slow)
    watcher.register(quick)
    watcher.accepted(quick, vendor.put("HS2", "scheduled"))
    await clock.advance(50)
    assert vendor.ended == [quick], "its deadline has passed, and the other has no timer"
    watcher.accepted(slow, vendor.put("HS1", "scheduled"))
    vendor.put("HS1", "active")
    await clock.advance(30)
    assert (slow.error, slow.done) == (None, True)


async def test_several_waits_for_one_sim_share_its_reads(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    record = vendor.put("HS1", "scheduled")
    for _ in range(4):  # too few to be swept
        wait = vendor.wait("HS1", timeout=1000.0)
        watcher.register(wait)
        watcher.accepted(wait, record)
    await clock.advance(900)
    assert len(vendor.reads) < 4 * 100


async def test_a_pending_callback_adds_no_reads(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1", timeout=1000.0, nonce="current")
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    for _ in range(50):
        assert watcher.handle_callback(callback("HS1", "scheduled"))
    await clock.advance(900)
    assert len(vendor.reads) == 900 // 15


async def test_a_callback_finds_waits_by_the_sid_it_names(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1", nonce="current")
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    vendor.put("HS1", "active")
    assert not watcher.handle_callback(callback("other", "active"))
    assert watcher.handle_callback(callback("depot", "active", sid="HS1"))
    await clock.settle()
    assert vendor.ended == [wait]


async def test_a_sim_renamed_by_a_slow_post_is_read_by_the_sid_of_its_early_callback(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("old", nonce="current")
    watcher.register(wait)
    vendor.put("HS" + "1" * 32, "active")
    vendor.errors["old"] = NotFound(404, 20404, "renamed")
    watcher.handle_callback(callback("old", "active", sid="HS" + "1" * 32))
    await clock.settle()
    assert (vendor.reads, wait.error, vendor.ended) == (["HS" + "1" * 32], None, [wait])


async def test_an_old_ticket_does_not_set_the_sid_to_read(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("depot", nonce="current")
    watcher.register(wait)
    vendor.put("depot", "scheduled")
    watcher.handle_callback(callback("depot", "active", sid="HS" + "2" * 32, nonce="old"))
    assert wait.sid is None
    await clock.settle()
    assert vendor.reads == ["depot"]


async def test_no_read_ends_a_wait_whose_post_is_in_flight(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("old", nonce="current")
    watcher.register(wait)
    vendor.errors["old"] = NotFound(404, 20404, "renamed")
    for _ in range(3):
        watcher.handle_callback(callback("old", "active"))
        await clock.advance(2)
    assert (wait.done, len(vendor.reads)) == (False, 3)
    del vendor.errors["old"]
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    vendor.put("HS1", "active")
    await clock.advance(60)
    assert (wait.done, wait.error) == (True, None)


async def test_a_callback_during_a_read_causes_another_read(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1", nonce="current")
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    old = vendor.sims["HS1"]
    vendor.hold_reads = asyncio.Event()
    watcher.handle_callback(callback("HS1", "active"))
    watcher.handle_callback(callback("HS1", "active"))
    await clock.settle()
    assert vendor.reads == ["HS1"], "two callbacks before the read share it"
    watcher.handle_callback(callback("HS1", "active"))
    vendor.sims["HS1"] = old
    vendor.hold_reads.set()
    await clock.advance(1)
    assert vendor.reads == ["HS1", "HS1"]


async def test_the_error_code_of_an_old_ticket_is_ignored(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1", nonce="current")
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    watcher.handle_callback(callback("HS1", "new", nonce="old", error_code=33000))
    await clock.settle()
    assert (wait.callback_error, len(vendor.reads), wait.done) == (None, 1, False)


async def test_abandoning_a_wait_cancels_its_read(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1")
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    vendor.hold_reads = asyncio.Event()
    watcher.handle_callback(callback("HS1", "active"))
    await clock.settle()
    assert vendor.reads == ["HS1"]
    watcher.abandon(wait)
    await clock.settle()
    assert (watcher.is_idle, clock.next_timer, vendor.ended) == (True, None, [])


async def test_abandoning_a_wait_cancels_a_read_that_has_not_started(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1", no_request=True)
    watcher.register(wait)
    watcher.resume(wait)
    watcher.abandon(wait)
    await clock.settle()
    assert (vendor.reads, watcher.is_idle) == ([], True)
    again = vendor.wait("HS1", no_request=True)
    vendor.put("HS1", "active")
    watcher.register(again)
    watcher.resume(again)
    await clock.settle()
    assert vendor.ended == [again]


async def test_at_most_256_reads_are_in_flight(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    vendor.hold_reads = asyncio.Event()
    waits = [vendor.wait(f"HS{number}", no_request=True) for number in range(300)]
    for wait in waits:
        vendor.put(wait.name, "active")
        watcher.register(wait)
        watcher.resume(wait)
    await clock.settle()
    assert len(vendor.reads) == 256
    for wait in waits[:100]:
        watcher.abandon(wait)
    await clock.settle()
    assert len(vendor.reads) == 300, "each abandoned wait frees a slot"
    vendor.hold_reads.set()
    await clock.settle()
    assert len(vendor.ended) == 200


@pytest.mark.parametrize(
    "error",
    [
        NotFound(404, 20404, "refs"),
        AuthenticationError(401, 20003, "the account is closed"),
        PermissionDenied(403),
    ],
)
async def test_a_lasting_404_401_or_403_ends_its_wait(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock, error: Exception
) -> None:
    (wait,) = start_waits(vendor, watcher, 1)
    vendor.errors[wait.name] = error
    await clock.advance(9.9)
    assert not wait.done
    await clock.advance(20)
    assert (type(wait.error), len(vendor.reads) >= 3) == (type(error), True)


async def test_a_closed_session_ends_its_wait_at_once(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    (wait,) = start_waits(vendor, watcher, 1)
    vendor.errors[wait.name] = ConfigurationError("the session given to this client is closed")
    await clock.advance(5)
    assert (type(wait.error), len(vendor.reads)) == (ConfigurationError, 1)


async def test_a_404_for_a_sim_never_seen_ends_its_wait_at_once(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1", no_request=True)
    watcher.register(wait)
    vendor.errors["HS1"] = NotFound(404, 20404, "refs")
    watcher.resume(wait)
    await clock.settle()
    assert (type(wait.error), len(vendor.reads)) == (NotFound, 1)


async def test_a_malformed_response_keeps_the_wait_pending_until_the_deadline(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    (wait,) = start_waits(vendor, watcher, 1)
    vendor.errors[wait.name] = DecodeError("Sim", "not JSON: '<html>'")
    await clock.advance(99)
    assert not wait.done
    vendor.put(wait.name, "active")
    del vendor.errors[wait.name]
    await clock.advance(1)
    assert (wait.done, wait.error) == (True, None)


@pytest.mark.parametrize("error", [DecodeError("Sim", "no sid"), WrongResource("HS1", "HS2")])
async def test_a_response_without_this_sims_record_never_ends_its_wait(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock, error: Exception
) -> None:
    wait = vendor.wait("HS1", timeout=900.0)
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    vendor.errors["HS1"] = error
    await clock.advance(600)
    assert not wait.done
    del vendor.errors["HS1"]
    vendor.put("HS1", "active")
    await clock.advance(60)
    assert (wait.done, wait.error) == (True, None)


async def test_failed_reads_are_retried(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1")
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    vendor.errors["HS1"] = ConnectionFailed("fetch Sim HS1", "connection lost")
    await clock.advance(40)
    del vendor.errors["HS1"]
    vendor.put("HS1", "active")
    await clock.advance(40)
    assert (wait.done, wait.error) == (True, None)


async def test_a_deadline_is_kept_while_a_read_hangs(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1", timeout=20.0)
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "scheduled"))
    vendor.hold_reads = asyncio.Event()
    await clock.advance(29)
    assert not wait.done
    await clock.advance(1)
    assert isinstance(wait.error, TransitionTimeout)
    vendor.hold_reads.set()


async def test_sweeping_starts_at_sweep_from_waits(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = [vendor.wait(f"HS{number}") for number in range(5)]
    for wait in waits:
        watcher.register(wait)
        watcher.accepted(wait, vendor.put(wait.name, "scheduled"))
    await clock.advance(10)
    assert (vendor.reads, vendor.sweeps) == ([], ["scheduled"] * 3), "at growing intervals"
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(4)
    assert {wait.settled_by for wait in waits} == {"sweep"}
    assert (vendor.reads, vendor.sweeps[-1], watcher.is_idle) == ([], None, True)


async def test_a_sweep_ends_with_its_last_wait_and_later_waits_are_swept_again(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    vendor.hold_pages = asyncio.Event()
    for wait in [*start_waits(vendor, watcher, 5), None]:
        await clock.advance(2)
        if wait is not None:
            watcher.abandon(wait)
    assert (watcher.is_idle, clock.next_timer) == (True, None)
    vendor.hold_pages.set()
    sweeps_before = len(vendor.sweeps)
    waits = start_waits(vendor, watcher, 5)
    await clock.advance(2)
    assert len(vendor.sweeps) == sweeps_before + 1
    for wait in waits:
        watcher.abandon(wait)


async def test_a_sweep_says_nothing_about_changes_accepted_after_it_began(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 5)
    vendor.hold_pages = asyncio.Event()
    await clock.advance(2)
    late = vendor.wait("HS9")
    watcher.register(late)
    watcher.accepted(late, vendor.put("HS9", "scheduled"))
    vendor.hold_pages.set()
    await clock.settle()
    assert vendor.reads == [], "absent from that list because it was not scheduled yet"
    for wait in [*waits, late]:
        watcher.abandon(wait)


async def test_single_reads_take_over_while_sweeps_keep_failing(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 5)
    vendor.sweeps_fail = ServerError(503)
    await clock.advance(5)
    assert (len(vendor.sweeps), vendor.reads) == (2, []), "two failed sweeps are tolerated"
    vendor.sweeps_fail = None
    await clock.advance(2)
    vendor.sweeps_fail = ServerError(503)
    await clock.advance(4)
    assert vendor.reads == [], "a successful sweep resets the count"
    await clock.advance(32)
    assert {*vendor.reads} == {wait.name for wait in waits}
    vendor.sweeps_fail = None
    await clock.advance(40)
    for wait in waits:
        vendor.put(wait.name, "active")
    vendor.reads.clear()
    await clock.advance(Watching().safety_every)
    assert {wait.settled_by for wait in waits} == {"sweep"}, "sweeps are retried"
    assert not [event for event in vendor.events if isinstance(event, SweepingStopped)]


async def test_observers_get_an_event_when_a_wait_settles(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1")
    watcher.register(wait)
    watcher.accepted(wait, vendor.put("HS1", "active"))
    await clock.settle()
    started, event = vendor.events
    assert isinstance(started, WaitStarted)
    assert isinstance(event, WaitSettled)
    assert (event.name, event.settled_by, event.error) == ("HS1", "answer", None)


async def test_closing_the_watcher_ends_all_waits_and_rejects_new_ones(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = [vendor.wait(f"HS{number}") for number in range(3)]
    for wait in waits:
        watcher.register(wait)
    watcher.accepted(waits[0], vendor.put("HS0", "scheduled"))
    await watcher.close()
    assert vendor.ended == waits
    assert all(isinstance(wait.error, ClientClosed) for wait in waits)
    assert (watcher.is_idle, clock.next_timer) == (True, None)
    with pytest.raises(ClientClosed, match="closed"):
        watcher.register(vendor.wait("HS9"))


async def test_a_response_after_the_end_does_not_reopen_the_wait(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    wait = vendor.wait("HS1", nonce="current")
    watcher.register(wait)
    pending = vendor.put("HS1", "scheduled")
    vendor.put("HS1", "active")
    watcher.handle_callback(callback("HS1", "active"))
    await clock.settle()
    assert vendor.ended == [wait]
    watcher.accepted(wait, pending)
    assert (vendor.ended, watcher.is_idle, clock.next_timer) == ([wait], True, None)


class Listener:
    """Owner of an `on_done` callback."""

    def on_done(self, wait: Transition) -> None:
        assert wait.done


async def test_a_done_wait_keeps_no_reference_to_its_on_done_callback(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = [vendor.wait("HS1"), vendor.wait("HS2")]
    listeners = [Listener(), Listener()]
    for at, wait in enumerate(waits):
        wait.on_done = listeners[at].on_done
        watcher.register(wait)
    refs = [weakref.ref(one) for one in listeners]
    del listeners
    watcher.accepted(waits[0], vendor.put("HS1", "active"))
    watcher.abandon(waits[1])
    assert [one() for one in refs] == [None, None]

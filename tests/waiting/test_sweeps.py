"""Sweeps: failed list requests, lists that omit SIMs, and waits without a SID."""

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
from tests.waiting.conftest import FakeVendor, start_waits


async def test_waits_by_name_whose_first_reads_failed_are_read_again(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    names = [f"depot-{number}" for number in range(5)]
    for name in names:
        vendor.sims[name] = Sim(sid=f"HS-{name}", status="active", date_updated=clock.utcnow())
        vendor.errors[name] = ConnectionFailed(f"fetch Sim {name}", "connection lost")
        wait = vendor.wait(name, no_request=True, accepted_at=clock.now())
        watcher.register(wait)
        watcher.resume(wait)
    await clock.advance(1)
    assert vendor.reads == names
    vendor.errors.clear()
    await clock.advance(1)
    assert len(vendor.ended) == 5, "waits known only by name cannot be found in a list"


def stops(vendor: FakeVendor) -> list[SweepingStopped]:
    return [event for event in vendor.events if isinstance(event, SweepingStopped)]


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
async def test_only_a_rejected_filter_ends_sweeping(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock, error: Exception
) -> None:
    waits = start_waits(vendor, watcher, 5)
    vendor.sweeps_fail = error
    await clock.advance(2)
    vendor.sweeps_fail = None
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(3)
    # After a rejected login one read proves that the credentials work.
    probes = ["HS0"] if isinstance(error, AuthenticationError | PermissionDenied) else []
    assert [wait.settled_by for wait in waits].count("sweep") == 5 - len(probes)
    assert (stops(vendor), vendor.reads) == ([], probes)


async def test_a_rejected_filter_ends_sweeping(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    start_waits(vendor, watcher, 5)
    vendor.sweeps_fail = BadRequest(400, 20001, "Status cannot be filtered by")
    await clock.advance(60)
    assert vendor.sweeps == ["scheduled"]
    assert "rejected the status filter" in stops(vendor)[0].reason


async def test_a_rejected_list_scan_does_not_end_sweeping(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 5)
    for wait in waits:
        vendor.put(wait.name, "active")
    vendor.scans_fail = BadRequest(400, 20001)
    await clock.advance(2)
    assert vendor.sweeps == ["scheduled", None]
    vendor.scans_fail = None
    await clock.advance(2)
    assert ({wait.settled_by for wait in waits}, stops(vendor)) == ({"sweep"}, [])


async def hide_from_one_sweep(vendor: FakeVendor, clock: ManualClock, *names: str) -> None:
    """Hide pending SIMs from one sweep, as shifting pages do."""
    vendor.unlisted.update(names)
    await clock.advance(2)
    vendor.unlisted.clear()


async def test_a_sim_that_shifting_pages_hide_occasionally_does_not_end_sweeping(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    start_waits(vendor, watcher, 20)
    for _ in range(3):
        await hide_from_one_sweep(vendor, clock, "HS0")
    assert (len(vendor.reads), stops(vendor)) == (3, [])


async def test_good_sweeps_between_bad_ones_reset_the_count(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 20)
    for _ in range(3):
        await hide_from_one_sweep(vendor, clock, *(wait.name for wait in waits[:8]))
        await clock.advance(4)
    assert stops(vendor) == []


async def test_successive_sweeps_that_omit_pending_sims_end_sweeping(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 20)
    for _ in range(2):
        await hide_from_one_sweep(vendor, clock, *(wait.name for wait in waits[:8]))
    await clock.advance(2)
    assert "turned out to be pending" in stops(vendor)[0].reason


async def test_a_list_that_ignores_its_filter_delays_no_wait(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    vendor.ignores_filter = True
    for number in range(100, 140):
        vendor.put(f"HS{number}", "new")
    waits = start_waits(vendor, watcher, 20)
    await clock.advance(5)
    assert "filter is ignored" in stops(vendor)[0].reason
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(30)
    assert [wait.error for wait in waits] == [None] * 20
    assert len(vendor.ended) == 20


async def test_rows_in_another_status_than_the_filters_count_as_confirmed(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    vendor.ignores_filter = True
    waits = start_waits(vendor, watcher, 20)
    for wait in waits[:4]:
        vendor.put(wait.name, "active")
    await clock.advance(3)
    assert vendor.ended == waits[:4]
    assert all(wait.confirmed for wait in waits[:4])
    assert stops(vendor) == []


async def test_a_list_that_shows_settled_sims_as_pending_is_detected(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 20)
    for wait in waits:
        wait.timeout = 900.0
    await clock.advance(1)
    vendor.stale_rows = list(vendor.sims.values())
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(120)
    assert len(vendor.ended) == 20, "although every list shows them as scheduled"
    assert "settled SIMs as pending" in stops(vendor)[0].reason


async def test_sweeping_resumes_after_an_hour_of_omitted_sims(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 20)
    for wait in waits:
        wait.timeout = 90_000.0
    vendor.unlisted.update(wait.name for wait in waits)
    await clock.advance(3600)
    assert len(stops(vendor)) < 8, "at growing intervals"
    vendor.unlisted.clear()
    await clock.advance(3600)
    vendor.sweeps.clear()
    await clock.advance(600)
    assert vendor.sweeps


async def test_sims_in_a_status_that_no_sweep_filters_by_are_read_singly_while_sweeping_continues(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 20)
    for wait in waits[:6]:
        vendor.put(wait.name, "provisioning")
    await clock.advance(60)
    assert (vendor.ended, stops(vendor)) == ([], [])
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(30)
    assert [wait.error for wait in waits] == [None] * 20
    assert len(vendor.ended) == 20

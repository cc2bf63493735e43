"""Rejected credentials: checked once for all waits of a client, by one probe read at a time."""

from __future__ import annotations

import pytest

from asyncsim.clock import ManualClock
from asyncsim.core.credentials import CredentialsBreaker
from asyncsim.core.settings import Watching
from asyncsim.errors import APIError, AuthenticationError, PermissionDenied, TransitionTimeout
from asyncsim.waiting import Watcher
from tests.waiting.conftest import FakeVendor, start_waits

REJECTED = AuthenticationError(401, 20003, "Authenticate")
DENIED = PermissionDenied(403, 20003, "not yours")


def revoke(vendor: FakeVendor, error: APIError = REJECTED) -> None:
    vendor.errors = dict.fromkeys(vendor.sims, error)
    vendor.sweeps_fail = error


async def test_10_000_waits_send_at_most_10_requests_with_revoked_credentials(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 10_000)
    await clock.advance(1)
    revoke(vendor)
    await clock.advance(40)
    assert {type(wait.error) for wait in waits} == {AuthenticationError}
    assert len(vendor.reads) + len(vendor.sweeps) <= 10
    assert watcher.is_idle


async def test_10_000_single_reads_stop_once_credentials_are_rejected(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    watcher._sweeper.health.stop("the filter is rejected in this test")
    waits = start_waits(vendor, watcher, 10_000)
    revoke(vendor)
    await clock.advance(40)
    assert {type(wait.error) for wait in waits} == {AuthenticationError}
    assert len(vendor.reads) <= 256 + 10, "those in flight at the first rejection, and the probes"


@pytest.mark.parametrize("error", [REJECTED, DENIED])
async def test_credentials_that_are_rejected_for_a_few_seconds_end_no_wait(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock, error: APIError
) -> None:
    waits = start_waits(vendor, watcher, 50)
    await clock.advance(1)
    revoke(vendor, error)
    await clock.advance(9)
    assert vendor.ended == []
    vendor.errors.clear()
    vendor.sweeps_fail = None
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(20)
    assert [wait.error for wait in waits] == [None] * 50


@pytest.mark.parametrize("error", [REJECTED, DENIED])
@pytest.mark.parametrize("number", [3, 50])
async def test_a_rejection_of_one_sim_while_others_are_readable_fails_only_that_sim(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock, error: APIError, number: int
) -> None:
    waits = start_waits(vendor, watcher, number)
    for wait in waits:
        vendor.put(wait.name, "active" if wait is waits[0] else "scheduled")
    vendor.errors["HS0"] = error
    vendor.scans_fail = REJECTED
    await clock.advance(95)
    assert type(waits[0].error) is PermissionDenied
    assert waits[0].error.status == error.status
    assert not any(wait.done for wait in waits[1:])
    assert vendor.reads.count("HS0") >= 3
    for wait in waits[1:]:
        vendor.put(wait.name, "active")
    await clock.advance(20)
    assert [wait.error for wait in waits[1:]] == [None] * (number - 1)


async def test_deadlines_are_kept_while_credentials_are_in_doubt(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    (wait,) = start_waits(vendor, watcher, 1)
    other = vendor.wait("HS9", timeout=5.0)
    watcher.register(other)
    watcher.accepted(other, vendor.put("HS9", "scheduled"))
    revoke(vendor)
    await clock.advance(5)
    assert isinstance(other.error, TransitionTimeout)
    assert isinstance(other.error.__cause__, AuthenticationError)
    assert not wait.done


async def test_later_waits_check_the_credentials_again(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    start_waits(vendor, watcher, 3)
    revoke(vendor)
    await clock.advance(40)
    assert len(vendor.ended) == 3
    vendor.errors.clear()
    waits = start_waits(vendor, watcher, 3)
    for wait in waits:
        vendor.put(wait.name, "active")
    await clock.advance(20)
    assert [wait.error for wait in waits] == [None] * 3


async def test_when_the_probes_wait_is_abandoned_another_wait_probes(
    vendor: FakeVendor, watcher: Watcher, clock: ManualClock
) -> None:
    waits = start_waits(vendor, watcher, 4)
    revoke(vendor)
    await clock.advance(2)
    for wait in waits[:3]:
        watcher.abandon(wait)
    await clock.advance(40)
    assert [type(wait.error) for wait in vendor.ended] == [AuthenticationError]


async def test_a_rejection_of_a_request_from_before_a_rotation_does_not_count(
    clock: ManualClock,
) -> None:
    breaker = CredentialsBreaker(Watching(), clock.now)
    began = clock.now()
    await clock.advance(1)
    breaker.rejected(REJECTED, began)
    assert breaker.rejection is not None
    breaker.reset()
    assert breaker.rejection is None
    breaker.rejected(REJECTED, began)
    assert breaker.rejection is None
    breaker.rejected(REJECTED, clock.now())
    assert breaker.rejection is not None

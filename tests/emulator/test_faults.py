from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import attrs
import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults, Latency
from asyncsim.emulator.settings import FaultSampler
from tests.emulator.api import Api


async def test_a_throttled_request_is_429_and_not_processed(anywhere: Api) -> None:
    sid = anywhere.sims[0].sid
    await anywhere.get()
    anywhere.emulator.faults = Faults(rate_limited=1.0)
    got = await anywhere.update(sid, Status="active")
    assert (got.status, got.code, anywhere.sim(sid).status) == (429, 20429, "new")
    assert "Retry-After" not in got.headers


async def test_retry_after_is_sent_if_set(supersim: Api) -> None:
    supersim.emulator.faults = Faults(rate_limited=1.0, retry_after=2.5)
    assert (await supersim.get()).headers["Retry-After"] == "2.5"


async def test_a_stopped_emulator_delays_no_response_of_a_client_that_has_gone_away(
    clock: ManualClock,
) -> None:
    async with Emulator(sims=1, clock=clock) as emulator:
        emulator.faults = Faults(answer_takes=60.0)
        async with emulator.client() as client:
            request = asyncio.create_task(client.supersim.sims.fetch("HS" + 32 * "0"))
            await clock.settle()
            assert len(emulator.requests) == 1
            request.cancel()
            await asyncio.wait([request])
        await clock.settle()
    # Else the fixture for leaked tasks fails this test, too.
    assert clock.next_timer is None


async def test_the_concurrency_limit_counts_requests_in_flight(
    supersim: Api, clock: ManualClock
) -> None:
    supersim.emulator.faults = Faults(concurrency=2, answer_takes=1.0)
    requests = [asyncio.create_task(supersim.get()) for _ in range(5)]
    await clock.settle()
    assert sorted(task.result().status for task in requests if task.done()) == [429, 429, 429]
    await clock.advance(1)
    assert sorted([(await task).status for task in requests]) == [200, 200, 429, 429, 429]
    later = asyncio.create_task(supersim.get())
    await clock.advance(1)
    assert (await later).status == 200


async def test_a_slow_response_shows_the_state_when_the_request_arrived(
    supersim: Api, clock: ManualClock
) -> None:
    supersim.emulator.faults = Faults(slow=1.0, slow_seconds=30.0)
    sid = supersim.sims[0].sid
    request = asyncio.create_task(supersim.update(sid, Status="active"))
    await clock.advance(29)
    assert not request.done()
    assert supersim.sim(sid).status == "active"
    await clock.advance(1)
    assert (await request).body["status"] == "scheduled"


@pytest.mark.parametrize(("share", "status", "after"), [(0.0, 503, "new"), (1.0, 500, "scheduled")])
async def test_a_server_error_hits_before_or_after_the_work(
    supersim: Api, share: float, status: int, after: str
) -> None:
    supersim.emulator.faults = Faults(server_errors=1.0, share_processed=share)
    sid = supersim.sims[0].sid
    got = await supersim.update(sid, Status="active")
    assert (got.status, got.code) == (status, 20000 + status)
    assert supersim.sim(sid).status == after


@pytest.mark.parametrize(("share", "after"), [(0.0, "new"), (1.0, "scheduled")])
async def test_a_connection_is_dropped_before_or_after_the_work(
    supersim: Api, share: float, after: str
) -> None:
    supersim.emulator.faults = Faults(dropped=1.0, share_processed=share)
    sid = supersim.sims[0].sid
    with pytest.raises(aiohttp.ClientConnectionError):
        await supersim.update(sid, Status="active")
    assert supersim.sim(sid).status == after
    assert supersim.emulator.requests[-1].status is None


async def test_wrong_credentials_are_rejected_before_any_fault(supersim: Api) -> None:
    supersim.emulator.faults = Faults(rate_limited=1.0, dropped=1.0)
    supersim.authorization = None
    assert (await supersim.get()).status == 401


def draws(faults: Faults) -> list[bool]:
    sampler = FaultSampler(faults)
    pairs = [(sampler.hits("slow"), sampler.hits("dropped")) for _ in range(200)]
    return [dropped for _, dropped in pairs]


def test_draws_are_reproducible_and_independent_per_fault() -> None:
    some = draws(Faults(dropped=0.3, seed=7))
    assert some == draws(Faults(dropped=0.3, slow=0.5, seed=7))
    assert some != draws(Faults(dropped=0.3, seed=8))
    assert 30 < sum(some) < 90


@pytest.mark.parametrize("wrong", [{"dropped": 1.5}, {"slow": -0.1}])
def test_a_probability_out_of_range_is_rejected(wrong: Any) -> None:
    with pytest.raises(ValueError, match="probability"):
        Faults(**wrong)


def test_a_latency_depends_on_the_sim_and_its_changes_and_not_on_their_order() -> None:
    latency = Latency()
    first = [latency.of_transition(1, sid, 1) for sid in ("HS1", "HS2")]
    second = [latency.of_transition(1, sid, 1) for sid in ("HS2", "HS1")][::-1]
    assert first == second
    assert latency.of_transition(1, "HS1", 2) != first[0]
    assert latency.of_transition(2, "HS1", 1) != first[0]


def test_latencies_lie_around_their_median_and_within_their_bounds() -> None:
    latency = Latency(transition=20, shortest=5, longest=100)
    drawn = sorted(latency.of_transition(0, f"HS{number}", 1) for number in range(999))
    assert 17 < drawn[499] < 23
    assert drawn[0] >= 5
    assert drawn[-1] <= 100


@pytest.mark.parametrize("fault", [Faults(server_errors=1.0), Faults(dropped=1.0)])
async def test_the_log_records_what_a_fault_hid_from_the_client(
    supersim: Api, fault: Faults
) -> None:
    sid = supersim.sims[0].sid
    for share, hidden in ((0.0, None), (1.0, 202)):
        supersim.emulator.faults = attrs.evolve(fault, share_processed=share)
        with contextlib.suppress(aiohttp.ClientError):
            await supersim.update(sid, Status="active")
        record = supersim.emulator.requests[-1]
        assert (record.hidden, record.sid) == (hidden, sid if hidden else None)

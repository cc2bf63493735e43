"""Waiting without callbacks: single reads, deadlines, stale reads and failures."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from attrs import evolve

from asyncsim import (
    BadRequest,
    ClientClosed,
    Conflict,
    NotFound,
    Timeout,
    TransitionFailed,
    TransitionTimeout,
    UnreachableStatus,
    Watching,
)
from asyncsim.emulator import Behaviour, Faults, Latency
from asyncsim.events import WaitSettled
from tests.integration.conftest import OpenHarness
from tests.integration.harness import LATENCY, TRANSITION, Api, Harness

TWILIO_SUPERSIM = Api("twilio", "supersim")
TWILIO_WIRELESS = Api("twilio", "wireless")
FAILS = Faults(failing_updates=1.0)


async def test_an_update_is_awaited_by_its_record(harness: Harness) -> None:
    sim = await harness.sims.update(harness.sid, status="active")
    settled = await harness.complete(harness.sims.await_transition(sim))
    assert settled.status == "active"
    assert harness.clock.now() >= TRANSITION
    assert harness.is_idle


async def test_an_update_is_awaited_by_sid(harness: Harness) -> None:
    await harness.sims.update(harness.sid, status="active")
    assert (await harness.complete(harness.sims.await_transition(harness.sid))).status == "active"


async def test_update_and_wait_returns_the_settled_sim(harness: Harness) -> None:
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert sim == await harness.sims.fetch(harness.sid)
    assert (sim.status, len(harness.posts())) == ("active", 1)
    (settled,) = harness.events_of(WaitSettled)
    assert (settled.settled_by, settled.error) == ("read", None)
    assert settled.requests == len(harness.posts()) + len(harness.reads()) - 1


async def test_reads_become_less_frequent_over_time(start_harness: OpenHarness, api: Api) -> None:
    slow = evolve(LATENCY, transition=600.0, longest=600.0)
    harness = await start_harness(api, world={"latency": slow})
    await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert len(harness.reads()) < 80


async def test_a_no_op_is_settled_by_its_own_response(harness: Harness) -> None:
    harness.put(harness.sid, status="active")
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, harness.reads(), harness.clock.now()) == ("active", [], 0.0)


async def test_a_synchronous_change_is_settled_by_its_own_response(harness: Harness) -> None:
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, unique_name="depot"))
    assert (sim.unique_name, harness.reads()) == ("depot", [])
    assert await harness.sims.await_transition(sim) is sim
    assert harness.reads() == []


async def test_awaiting_a_settled_record_returns_at_once(harness: Harness) -> None:
    sim = await harness.sims.fetch(harness.sid)
    assert await harness.sims.await_transition(sim) is sim
    assert await harness.sims.await_transition(sim, until="new") is sim
    assert len(harness.reads()) == 1


async def test_awaiting_the_sid_of_a_settled_sim_needs_one_read(harness: Harness) -> None:
    sim = await harness.complete(harness.sims.await_transition(harness.sid))
    assert (sim.status, len(harness.reads()), harness.clock.now()) == ("new", 1, 0.0)


async def test_a_sim_settled_off_target_raises_transition_failed(harness: Harness) -> None:
    with pytest.raises(TransitionFailed, match="settled as 'new'"):
        await harness.complete(harness.sims.await_transition(harness.sid, until="active"))
    sim = await harness.sims.fetch(harness.sid)
    with pytest.raises(TransitionFailed):
        await harness.sims.await_transition(sim, until="active")
    assert harness.clock.now() == 0.0


async def test_an_older_copy_of_a_sim_does_not_end_a_wait(harness: Harness) -> None:
    old = await harness.sims.fetch(harness.sid)
    await harness.clock.advance(5)
    await harness.sims.update(harness.sid, status="active")
    assert (await harness.complete(harness.sims.await_transition(old))).status == "active"


async def test_an_older_copy_at_the_target_does_not_end_a_wait(harness: Harness) -> None:
    blocked = "inactive" if harness.api.product == "supersim" else "suspended"
    harness.put(harness.sid, status="active")
    old = await harness.sims.fetch(harness.sid)
    await harness.clock.advance(5)
    await harness.complete(harness.sims.update_and_wait(harness.sid, status=blocked))
    await harness.sims.update(harness.sid, status="active")
    sim = await harness.complete(harness.sims.await_transition(old))
    assert (sim.status, sim.date_updated > old.date_updated) == ("active", True)


async def test_until_accepts_any_of_several_statuses(harness: Harness) -> None:
    await harness.sims.update(harness.sid, status="active")
    sim = await harness.complete(
        harness.sims.await_transition(harness.sid, until=["ready", "active"])
    )
    assert sim.status == "active"


async def test_a_sim_changed_by_another_client_is_awaited(
    harness: Harness, start_harness: OpenHarness
) -> None:
    other = harness.emulator.client(harness.api.vendor)
    async with other:
        sims: Any = getattr(other, harness.api.product).sims
        sim = await sims.update(harness.sid, status="active")
    assert (await harness.complete(harness.sims.await_transition(sim))).status == "active"


async def test_a_change_of_fleet_or_plan_is_awaited_until_it_shows(harness: Harness) -> None:
    harness.put(harness.sid, status="active")
    supersim = harness.api.product == "supersim"
    keyword, attribute = ("fleet", "fleet_sid") if supersim else ("rate_plan", "rate_plan_sid")
    before = getattr(harness.store[harness.sid], attribute)
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, **{keyword: "other"}))
    assert getattr(sim, attribute) != before
    assert (sim.status, harness.clock.now() >= TRANSITION) == ("active", True)


async def test_an_unknown_fleet_or_plan_is_rejected_before_sending(
    harness: Harness,
) -> None:
    keyword = "fleet" if harness.api.product == "supersim" else "rate_plan"
    with pytest.raises(NotFound, match="no-such"):
        await harness.sims.update(harness.sid, **{keyword: "no-such"})
    assert harness.posts() == []


@pytest.mark.parametrize("moves", [True, False], ids=["date-moves", "date-unchanged"])
async def test_a_change_that_reverts_is_a_failure(
    start_harness: OpenHarness, api: Api, moves: bool
) -> None:
    behaviour = Behaviour(date_updated_moves_on_settle=moves)
    harness = await start_harness(api, world={"faults": FAILS, "behaviour": behaviour})
    with pytest.raises(TransitionFailed) as caught:
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert caught.value.actual.status == "new"
    assert caught.value.requested == {"status": "active"}
    # With an unchanged date it may be an old copy, so it counts only when read again later.
    waited = harness.clock.now() - TRANSITION
    assert waited >= Watching().stale_for if not moves else waited <= Watching().longest
    assert len(harness.posts()) == 1


@pytest.mark.parametrize("moves", [True, False], ids=["date-moves", "date-unchanged"])
async def test_success_is_detected_whether_or_not_the_date_moves(
    start_harness: OpenHarness, api: Api, moves: bool
) -> None:
    behaviour = Behaviour(date_updated_moves_on_settle=moves)
    harness = await start_harness(api, world={"behaviour": behaviour})
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert sim.status == "active"


async def test_a_stale_read_is_read_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await harness.sims.fetch(harness.sid)
    await harness.clock.advance(100)
    fetch, copies = harness.sims.resource.fetch, [old, old]

    async def replica(name: str, **how: Any) -> Any:
        return copies.pop() if copies else await fetch(name, **how)

    monkeypatch.setattr(harness.sims.resource, "fetch", replica)
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, copies) == ("active", [])


async def test_the_deadline_is_kept_and_the_error_has_the_last_record(
    start_harness: OpenHarness, api: Api
) -> None:
    slow = evolve(LATENCY, transition=600.0, longest=600.0)
    harness = await start_harness(api, world={"latency": slow})
    with pytest.raises(TransitionTimeout) as caught:
        await harness.complete(
            harness.sims.update_and_wait(harness.sid, status="active", timeout=100)
        )
    assert harness.clock.now() == 100.0
    assert harness.reads()[-1].seconds == 100.0
    assert caught.value.last.status in harness.sims.kind.pending
    assert isinstance(caught.value, TimeoutError)
    assert harness.is_idle
    sim = await harness.complete(harness.sims.await_transition(harness.sid))
    assert sim.status == "active", "the change continues, and the wait can be resumed"


async def test_the_default_deadline_comes_from_the_settings(
    start_harness: OpenHarness, api: Api
) -> None:
    slow = evolve(LATENCY, transition=600.0, longest=600.0)
    harness = await start_harness(api, world={"latency": slow}, watching=Watching(timeout=50))
    with pytest.raises(TransitionTimeout):
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert harness.clock.now() == 50.0


async def test_the_last_read_at_the_deadline_can_still_succeed(
    start_harness: OpenHarness, api: Api
) -> None:
    rare = Watching(first=1000.0, longest=1000.0)
    harness = await start_harness(api, watching=rare)
    wait = harness.sims.update_and_wait(harness.sid, status="active", timeout=TRANSITION + 1)
    # With the jitter of such a long pause hardly any read comes before the deadline.
    assert (await harness.complete(wait)).status == "active"


async def test_a_deadline_is_kept_when_every_read_fails(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api)
    await harness.sims.update(harness.sid, status="active")
    harness.emulator.faults = Faults(server_errors=1.0)
    with pytest.raises(TransitionTimeout) as caught:
        await harness.complete(harness.sims.await_transition(harness.sid, timeout=60))
    assert caught.value.__cause__ is not None
    assert harness.clock.now() <= 60 + Timeout().request
    assert harness.is_idle


async def test_a_deleted_sim_ends_its_wait(start_harness: OpenHarness) -> None:
    harness = await start_harness(TWILIO_WIRELESS)
    await harness.sims.update(harness.sid, status="active")
    wait = await harness.start(harness.sims.await_transition(harness.sid))
    world: Any = harness.store
    world.remove(harness.sid)
    with pytest.raises(NotFound):
        await harness.complete(wait)


async def test_cancelling_a_wait_frees_its_resources(harness: Harness) -> None:
    wait = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    await harness.clock.settle()
    assert harness.is_idle
    carried_out = harness.clock.next_timer
    assert carried_out == TRANSITION, "the emulator's own timer is the only one left"


async def test_cancelling_during_the_post_frees_its_resources(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api)
    if api.vendor == "kore":
        await harness.sims.fetch(harness.sid)  # fetches the token
    harness.emulator.faults = Faults(answer_takes=5.0)
    wait = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    assert len(harness.posts()) == 1
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    await harness.clock.advance(6)
    assert harness.is_idle


async def test_cancelling_during_a_read_cancels_the_read(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api)
    await harness.sims.update(harness.sid, status="active")
    harness.emulator.faults = Faults(answer_takes=5.0)
    wait = await harness.start(harness.sims.await_transition(harness.sid))
    assert len(harness.reads()) == 1
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    await harness.clock.settle()
    assert harness.is_idle
    await harness.clock.advance(6)  # the emulator's late response is dropped


async def test_closing_the_client_ends_waits_and_says_that_the_change_was_sent(
    harness: Harness,
) -> None:
    wait = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    await harness.clock.advance(5)
    await harness.client.close()
    with pytest.raises(ClientClosed, match=f"{harness.sid}: the client was closed") as caught:
        await wait
    assert caught.value.sent
    assert caught.value.last.status in harness.sims.kind.pending
    assert "had been sent" in str(caught.value)


async def test_closing_the_client_ends_a_wait_and_says_that_no_change_was_sent(
    harness: Harness,
) -> None:
    harness.put(harness.sid, status=min(harness.sims.kind.pending))
    wait = await harness.start(harness.sims.await_transition(harness.sid))
    await harness.client.close()
    with pytest.raises(ClientClosed, match="no change had been sent") as caught:
        await wait
    assert (caught.value.sent, caught.value.last.sid) == (False, harness.sid)


async def test_closing_the_client_while_a_change_is_in_flight_says_that_it_was_sent(
    harness: Harness,
) -> None:
    await harness.sims.fetch(harness.sid)
    harness.emulator.faults = Faults(answer_takes=5.0)
    updates = []
    for change in (harness.sims.update, harness.sims.update_and_wait):
        updates.append(await harness.start(change(harness.sid, status="active")))
        await harness.clock.advance(1)
    await harness.client.close()
    for update in updates:
        with pytest.raises(ClientClosed, match=f"update Sim {harness.sid}: the client") as caught:
            await update
        assert (caught.value.sent, caught.value.last) == (True, None)
    await harness.clock.advance(6)  # the emulator's late response is dropped


async def test_a_closed_client_raises_and_sends_no_change(harness: Harness) -> None:
    await harness.client.close()
    for change in (harness.sims.update, harness.sims.update_and_wait):
        with pytest.raises(ClientClosed, match="no change had been sent") as caught:
            await change(harness.sid, status="active")
        assert not caught.value.sent
    assert harness.posts() == []


async def test_two_waits_for_one_sim_share_their_reads(harness: Harness) -> None:
    sim = await harness.sims.update(harness.sid, status="active")
    waits = [harness.sims.await_transition(sim) for _ in range(10)]
    settled = await harness.complete(asyncio.gather(*waits))
    assert {one.status for one in settled} == {"active"}
    assert len(harness.reads()) < 100


async def test_ready_that_has_advanced_to_active_is_no_failure(
    start_harness: OpenHarness, api: Api
) -> None:
    quick = Latency(transition=TRANSITION, sigma=0, activation=0.5)
    harness = await start_harness(api, world={"latency": quick}, watching=Watching(first=30))
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="ready"))
    assert sim.status in ("ready", "active")


async def test_ready_is_awaited_until_active_for_months(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api, watching=Watching(longest=24 * 3600.0))
    months = 91 * 24 * 3600.0
    wait = harness.sims.update_and_wait(harness.sid, status="ready", until="active", timeout=months)
    assert (await harness.complete(wait, within=months)).status == "active"
    assert len(harness.reads()) < 120


async def test_deactivated_is_awaited_until_canceled(start_harness: OpenHarness) -> None:
    harness = await start_harness(TWILIO_WIRELESS, watching=Watching(longest=3600.0))
    harness.put(harness.sid, status="active")
    days = 4 * 24 * 3600.0
    wait = harness.sims.update_and_wait(
        harness.sid, status="deactivated", until="canceled", timeout=days
    )
    assert (await harness.complete(wait, within=days)).status == "canceled"
    assert harness.clock.now() >= 72 * 3600


async def test_an_unreachable_target_is_rejected_before_sending(
    harness: Harness,
) -> None:
    with pytest.raises(UnreachableStatus, match="nothing was sent"):
        await harness.sims.update_and_wait(harness.sid, status="active", until="ready")
    assert list(harness.emulator.requests) == []


async def test_a_settled_sim_that_cannot_reach_the_target_raises_at_once(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(TWILIO_SUPERSIM)
    harness.put(harness.sid, status="active")
    sim = await harness.sims.fetch(harness.sid)
    with pytest.raises(UnreachableStatus, match="from 'active'"):
        await harness.sims.await_transition(sim, until="ready")


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_connectivity_reset_is_awaited_until_it_is_accepted(
    start_harness: OpenHarness, vendor: Literal["twilio", "kore"]
) -> None:
    harness = await start_harness(Api(vendor, "wireless"), listens=True)
    harness.put(harness.sid, status="active")
    sim = await harness.sims.update(harness.sid, reset_status="resetting")
    assert sim.reset_status == "resetting"
    sim = await harness.complete(harness.sims.await_transition(sim))
    assert (sim.reset_status, sim.status) == (None, "active")
    assert harness.clock.now() >= LATENCY.reset
    assert len(harness.reads()) > 1, (
        "no callback is documented, so it is read at the usual interval"
    )


async def test_a_reset_together_with_a_status_is_rejected(start_harness: OpenHarness) -> None:
    harness = await start_harness(TWILIO_WIRELESS)
    with pytest.raises(BadRequest) as caught:
        await harness.sims.update_and_wait(harness.sid, status="active", reset_status="resetting")
    assert caught.value.code == 33121
    assert harness.is_idle


async def test_update_and_wait_raises_a_conflict_without_waiting(harness: Harness) -> None:
    await harness.sims.update(harness.sid, status="active")
    with pytest.raises(Conflict):
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="ready"))
    assert (harness.clock.now(), harness.is_idle) == (0.0, True)


async def test_misspelt_arguments_are_rejected_before_sending(harness: Harness) -> None:
    sims, sid = harness.sims, harness.sid
    with pytest.raises(TypeError, match="did you mean 'status'"):
        await sims.update(sid, statsu="active")
    with pytest.raises(ValueError, match="did you mean 'active'"):
        await sims.update_and_wait(sid, status="activ")
    with pytest.raises(ValueError, match=r"until.*activ.*can be new"):
        await sims.await_transition(sid, until="activ")
    with pytest.raises(ValueError, match="until"):
        await sims.update_and_wait(sid, status="active", until=[])
    for never in (0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            await sims.await_transition(sid, timeout=never)
    with pytest.raises(TypeError, match="pass a Sim or its SID, not int"):
        await sims.await_transition(7)
    assert list(harness.emulator.requests) == []


async def test_a_sid_of_the_other_product_is_rejected_with_its_namespace(harness: Harness) -> None:
    other = "wireless" if harness.api.product == "supersim" else "supersim"
    sid = next(iter(harness.emulator.world(harness.api.vendor).sims(other)))
    for verb in (harness.sims.fetch, harness.sims.update, harness.sims.await_transition):
        with pytest.raises(ValueError, match=rf"client\.{other}\.sims"):
            await verb(sid)
    assert list(harness.emulator.requests) == []


async def test_a_change_that_cannot_be_encoded_leaves_no_wait(harness: Harness) -> None:
    await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    with pytest.raises(ValueError):
        await harness.sims.update_and_wait(harness.sid, unique_name="\ud800")
    outcomes = await harness.collect(
        harness.sims.update_many({harness.sid: {"unique_name": "\ud800"}})
    )
    assert isinstance(outcomes[harness.sid].error, ValueError)
    assert len(harness.sims.resource.watcher) == 0
    await harness.clock.settle()
    assert harness.is_idle

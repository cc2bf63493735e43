"""Waiting without callbacks: single reads, deadlines, what is stale and what has failed."""

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
from tests.integration.conftest import OpenStage
from tests.integration.stage import LATENCY, TRANSITION, Place, Stage

TWILIO_SUPERSIM = Place("twilio", "supersim")
TWILIO_WIRELESS = Place("twilio", "wireless")
FAILS = Faults(failing_updates=1.0)


async def test_an_update_is_awaited_with_the_sim_it_returned(stage: Stage) -> None:
    sim = await stage.sims.update(stage.sid, status="active")
    settled = await stage.play(stage.sims.await_transition(sim))
    assert settled.status == "active"
    assert stage.clock.now() >= TRANSITION
    assert stage.is_at_rest


async def test_an_update_is_awaited_by_sid(stage: Stage) -> None:
    await stage.sims.update(stage.sid, status="active")
    assert (await stage.play(stage.sims.await_transition(stage.sid))).status == "active"


async def test_update_and_wait_returns_the_settled_sim(stage: Stage) -> None:
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert sim == await stage.sims.fetch(stage.sid)
    assert (sim.status, len(stage.posts())) == ("active", 1)
    (settled,) = stage.told(WaitSettled)
    assert (settled.settled_by, settled.error) == ("read", None)
    assert settled.requests == len(stage.posts()) + len(stage.reads()) - 1


async def test_reads_grow_rarer_as_time_goes_by(set_stage: OpenStage, place: Place) -> None:
    slow = evolve(LATENCY, transition=600.0, longest=600.0)
    stage = await set_stage(place, world={"latency": slow})
    await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert len(stage.reads()) < 80


async def test_a_no_op_is_settled_by_its_own_answer(stage: Stage) -> None:
    stage.put(stage.sid, status="active")
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, stage.reads(), stage.clock.now()) == ("active", [], 0.0)


async def test_a_synchronous_change_is_settled_by_its_own_answer(stage: Stage) -> None:
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, unique_name="depot"))
    assert (sim.unique_name, stage.reads()) == ("depot", [])
    assert await stage.sims.await_transition(sim) is sim
    assert stage.reads() == []


async def test_a_sim_already_settled_returns_at_once(stage: Stage) -> None:
    sim = await stage.sims.fetch(stage.sid)
    assert await stage.sims.await_transition(sim) is sim
    assert await stage.sims.await_transition(sim, until="new") is sim
    assert len(stage.reads()) == 1


async def test_a_sid_already_settled_costs_one_read(stage: Stage) -> None:
    sim = await stage.play(stage.sims.await_transition(stage.sid))
    assert (sim.status, len(stage.reads()), stage.clock.now()) == ("new", 1, 0.0)


async def test_a_settled_sim_that_misses_the_target_has_failed(stage: Stage) -> None:
    with pytest.raises(TransitionFailed, match="settled as 'new'"):
        await stage.play(stage.sims.await_transition(stage.sid, until="active"))
    sim = await stage.sims.fetch(stage.sid)
    with pytest.raises(TransitionFailed):
        await stage.sims.await_transition(sim, until="active")
    assert stage.clock.now() == 0.0


async def test_an_older_copy_of_a_sim_does_not_end_a_wait(stage: Stage) -> None:
    old = await stage.sims.fetch(stage.sid)
    await stage.clock.advance(5)
    await stage.sims.update(stage.sid, status="active")
    assert (await stage.play(stage.sims.await_transition(old))).status == "active"


async def test_an_older_copy_that_looks_like_the_goal_does_not_end_a_wait(stage: Stage) -> None:
    blocked = "inactive" if stage.place.product == "supersim" else "suspended"
    stage.put(stage.sid, status="active")
    old = await stage.sims.fetch(stage.sid)
    await stage.clock.advance(5)
    await stage.play(stage.sims.update_and_wait(stage.sid, status=blocked))
    await stage.sims.update(stage.sid, status="active")
    sim = await stage.play(stage.sims.await_transition(old))
    assert (sim.status, sim.date_updated > old.date_updated) == ("active", True)


async def test_any_of_several_statuses_will_do(stage: Stage) -> None:
    await stage.sims.update(stage.sid, status="active")
    sim = await stage.play(stage.sims.await_transition(stage.sid, until=["ready", "active"]))
    assert sim.status == "active"


async def test_a_pending_sim_that_nobody_here_changed_is_awaited(
    stage: Stage, set_stage: OpenStage
) -> None:
    other = stage.emulator.client(stage.place.vendor)
    async with other:
        sims: Any = getattr(other, stage.place.product).sims
        sim = await sims.update(stage.sid, status="active")
    assert (await stage.play(stage.sims.await_transition(sim))).status == "active"


async def test_a_change_of_fleet_or_plan_is_awaited_until_it_shows(stage: Stage) -> None:
    stage.put(stage.sid, status="active")
    supersim = stage.place.product == "supersim"
    keyword, attribute = ("fleet", "fleet_sid") if supersim else ("rate_plan", "rate_plan_sid")
    before = getattr(stage.store[stage.sid], attribute)
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, **{keyword: "other"}))
    assert getattr(sim, attribute) != before
    assert (sim.status, stage.clock.now() >= TRANSITION) == ("active", True)


async def test_an_unknown_fleet_or_plan_is_found_out_before_anything_is_sent(stage: Stage) -> None:
    keyword = "fleet" if stage.place.product == "supersim" else "rate_plan"
    with pytest.raises(NotFound, match="no-such"):
        await stage.sims.update(stage.sid, **{keyword: "no-such"})
    assert stage.posts() == []


@pytest.mark.parametrize("moves", [True, False], ids=["date-moves", "date-stands-still"])
async def test_a_change_that_reverts_is_a_failure(
    set_stage: OpenStage, place: Place, moves: bool
) -> None:
    behaviour = Behaviour(date_updated_moves_on_settle=moves)
    stage = await set_stage(place, world={"faults": FAILS, "behaviour": behaviour})
    with pytest.raises(TransitionFailed) as caught:
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert caught.value.actual.status == "new"
    assert caught.value.requested == {"status": "active"}
    # Unmoved it could be an old copy, so it counts only when it is seen again later.
    waited = stage.clock.now() - TRANSITION
    assert waited >= Watching().stale_for if not moves else waited <= Watching().longest
    assert len(stage.posts()) == 1


@pytest.mark.parametrize("moves", [True, False], ids=["date-moves", "date-stands-still"])
async def test_success_is_seen_whether_or_not_the_date_moves(
    set_stage: OpenStage, place: Place, moves: bool
) -> None:
    behaviour = Behaviour(date_updated_moves_on_settle=moves)
    stage = await set_stage(place, world={"behaviour": behaviour})
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert sim.status == "active"


async def test_a_stale_read_is_read_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    old = await stage.sims.fetch(stage.sid)
    await stage.clock.advance(100)
    fetch, copies = stage.sims.resource.fetch, [old, old]

    async def replica(name: str, **how: Any) -> Any:
        return copies.pop() if copies else await fetch(name, **how)

    monkeypatch.setattr(stage.sims.resource, "fetch", replica)
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, copies) == ("active", [])


async def test_the_deadline_is_kept_and_the_last_state_is_told(
    set_stage: OpenStage, place: Place
) -> None:
    slow = evolve(LATENCY, transition=600.0, longest=600.0)
    stage = await set_stage(place, world={"latency": slow})
    with pytest.raises(TransitionTimeout) as caught:
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active", timeout=100))
    assert stage.clock.now() == 100.0
    assert stage.reads()[-1].seconds == 100.0
    assert caught.value.last.status in stage.sims.kind.pending
    assert isinstance(caught.value, TimeoutError)
    assert stage.is_at_rest
    sim = await stage.play(stage.sims.await_transition(stage.sid))
    assert sim.status == "active", "the change goes on, and so can the wait"


async def test_the_default_deadline_is_that_of_the_settings(
    set_stage: OpenStage, place: Place
) -> None:
    slow = evolve(LATENCY, transition=600.0, longest=600.0)
    stage = await set_stage(place, world={"latency": slow}, watching=Watching(timeout=50))
    with pytest.raises(TransitionTimeout):
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert stage.clock.now() == 50.0


async def test_the_last_read_can_still_save_a_wait(set_stage: OpenStage, place: Place) -> None:
    rare = Watching(first=1000.0, longest=1000.0)
    stage = await set_stage(place, watching=rare)
    wait = stage.sims.update_and_wait(stage.sid, status="active", timeout=TRANSITION + 1)
    # The jitter of so long a pause hardly ever lets a read come before the deadline.
    assert (await stage.play(wait)).status == "active"


async def test_a_deadline_passes_even_when_nothing_can_be_read(
    set_stage: OpenStage, place: Place
) -> None:
    stage = await set_stage(place)
    await stage.sims.update(stage.sid, status="active")
    stage.emulator.faults = Faults(server_errors=1.0)
    with pytest.raises(TransitionTimeout) as caught:
        await stage.play(stage.sims.await_transition(stage.sid, timeout=60))
    assert caught.value.__cause__ is not None
    assert stage.clock.now() <= 60 + Timeout().request
    assert stage.is_at_rest


async def test_a_sim_that_vanishes_ends_its_wait(set_stage: OpenStage) -> None:
    stage = await set_stage(TWILIO_WIRELESS)
    await stage.sims.update(stage.sid, status="active")
    wait = await stage.start(stage.sims.await_transition(stage.sid))
    world: Any = stage.store
    world.remove(stage.sid)
    with pytest.raises(NotFound):
        await stage.play(wait)


async def test_cancelling_a_wait_frees_everything_it_held(stage: Stage) -> None:
    wait = await stage.start(stage.sims.update_and_wait(stage.sid, status="active"))
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    await stage.clock.settle()
    assert stage.is_at_rest
    carried_out = stage.clock.next_timer
    assert carried_out == TRANSITION, "the emulator's own timer is the only one left"


async def test_cancelling_during_the_post_frees_everything(
    set_stage: OpenStage, place: Place
) -> None:
    stage = await set_stage(place)
    if place.vendor == "kore":
        await stage.sims.fetch(stage.sid)  # so that the token is at hand
    stage.emulator.faults = Faults(answer_takes=5.0)
    wait = await stage.start(stage.sims.update_and_wait(stage.sid, status="active"))
    assert len(stage.posts()) == 1
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    await stage.clock.advance(6)
    assert stage.is_at_rest


async def test_cancelling_during_a_read_stops_the_read(set_stage: OpenStage, place: Place) -> None:
    stage = await set_stage(place)
    await stage.sims.update(stage.sid, status="active")
    stage.emulator.faults = Faults(answer_takes=5.0)
    wait = await stage.start(stage.sims.await_transition(stage.sid))
    assert len(stage.reads()) == 1
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    await stage.clock.settle()
    assert stage.is_at_rest
    await stage.clock.advance(6)  # the emulator's answer, to nobody


async def test_closing_the_client_ends_waits_and_tells_that_the_change_was_sent(
    stage: Stage,
) -> None:
    wait = await stage.start(stage.sims.update_and_wait(stage.sid, status="active"))
    await stage.clock.advance(5)
    await stage.client.close()
    with pytest.raises(ClientClosed, match=f"{stage.sid}: the client was closed") as caught:
        await wait
    assert caught.value.sent
    assert caught.value.last.status in stage.sims.kind.pending
    assert "had been sent" in str(caught.value)


async def test_closing_the_client_ends_a_wait_for_others_changes_and_tells_that_none_was_sent(
    stage: Stage,
) -> None:
    stage.put(stage.sid, status=min(stage.sims.kind.pending))
    wait = await stage.start(stage.sims.await_transition(stage.sid))
    await stage.client.close()
    with pytest.raises(ClientClosed, match="no change had been sent") as caught:
        await wait
    assert (caught.value.sent, caught.value.last.sid) == (False, stage.sid)


async def test_closing_the_client_while_a_change_is_in_flight_tells_that_it_was_sent(
    stage: Stage,
) -> None:
    await stage.sims.fetch(stage.sid)
    stage.emulator.faults = Faults(answer_takes=5.0)
    updates = []
    for change in (stage.sims.update, stage.sims.update_and_wait):
        updates.append(await stage.start(change(stage.sid, status="active")))
        await stage.clock.advance(1)
    await stage.client.close()
    for update in updates:
        with pytest.raises(ClientClosed, match=f"update Sim {stage.sid}: the client") as caught:
            await update
        assert (caught.value.sent, caught.value.last) == (True, None)
    await stage.clock.advance(6)  # the emulator's response, to nobody


async def test_a_closed_client_sends_no_change_and_says_so(stage: Stage) -> None:
    await stage.client.close()
    for change in (stage.sims.update, stage.sims.update_and_wait):
        with pytest.raises(ClientClosed, match="no change had been sent") as caught:
            await change(stage.sid, status="active")
        assert not caught.value.sent
    assert stage.posts() == []


async def test_two_waits_for_one_sim_share_their_reads(stage: Stage) -> None:
    sim = await stage.sims.update(stage.sid, status="active")
    waits = [stage.sims.await_transition(sim) for _ in range(10)]
    settled = await stage.play(asyncio.gather(*waits))
    assert {one.status for one in settled} == {"active"}
    assert len(stage.reads()) < 100


async def test_ready_that_became_active_meanwhile_is_no_failure(
    set_stage: OpenStage, place: Place
) -> None:
    quick = Latency(transition=TRANSITION, sigma=0, activation=0.5)
    stage = await set_stage(place, world={"latency": quick}, watching=Watching(first=30))
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="ready"))
    assert sim.status in ("ready", "active")


async def test_ready_is_awaited_until_active_for_months(set_stage: OpenStage, place: Place) -> None:
    stage = await set_stage(place, watching=Watching(longest=24 * 3600.0))
    months = 91 * 24 * 3600.0
    wait = stage.sims.update_and_wait(stage.sid, status="ready", until="active", timeout=months)
    assert (await stage.play(wait, within=months)).status == "active"
    assert len(stage.reads()) < 120


async def test_deactivated_is_awaited_until_canceled(set_stage: OpenStage) -> None:
    stage = await set_stage(TWILIO_WIRELESS, watching=Watching(longest=3600.0))
    stage.put(stage.sid, status="active")
    days = 4 * 24 * 3600.0
    wait = stage.sims.update_and_wait(
        stage.sid, status="deactivated", until="canceled", timeout=days
    )
    assert (await stage.play(wait, within=days)).status == "canceled"
    assert stage.clock.now() >= 72 * 3600


async def test_a_target_that_no_request_leads_to_is_refused_before_sending(stage: Stage) -> None:
    with pytest.raises(UnreachableStatus, match="nothing was sent"):
        await stage.sims.update_and_wait(stage.sid, status="active", until="ready")
    assert list(stage.emulator.requests) == []


async def test_a_settled_sim_with_no_way_to_the_target_is_told_apart(set_stage: OpenStage) -> None:
    stage = await set_stage(TWILIO_SUPERSIM)
    stage.put(stage.sid, status="active")
    sim = await stage.sims.fetch(stage.sid)
    with pytest.raises(UnreachableStatus, match="from 'active'"):
        await stage.sims.await_transition(sim, until="ready")


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_connectivity_reset_is_awaited_until_it_is_accepted(
    set_stage: OpenStage, vendor: Literal["twilio", "kore"]
) -> None:
    stage = await set_stage(Place(vendor, "wireless"), listens=True)
    stage.put(stage.sid, status="active")
    sim = await stage.sims.update(stage.sid, reset_status="resetting")
    assert sim.reset_status == "resetting"
    sim = await stage.play(stage.sims.await_transition(sim))
    assert (sim.reset_status, sim.status) == (None, "active")
    assert stage.clock.now() >= LATENCY.reset
    assert len(stage.reads()) > 1, "no callback is promised, so it is read at the usual pace"


async def test_a_reset_and_a_status_at_once_are_refused(set_stage: OpenStage) -> None:
    stage = await set_stage(TWILIO_WIRELESS)
    with pytest.raises(BadRequest) as caught:
        await stage.sims.update_and_wait(stage.sid, status="active", reset_status="resetting")
    assert caught.value.code == 33121
    assert stage.is_at_rest


async def test_update_and_wait_raises_a_conflict_and_waits_for_nothing(stage: Stage) -> None:
    await stage.sims.update(stage.sid, status="active")
    with pytest.raises(Conflict):
        await stage.play(stage.sims.update_and_wait(stage.sid, status="ready"))
    assert (stage.clock.now(), stage.is_at_rest) == (0.0, True)


async def test_wrong_words_are_refused_before_anything_is_sent(stage: Stage) -> None:
    sims, sid = stage.sims, stage.sid
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
    with pytest.raises(TypeError, match="Sim or its SID is awaited, not int"):
        await sims.await_transition(7)
    assert list(stage.emulator.requests) == []


async def test_a_sid_of_the_other_product_is_refused_with_directions(stage: Stage) -> None:
    other = "wireless" if stage.place.product == "supersim" else "supersim"
    sid = next(iter(stage.emulator.world(stage.place.vendor).sims(other)))
    for verb in (stage.sims.fetch, stage.sims.update, stage.sims.await_transition):
        with pytest.raises(ValueError, match=rf"client\.{other}\.sims"):
            await verb(sid)
    assert list(stage.emulator.requests) == []


async def test_a_change_that_cannot_be_written_down_leaves_no_wait_behind(stage: Stage) -> None:
    await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    with pytest.raises(ValueError):
        await stage.sims.update_and_wait(stage.sid, unique_name="\ud800")
    outcomes = await stage.collect(stage.sims.update_many({stage.sid: {"unique_name": "\ud800"}}))
    assert isinstance(outcomes[stage.sid].error, ValueError)
    assert len(stage.sims.resource.watcher) == 0
    await stage.clock.settle()
    assert stage.is_at_rest

"""A POST whose response is lost: the SIM is read before anything is resent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import evolve

from asyncsim import ConnectionFailed, RetryPolicy, ServerError, TransitionFailed
from asyncsim.emulator import Faults, RequestRecord
from tests.integration.conftest import OpenStage
from tests.integration.stage import LATENCY, TRANSITION, Place, Stage

ACTIVE = {"status": "active"}
LOST_AFTER: dict[str, Any] = {"share_processed": 1.0}
LOST_BEFORE: dict[str, Any] = {"share_processed": 0.0}


async def lose_first_post(stage: Stage, **faults: Any) -> None:
    """From now on the first POST is lost, and nothing after it."""
    if stage.place.vendor == "kore":
        await stage.sims.fetch(stage.sid)  # the token's own POST must not be the one
    emulator = stage.emulator
    emulator.faults = Faults(**faults)
    append = emulator.requests.append

    def note(entry: RequestRecord) -> None:
        append(entry)
        if entry.method == "POST" and entry.product:
            emulator.faults = Faults()

    emulator.requests.append = note  # type: ignore[method-assign]  # a spy


@pytest.mark.parametrize("fault", ["dropped", "server_errors"])
async def test_a_change_that_was_accepted_is_not_sent_again(stage: Stage, fault: str) -> None:
    await lose_first_post(stage, **{fault: 1.0}, **LOST_AFTER)
    sim = await stage.play(stage.sims.update(stage.sid, status="active"))
    assert sim.status in stage.sims.kind.pending
    assert len(stage.posts()) == 1
    assert (await stage.play(stage.sims.await_transition(sim))).status == "active"


@pytest.mark.parametrize("fault", ["dropped", "server_errors"])
async def test_a_change_that_was_not_carried_out_is_sent_again(stage: Stage, fault: str) -> None:
    await lose_first_post(stage, **{fault: 1.0}, **LOST_BEFORE)
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, len(stage.posts())) == ("active", 2)


async def test_a_change_that_was_accepted_and_settled_meanwhile_is_not_sent_again(
    set_stage: OpenStage, place: Place
) -> None:
    quick = evolve(LATENCY, transition=0.01, shortest=0.0)
    stage = await set_stage(
        place, world={"latency": quick}, retry=RetryPolicy(base=100.0, cap=100.0)
    )
    await lose_first_post(stage, dropped=1.0, **LOST_AFTER)
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, len(stage.posts())) == ("active", 1)


async def test_ready_until_active_is_not_sent_again_when_it_is_ready(
    set_stage: OpenStage,
) -> None:
    quick = evolve(LATENCY, transition=0.01, shortest=0.0, activation=600.0)
    stage = await set_stage(
        Place("twilio", "wireless"),
        world={"latency": quick},
        retry=RetryPolicy(base=100.0, cap=100.0),
    )
    await lose_first_post(stage, dropped=1.0, **LOST_AFTER)
    wait = stage.sims.update_and_wait(stage.sid, status="ready", until="active")
    assert (await stage.play(wait)).status == "active"
    assert len(stage.posts()) == 1


async def test_a_name_change_whose_answer_was_lost_is_seen_in_a_read(stage: Stage) -> None:
    await lose_first_post(stage, dropped=1.0, **LOST_AFTER)
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, unique_name="depot"))
    assert (sim.unique_name, len(stage.posts())) == ("depot", 1)


async def test_a_sim_that_has_its_new_name_already_is_found_under_it(stage: Stage) -> None:
    stage.put(stage.sid, unique_name="old name")
    await lose_first_post(stage, dropped=1.0, **LOST_AFTER)
    change = stage.sims.update_and_wait("old name", unique_name="new name")
    sim = await stage.play(change)
    assert (sim.sid, sim.unique_name) == (stage.sid, "new name")
    assert (
        len([one for one in stage.emulator.requests if one.method == "POST" and one.product]) == 1
    )


async def test_no_sim_that_accepted_the_first_post_gets_a_second(
    set_stage: OpenStage, place: Place
) -> None:
    stage = await set_stage(
        place,
        sims=60,
        world={"faults": Faults(dropped=0.4, share_processed=0.5, seed=11)},
        retry=RetryPolicy(attempts=30),  # which request is struck is chance; none may give up
    )
    outcomes = await stage.collect(
        stage.sims.update_many(((sid, ACTIVE) for sid in stage.sids), window=20)
    )
    assert all(one.ok for one in outcomes.values())
    for sid in stage.sids:
        # The log names the record only for requests that were carried out.
        carried_out = [one for one in stage.posts(sid) if one.sid == sid]
        assert len(carried_out) == 1
        assert stage.posts(sid)[-1] is carried_out[0], "and it was the last"
    assert len([one for one in stage.emulator.requests if one.method == "POST"]) > 60


async def test_what_looked_like_ours_and_failed_is_sent_once_more(stage: Stage) -> None:
    await lose_first_post(stage, dropped=1.0, failing_updates=1.0, **LOST_AFTER)
    sim = await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert (sim.status, len(stage.posts())) == ("active", 2)


async def test_what_fails_twice_has_failed(stage: Stage) -> None:
    await lose_first_post(stage, dropped=1.0, failing_updates=1.0, **LOST_AFTER)
    append = stage.emulator.requests.append

    def note(entry: RequestRecord) -> None:
        append(entry)
        stage.emulator.faults = Faults(failing_updates=1.0)

    stage.emulator.requests.append = note  # type: ignore[method-assign]  # a spy
    with pytest.raises(TransitionFailed):
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert len(stage.posts()) == 2


async def test_update_many_sends_what_looked_like_ours_and_failed_once_more(
    stage: Stage,
) -> None:
    await lose_first_post(stage, dropped=1.0, failing_updates=1.0, **LOST_AFTER)
    outcomes = await stage.collect(stage.sims.update_many({stage.sid: {"status": "active"}}))
    outcome = outcomes[stage.sid]
    assert (outcome.ok, len(stage.posts())) == (True, 2)
    assert outcome.seconds >= 2 * TRANSITION, "the time of both counts"
    sent = [one for one in stage.emulator.requests if one.path.endswith(stage.sid)]
    warm_up = 1 if stage.place.vendor == "kore" else 0
    assert outcome.requests == len(sent) - warm_up, "so do the requests of both"


async def go_down(stage: Stage, share_processed: float = 1.0) -> None:
    """POSTs are carried out and not answered, and from then on nothing is answered."""
    if stage.place.vendor == "kore":
        await stage.sims.fetch(stage.sid)
    stage.emulator.faults = Faults(dropped=1.0, share_processed=share_processed)


def come_back(stage: Stage) -> None:
    stage.emulator.faults = Faults()


@pytest.mark.parametrize("listens", [False, True])
async def test_a_change_is_looked_for_until_the_api_answers_again(
    set_stage: OpenStage, place: Place, *, listens: bool
) -> None:
    stage = await set_stage(place, listens=listens)
    await go_down(stage)
    stage.clock.call_at(120.0, lambda: come_back(stage))
    waited = stage.sims.update_and_wait(stage.sid, status="active")
    many = stage.collect(stage.sims.update_many(dict.fromkeys(stage.sids[1:], ACTIVE)))
    sim, outcomes = await stage.play(asyncio.gather(waited, many))
    assert sim.status == "active"
    assert [one.ok for one in outcomes.values()] == [True, True]
    assert [len(stage.posts(sid)) for sid in stage.sids] == [1, 1, 1]
    assert 120.0 <= stage.clock.now() < 200.0


async def test_looking_for_a_change_ends_at_its_deadline(stage: Stage) -> None:
    await go_down(stage)
    with pytest.raises(ConnectionFailed, match=f"update Sim {stage.sid}"):
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active", timeout=60.0))
    assert 60.0 <= stage.clock.now() < 150.0
    assert stage.is_at_rest


async def test_closing_ends_looking_for_a_change(stage: Stage) -> None:
    await go_down(stage)
    work = stage.sims.update_many({stage.sid: ACTIVE})
    first = await stage.start(anext(work))
    await stage.clock.advance(60.0)
    await stage.play(work.aclose())
    asked = len(stage.emulator.requests)
    with pytest.raises(StopAsyncIteration):
        await first
    await stage.clock.advance(60.0)
    assert (len(stage.emulator.requests), work.unfinished) == (asked, {stage.sid: ACTIVE})
    assert stage.is_at_rest


@pytest.mark.parametrize(
    ("fault", "error"), [("dropped", ConnectionFailed), ("server_errors", ServerError)]
)
async def test_an_endless_failure_is_raised_in_the_end(
    stage: Stage, fault: str, error: type[Exception]
) -> None:
    await stage.sims.fetch(stage.sid)
    faults: dict[str, Any] = {fault: 1.0, **LOST_BEFORE}
    stage.emulator.faults = Faults(**faults)
    with pytest.raises(error, match=f"update Sim {stage.sid}"):
        await stage.play(stage.sims.update_and_wait(stage.sid, status="active"))
    assert stage.is_at_rest


async def test_a_lost_delete_that_was_carried_out_is_a_success(set_stage: OpenStage) -> None:
    stage = await set_stage(Place("twilio", "wireless"), world={"faults": Faults(dropped=1.0,
        share_processed=1.0)})  # fmt: skip
    sid = stage.sid
    task = await stage.start(stage.sims.delete(sid))
    stage.emulator.faults = Faults()
    await stage.play(task)
    assert sid not in stage.store


async def test_a_lost_registration_that_was_carried_out_is_a_success(
    set_stage: OpenStage,
) -> None:
    stage = await set_stage(Place("twilio", "supersim"))
    card = stage.emulator.world("twilio").registrable[0]
    stage.emulator.faults = Faults(dropped=1.0, share_processed=1.0)
    keywords = {"iccid": card.iccid, "registration_code": card.registration_code}
    task = await stage.start(stage.sims.register(**keywords))
    stage.emulator.faults = Faults()
    assert (await stage.play(task)).iccid == card.iccid

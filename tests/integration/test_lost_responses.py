"""A POST whose response is lost: the SIM is read before anything is resent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import evolve

from asyncsim import ConnectionFailed, RetryPolicy, ServerError, TransitionFailed
from asyncsim.emulator import Faults, RequestRecord
from tests.integration.conftest import OpenHarness
from tests.integration.harness import LATENCY, TRANSITION, Api, Harness

ACTIVE = {"status": "active"}
LOST_AFTER: dict[str, Any] = {"share_processed": 1.0}
LOST_BEFORE: dict[str, Any] = {"share_processed": 0.0}


async def lose_first_post(harness: Harness, **faults: Any) -> None:
    """Lose the next POST's response, and no later one."""
    if harness.api.vendor == "kore":
        await harness.sims.fetch(harness.sid)  # the POST for the token must not be the lost one
    emulator = harness.emulator
    emulator.faults = Faults(**faults)
    append = emulator.requests.append

    def record(entry: RequestRecord) -> None:
        append(entry)
        if entry.method == "POST" and entry.product:
            emulator.faults = Faults()

    emulator.requests.append = record  # type: ignore[method-assign]  # a spy


@pytest.mark.parametrize("fault", ["dropped", "server_errors"])
async def test_an_accepted_change_is_not_resent(harness: Harness, fault: str) -> None:
    await lose_first_post(harness, **{fault: 1.0}, **LOST_AFTER)
    sim = await harness.complete(harness.sims.update(harness.sid, status="active"))
    assert sim.status in harness.sims.kind.pending
    assert len(harness.posts()) == 1
    assert (await harness.complete(harness.sims.await_transition(sim))).status == "active"


@pytest.mark.parametrize("fault", ["dropped", "server_errors"])
async def test_a_change_that_was_not_carried_out_is_resent(harness: Harness, fault: str) -> None:
    await lose_first_post(harness, **{fault: 1.0}, **LOST_BEFORE)
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, len(harness.posts())) == ("active", 2)


async def test_an_accepted_change_that_has_settled_is_not_resent(
    start_harness: OpenHarness, api: Api
) -> None:
    fast = evolve(LATENCY, transition=0.01, shortest=0.0)
    harness = await start_harness(
        api, world={"latency": fast}, retry=RetryPolicy(base=100.0, cap=100.0)
    )
    await lose_first_post(harness, dropped=1.0, **LOST_AFTER)
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, len(harness.posts())) == ("active", 1)


async def test_ready_until_active_is_not_resent_when_it_is_ready(
    start_harness: OpenHarness,
) -> None:
    fast = evolve(LATENCY, transition=0.01, shortest=0.0, activation=600.0)
    harness = await start_harness(
        Api("twilio", "wireless"),
        world={"latency": fast},
        retry=RetryPolicy(base=100.0, cap=100.0),
    )
    await lose_first_post(harness, dropped=1.0, **LOST_AFTER)
    wait = harness.sims.update_and_wait(harness.sid, status="ready", until="active")
    assert (await harness.complete(wait)).status == "active"
    assert len(harness.posts()) == 1


async def test_a_name_change_whose_response_is_lost_is_confirmed_by_a_read(
    harness: Harness,
) -> None:
    await lose_first_post(harness, dropped=1.0, **LOST_AFTER)
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, unique_name="depot"))
    assert (sim.unique_name, len(harness.posts())) == ("depot", 1)


async def test_a_sim_already_renamed_is_found_by_its_new_name(harness: Harness) -> None:
    harness.put(harness.sid, unique_name="old name")
    await lose_first_post(harness, dropped=1.0, **LOST_AFTER)
    change = harness.sims.update_and_wait("old name", unique_name="new name")
    sim = await harness.complete(change)
    assert (sim.sid, sim.unique_name) == (harness.sid, "new name")
    assert (
        len([one for one in harness.emulator.requests if one.method == "POST" and one.product]) == 1
    )


async def test_no_sim_that_accepted_a_post_gets_another(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(
        api,
        sims=60,
        world={"faults": Faults(dropped=0.4, share_processed=0.5, seed=11)},
        retry=RetryPolicy(attempts=30),  # faults hit at random; no SIM may run out of attempts
    )
    outcomes = await harness.collect(
        harness.sims.update_many(((sid, ACTIVE) for sid in harness.sids), window=20)
    )
    assert all(one.ok for one in outcomes.values())
    for sid in harness.sids:
        # The log names the record only for requests that were carried out.
        carried_out = [one for one in harness.posts(sid) if one.sid == sid]
        assert len(carried_out) == 1
        assert harness.posts(sid)[-1] is carried_out[0], "it was the last"
    assert len([one for one in harness.emulator.requests if one.method == "POST"]) > 60


async def test_a_change_that_seemed_accepted_and_failed_is_resent_once(harness: Harness) -> None:
    await lose_first_post(harness, dropped=1.0, failing_updates=1.0, **LOST_AFTER)
    sim = await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert (sim.status, len(harness.posts())) == ("active", 2)


async def test_a_change_that_fails_twice_raises(harness: Harness) -> None:
    await lose_first_post(harness, dropped=1.0, failing_updates=1.0, **LOST_AFTER)
    append = harness.emulator.requests.append

    def record(entry: RequestRecord) -> None:
        append(entry)
        harness.emulator.faults = Faults(failing_updates=1.0)

    harness.emulator.requests.append = record  # type: ignore[method-assign]  # a spy
    with pytest.raises(TransitionFailed):
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert len(harness.posts()) == 2


async def test_update_many_resends_a_change_that_seemed_accepted_and_failed_once(
    harness: Harness,
) -> None:
    await lose_first_post(harness, dropped=1.0, failing_updates=1.0, **LOST_AFTER)
    outcomes = await harness.collect(harness.sims.update_many({harness.sid: {"status": "active"}}))
    outcome = outcomes[harness.sid]
    assert (outcome.ok, len(harness.posts())) == (True, 2)
    assert outcome.seconds >= 2 * TRANSITION, "the time of both attempts counts"
    sent = [one for one in harness.emulator.requests if one.path.endswith(harness.sid)]
    warm_up = 1 if harness.api.vendor == "kore" else 0
    assert outcome.requests == len(sent) - warm_up, "the requests of both attempts count"


async def go_down(harness: Harness, share_processed: float = 1.0) -> None:
    """Carry out POSTs without responding, and then respond to nothing."""
    if harness.api.vendor == "kore":
        await harness.sims.fetch(harness.sid)
    harness.emulator.faults = Faults(dropped=1.0, share_processed=share_processed)


def come_back(harness: Harness) -> None:
    harness.emulator.faults = Faults()


@pytest.mark.parametrize("listens", [False, True])
async def test_an_unconfirmed_change_is_read_until_the_api_responds_again(
    start_harness: OpenHarness, api: Api, *, listens: bool
) -> None:
    harness = await start_harness(api, listens=listens)
    await go_down(harness)
    harness.clock.call_at(120.0, lambda: come_back(harness))
    waited = harness.sims.update_and_wait(harness.sid, status="active")
    many = harness.collect(harness.sims.update_many(dict.fromkeys(harness.sids[1:], ACTIVE)))
    sim, outcomes = await harness.complete(asyncio.gather(waited, many))
    assert sim.status == "active"
    assert [one.ok for one in outcomes.values()] == [True, True]
    assert [len(harness.posts(sid)) for sid in harness.sids] == [1, 1, 1]
    assert 120.0 <= harness.clock.now() < 200.0


async def test_reads_for_an_unconfirmed_change_end_at_its_deadline(harness: Harness) -> None:
    await go_down(harness)
    with pytest.raises(ConnectionFailed, match=f"update Sim {harness.sid}"):
        await harness.complete(
            harness.sims.update_and_wait(harness.sid, status="active", timeout=60.0)
        )
    assert 60.0 <= harness.clock.now() < 150.0
    assert harness.is_idle


async def test_closing_ends_the_reads_for_an_unconfirmed_change(harness: Harness) -> None:
    await go_down(harness)
    work = harness.sims.update_many({harness.sid: ACTIVE})
    first = await harness.start(anext(work))
    await harness.clock.advance(60.0)
    await harness.complete(work.aclose())
    requests_before = len(harness.emulator.requests)
    with pytest.raises(StopAsyncIteration):
        await first
    await harness.clock.advance(60.0)
    assert (len(harness.emulator.requests), work.unfinished) == (
        requests_before,
        {harness.sid: ACTIVE},
    )
    assert harness.is_idle


@pytest.mark.parametrize(
    ("fault", "error"), [("dropped", ConnectionFailed), ("server_errors", ServerError)]
)
async def test_a_permanent_failure_is_raised(
    harness: Harness, fault: str, error: type[Exception]
) -> None:
    await harness.sims.fetch(harness.sid)
    faults: dict[str, Any] = {fault: 1.0, **LOST_BEFORE}
    harness.emulator.faults = Faults(**faults)
    with pytest.raises(error, match=f"update Sim {harness.sid}"):
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
    assert harness.is_idle


async def test_a_lost_delete_that_was_carried_out_is_a_success(start_harness: OpenHarness) -> None:
    harness = await start_harness(Api("twilio", "wireless"), world={"faults": Faults(dropped=1.0,
        share_processed=1.0)})  # fmt: skip
    sid = harness.sid
    task = await harness.start(harness.sims.delete(sid))
    harness.emulator.faults = Faults()
    await harness.complete(task)
    assert sid not in harness.store


async def test_a_lost_registration_that_was_carried_out_is_a_success(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(Api("twilio", "supersim"))
    card = harness.emulator.world("twilio").registrable[0]
    harness.emulator.faults = Faults(dropped=1.0, share_processed=1.0)
    keywords = {"iccid": card.iccid, "registration_code": card.registration_code}
    task = await harness.start(harness.sims.register(**keywords))
    harness.emulator.faults = Faults()
    assert (await harness.complete(task)).iccid == card.iccid

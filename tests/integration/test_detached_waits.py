"""What `update_many` keeps of a SIM that is awaited: its wait, and nothing else."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from asyncsim import Throttle, TransitionTimeout
from asyncsim.emulator import Latency
from asyncsim.resources.jobs import UpdateJob
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

TWILIO_SUPERSIM = Api("twilio", "supersim")
ACTIVE = {"status": "active"}


@pytest.fixture
async def many(start_harness: OpenHarness) -> Harness:
    return await start_harness(TWILIO_SUPERSIM, sims=30)


def posted(harness: Harness) -> int:
    return [one.method for one in harness.emulator.requests].count("POST")


def kept(kind: type[Any]) -> int:
    gc.collect()  # what other tests left behind, too
    return sum(isinstance(one, kind) for one in gc.get_objects())


async def test_of_a_pending_sim_there_is_neither_a_task_nor_a_piece(many: Harness) -> None:
    before = kept(UpdateJob)
    async with many.sims.update_many(dict.fromkeys(many.sids, ACTIVE)) as work:
        first = await many.start(anext(work))
        await many.clock.advance(0.5)
        assert posted(many) == 30
        assert kept(UpdateJob) == before
        assert not any("UpdateJob." in repr(task.get_coro()) for task in asyncio.all_tasks())
        assert work.unfinished == dict.fromkeys(many.sids, ACTIVE)
        assert all(sid in work for sid in many.sids)
        await many.complete(first)
    assert many.is_idle


async def test_a_pending_change_is_remembered_by_its_wait(many: Harness) -> None:
    async with many.sims.update_many({many.sid: ACTIVE}) as work:
        first = await many.start(anext(work))
        await many.clock.advance(0.5)
        sim = await many.complete(many.sims.await_transition(many.sid))
        assert sim.status == "active"
        await many.complete(first)
    posts = posted(many)
    assert (await many.complete(many.sims.await_transition(many.sid))).status == "active"
    assert posted(many) == posts


async def test_a_newer_change_is_not_forgotten_for_an_older_one_that_ends_later(
    many: Harness,
) -> None:
    async with many.sims.update_many({many.sid: ACTIVE}) as work:
        first = await many.start(anext(work))
        await many.clock.advance(0.5)
        many.put(many.sid, status="active")
        await many.complete(many.sims.update(many.sid, status="inactive"))
        await many.complete(first)
    assert (await many.complete(many.sims.await_transition(many.sid))).status == "inactive"


async def test_a_timeout_shows_what_the_last_read_has_shown(start_harness: OpenHarness) -> None:
    harness = await start_harness(
        TWILIO_SUPERSIM, sims=3, world={"latency": Latency(transition=900.0)}
    )
    outcomes = await harness.collect(
        harness.sims.update_many(dict.fromkeys(harness.sids, ACTIVE), timeout=20)
    )
    for outcome in outcomes.values():
        assert isinstance(outcome.error, TransitionTimeout)
        assert outcome.sim is not None
        assert outcome.sim.status == outcome.error.last.status == "scheduled"


async def test_with_callbacks_an_outcome_still_has_its_record(start_harness: OpenHarness) -> None:
    harness = await start_harness(TWILIO_SUPERSIM, sims=3, listens=True)
    outcomes = await harness.collect(harness.sims.update_many(dict.fromkeys(harness.sids, ACTIVE)))
    assert {one.settled_by for one in outcomes.values()} == {"callback"}
    assert {one.sim.status for one in outcomes.values()} == {"active"}


async def test_no_more_changes_are_taken_up_than_can_be_sent(start_harness: OpenHarness) -> None:
    harness = await start_harness(TWILIO_SUPERSIM, sims=60, throttle=Throttle(limit=2, maximum=2))
    taken: list[str] = []

    def lazily() -> Any:
        for sid in harness.sids:
            taken.append(sid)
            yield sid, ACTIVE

    async with harness.sims.update_many(lazily()) as work:
        first = await harness.start(anext(work))
        assert len(taken) - posted(harness) <= 2 * 2 + 16
        await harness.complete(first)
        outcomes = await harness.collect(work)
    assert len(outcomes) == 59

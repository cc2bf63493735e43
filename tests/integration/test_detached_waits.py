"""Detached waits: what `update_many` keeps per pending SIM."""

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


def count_alive(kind: type[Any]) -> int:
    gc.collect()  # drop objects of earlier tests
    return sum(isinstance(one, kind) for one in gc.get_objects())


async def test_a_pending_sim_has_neither_a_task_nor_an_update_job(many: Harness) -> None:
    before = count_alive(UpdateJob)
    async with many.sims.update_many(dict.fromkeys(many.sids, ACTIVE)) as work:
        first = await many.start(anext(work))
        await many.clock.advance(0.5)
        assert posted(many) == 30
        assert count_alive(UpdateJob) == before
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


async def test_an_older_change_that_ends_later_does_not_replace_a_newer_one(
    many: Harness,
) -> None:
    async with many.sims.update_many({many.sid: ACTIVE}) as work:
        first = await many.start(anext(work))
        await many.clock.advance(0.5)
        many.put(many.sid, status="active")
        await many.complete(many.sims.update(many.sid, status="inactive"))
        await many.complete(first)
    assert (await many.complete(many.sims.await_transition(many.sid))).status == "inactive"


async def test_a_timeout_shows_the_record_of_the_last_read(start_harness: OpenHarness) -> None:
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


async def test_changes_are_read_only_as_fast_as_they_can_be_sent(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(TWILIO_SUPERSIM, sims=60, throttle=Throttle(limit=2, maximum=2))
    consumed: list[str] = []

    def changes() -> Any:
        for sid in harness.sids:
            consumed.append(sid)
            yield sid, ACTIVE

    async with harness.sims.update_many(changes()) as work:
        first = await harness.start(anext(work))
        assert len(consumed) - posted(harness) <= 2 * 2 + 16
        await harness.complete(first)
        outcomes = await harness.collect(work)
    assert len(outcomes) == 59

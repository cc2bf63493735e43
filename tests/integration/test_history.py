"""What the audit trail says of a SIM, typed; only Twilio documents one."""

from __future__ import annotations

import pytest

from asyncsim import BadRequest, Unsupported
from asyncsim.models.monitor.events import Changed
from tests.integration.conftest import OpenStage
from tests.integration.stage import TRANSITION, Place, Stage

TWILIO, KORE = Place("twilio", "wireless"), Place("kore", "wireless")


@pytest.fixture
async def stage(set_stage: OpenStage) -> Stage:
    return await set_stage(TWILIO, listens=True)


def plan(stage: Stage, name: str) -> str:
    found = stage.emulator.world("twilio").rate_plans.find(name)
    assert found is not None
    return found.sid


async def test_history_tells_what_was_before_and_after_newest_first(stage: Stage) -> None:
    sims = stage.client.wireless.sims
    await stage.play(sims.update_and_wait(stage.sid, status="active"))
    await stage.play(sims.update_and_wait(stage.sid, rate_plan="other"))
    await stage.play(sims.update_and_wait(stage.sids[1], status="active"))
    replaced, activated = [one async for one in sims.history(stage.sid)]
    assert activated.status == Changed(previous="new", updated="active")
    assert activated.rate_plan_sid is None
    assert replaced.rate_plan_sid == Changed(
        previous=plan(stage, "default"), updated=plan(stage, "other")
    )
    assert replaced.status is None
    assert {activated.source, replaced.source} == {"api"}
    assert replaced.date is not None
    assert activated.date is not None
    assert (replaced.date - activated.date).total_seconds() == TRANSITION


async def test_status_and_plan_changed_together_are_one_entry(stage: Stage) -> None:
    sims = stage.client.wireless.sims
    await stage.play(sims.update_and_wait(stage.sid, status="active", rate_plan="other"))
    (entry,) = [one async for one in sims.history(stage.sid)]
    assert entry.status == Changed(previous="new", updated="active")
    assert entry.rate_plan_sid is not None
    assert entry.event.resource_sid == stage.sid
    assert await stage.client.monitor.events.fetch(entry.event.sid) == entry.event


async def test_what_a_sim_does_by_itself_has_another_source(stage: Stage) -> None:
    sims = stage.client.wireless.sims
    await stage.play(sims.update_and_wait(stage.sid, status="ready"))
    stage.emulator.world("twilio").use_data("wireless", stage.sid, download=250_000)
    await stage.clock.advance(1)
    by_itself, asked = [one async for one in sims.history(stage.sid)]
    assert by_itself.status == Changed(previous="ready", updated="active")
    assert (by_itself.source, asked.source) == ("twilio", "api")


async def test_a_sim_to_which_nothing_happened_has_no_history(stage: Stage) -> None:
    await stage.client.wireless.sims.update(stage.sid, friendly_name="only a name")
    assert [one async for one in stage.client.wireless.sims.history(stage.sid)] == []


async def test_history_is_read_over_all_pages(stage: Stage) -> None:
    events = stage.client.monitor.events
    for sid in stage.sids:
        await stage.play(stage.client.wireless.sims.update_and_wait(sid, status="active"))
    listed = [one async for one in events.list(event_type="wireless-sim.updated", page_size=1)]
    assert [one.resource_sid for one in listed] == stage.sids[::-1]


async def test_two_filters_that_are_no_dates_are_refused(stage: Stage) -> None:
    both = stage.client.monitor.events.list(
        resource_sid=stage.sid, event_type="wireless-sim.updated"
    )
    with pytest.raises(BadRequest):
        await both


async def test_kore_documents_no_history(set_stage: OpenStage) -> None:
    stage = await set_stage(KORE)
    with pytest.raises(Unsupported, match="documents no Monitor API"):
        stage.client.wireless.sims.history(stage.sid)
    assert len(stage.emulator.requests) == 0

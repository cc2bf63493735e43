"""Typed history of a SIM from the audit trail, which only Twilio documents."""

from __future__ import annotations

import pytest

from asyncsim import BadRequest, Unsupported
from asyncsim.models.monitor.events import Changed
from tests.integration.conftest import OpenHarness
from tests.integration.harness import TRANSITION, Api, Harness

TWILIO, KORE = Api("twilio", "wireless"), Api("kore", "wireless")


@pytest.fixture
async def harness(start_harness: OpenHarness) -> Harness:
    return await start_harness(TWILIO, listens=True)


def plan(harness: Harness, name: str) -> str:
    found = harness.emulator.world("twilio").rate_plans.find(name)
    assert found is not None
    return found.sid


async def test_history_has_values_before_and_after_newest_first(harness: Harness) -> None:
    sims = harness.client.wireless.sims
    await harness.complete(sims.update_and_wait(harness.sid, status="active"))
    await harness.complete(sims.update_and_wait(harness.sid, rate_plan="other"))
    await harness.complete(sims.update_and_wait(harness.sids[1], status="active"))
    replaced, activated = [one async for one in sims.history(harness.sid)]
    assert activated.status == Changed(previous="new", updated="active")
    assert activated.rate_plan_sid is None
    assert replaced.rate_plan_sid == Changed(
        previous=plan(harness, "default"), updated=plan(harness, "other")
    )
    assert replaced.status is None
    assert {activated.source, replaced.source} == {"api"}
    assert replaced.date is not None
    assert activated.date is not None
    assert (replaced.date - activated.date).total_seconds() == TRANSITION


async def test_status_and_plan_changed_together_are_one_entry(harness: Harness) -> None:
    sims = harness.client.wireless.sims
    await harness.complete(sims.update_and_wait(harness.sid, status="active", rate_plan="other"))
    (entry,) = [one async for one in sims.history(harness.sid)]
    assert entry.status == Changed(previous="new", updated="active")
    assert entry.rate_plan_sid is not None
    assert entry.event.resource_sid == harness.sid
    assert await harness.client.monitor.events.fetch(entry.event.sid) == entry.event


async def test_an_automatic_change_has_another_source(harness: Harness) -> None:
    sims = harness.client.wireless.sims
    await harness.complete(sims.update_and_wait(harness.sid, status="ready"))
    harness.emulator.world("twilio").use_data("wireless", harness.sid, download=250_000)
    await harness.clock.advance(1)
    automatic, requested = [one async for one in sims.history(harness.sid)]
    assert automatic.status == Changed(previous="ready", updated="active")
    assert (automatic.source, requested.source) == ("twilio", "api")


async def test_an_unchanged_sim_has_no_history(harness: Harness) -> None:
    await harness.client.wireless.sims.update(harness.sid, friendly_name="only a name")
    assert [one async for one in harness.client.wireless.sims.history(harness.sid)] == []


async def test_history_covers_all_pages(harness: Harness) -> None:
    events = harness.client.monitor.events
    for sid in harness.sids:
        await harness.complete(harness.client.wireless.sims.update_and_wait(sid, status="active"))
    listed = [one async for one in events.list(event_type="wireless-sim.updated", page_size=1)]
    assert [one.resource_sid for one in listed] == harness.sids[::-1]


async def test_filters_that_are_not_dates_are_rejected(harness: Harness) -> None:
    both = harness.client.monitor.events.list(
        resource_sid=harness.sid, event_type="wireless-sim.updated"
    )
    with pytest.raises(BadRequest):
        await both


async def test_kore_documents_no_history(start_harness: OpenHarness) -> None:
    harness = await start_harness(KORE)
    with pytest.raises(Unsupported, match="documents no Monitor API"):
        harness.client.wireless.sims.history(harness.sid)
    assert len(harness.emulator.requests) == 0

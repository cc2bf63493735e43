"""History of a Programmable Wireless SIM from the audit trail, built on `Pager.map`."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.models.monitor.events import Changed
from tests.resources.scripted import ScriptedApi, sid

DE, WP = sid("DE"), sid("WP")
RECORDED = {
    "status": {"previous": "ready", "updated": "active"},
    "rate_plan_sid": {"previous": None, "updated": WP},
}


def event(data: Any, number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "sid": f"AE{number:032x}",
        "resource_sid": DE,
        "event_type": "wireless-sim.updated",
        "event_date": "2026-11-01T12:00:00Z",
        "source": "api",
        "event_data": data,
        **more,
    }


def page(*rows: Any, following: str | None = None) -> dict[str, Any]:
    return {"events": list(rows), "meta": {"key": "events", "next_page_url": following}}


@pytest.mark.parametrize("data", [{"resource_properties": RECORDED}, RECORDED])
async def test_an_entry_has_the_values_before_and_after(scripted: ScriptedApi, data: Any) -> None:
    scripted.plan(page(event(data)))
    (entry,) = [one async for one in scripted.client.wireless.sims.history(DE)]
    assert entry.status == Changed(previous="ready", updated="active")
    assert entry.rate_plan_sid == Changed(previous=None, updated=WP)
    assert (entry.source, entry.date) == ("api", entry.event.event_date)
    assert scripted.request_lines == [f"GET /v1/Events?ResourceSid={DE}&PageSize=1000"]


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"resource_properties": None},
        {"resource_properties": {"status": "active"}},
        {"resource_properties": {"imei": {"previous": None, "updated": "35"}}},
    ],
)
async def test_events_without_a_change_of_status_or_plan_are_omitted(
    scripted: ScriptedApi, data: Any
) -> None:
    status = {"status": {"updated": "active"}}
    scripted.plan(page(event(data), event(status, 2)))
    (entry,) = await scripted.client.wireless.sims.history(DE)
    assert (entry.status, entry.rate_plan_sid) == (Changed(updated="active"), None)


async def test_history_covers_all_pages(scripted: ScriptedApi) -> None:
    status = {"status": {"previous": "new", "updated": "ready"}}
    scripted.plan(page(event(status), following="?Page=1"), page(event(status, 2)))
    history = scripted.client.wireless.sims.history(DE)
    assert [one.event.sid[-1] async for one in history] == ["1", "2"]


async def test_a_mapped_list_is_still_a_pager(scripted: ScriptedApi) -> None:
    rows = [{"sid": f"HS{n:032x}", "status": "new"} for n in range(3)]
    pages = [
        {"sims": rows[:2], "meta": {"next_page_url": "?Page=1"}},
        {"sims": rows[2:], "meta": {"next_page_url": None}},
    ]
    ends = scripted.client.supersim.sims.list().map(lambda sim: sim.sid[-1])
    assert scripted.request_lines == []
    scripted.plan(*pages)
    assert [end async for end in ends] == ["0", "1", "2"]
    scripted.plan(*pages)
    assert [(len(page), page.has_next) async for page in ends.pages()] == [(2, True), (1, False)]
    scripted.plan(pages[0])
    assert (await ends).items == ("0", "1")


async def test_a_filtered_list_keeps_its_pages_including_empty_ones(scripted: ScriptedApi) -> None:
    rows = [{"sid": f"HS{n:032x}", "status": "new"} for n in range(2)]
    scripted.plan(
        {"sims": rows[:1], "meta": {"next_page_url": "?Page=1"}},
        {"sims": rows[1:], "meta": {"next_page_url": None}},
    )
    filtered = scripted.client.supersim.sims.list().where(lambda sim: sim.sid.endswith("1"))
    assert [[sim.sid[-1] for sim in page] async for page in filtered.pages()] == [[], ["1"]]

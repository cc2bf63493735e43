"""Monitor Events: changes of status and RatePlan of Programmable Wireless Sims."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Faults
from tests.emulator.api import Api
from tests.emulator.conftest import TRANSITION

EVENTS = "/v1/Events"
DAY = 86400.0


@pytest.fixture
def monitor(wireless: Api) -> Api:
    return wireless.of("monitor")


def changed(row: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = row["event_data"]["resource_properties"]
    return {name: (one["previous"], one["updated"]) for name, one in properties.items()}


async def test_a_change_of_status_is_recorded_once_it_has_settled(
    wireless: Api, monitor: Api, clock: ManualClock
) -> None:
    sim = wireless.sims[0]
    await wireless.update(sim.sid, Status="active")
    assert await monitor.rows(EVENTS) == []
    await clock.advance(TRANSITION)
    (row,) = await monitor.rows(EVENTS)
    assert changed(row) == {"status": ("new", "active")}
    expected = {
        "event_type": "wireless-sim.updated",
        "resource_type": "wireless-sim",
        "resource_sid": sim.sid,
        "account_sid": sim.account_sid,
        "actor_type": "account",
        "source": "api",
        "event_date": "2026-01-01T00:00:20Z",
    }
    assert row | expected == row
    assert row["links"]["resource"].endswith(f"/wireless/v1/Sims/{sim.sid}")
    assert (await monitor.get(f"{EVENTS}/{row['sid']}")).body == row


async def test_plan_and_status_changed_together_are_one_event(
    wireless: Api, monitor: Api, clock: ManualClock
) -> None:
    sim = wireless.sims[0]
    other = wireless.world.rate_plans.find("other")
    assert other is not None
    await wireless.update(sim.sid, Status="active", RatePlan="other")
    await clock.advance(TRANSITION)
    (row,) = await monitor.rows(EVENTS)
    assert changed(row) == {
        "status": ("new", "active"),
        "rate_plan_sid": (sim.rate_plan_sid, other.sid),
    }


async def test_pending_statuses_are_recorded_if_set(
    wireless: Api, monitor: Api, clock: ManualClock
) -> None:
    wireless.emulator.behaviour = Behaviour(monitor_shows_pending=True)
    await wireless.update(wireless.sims[0].sid, Status="active")
    await clock.advance(TRANSITION)
    statuses = [changed(row)["status"] for row in await monitor.rows(EVENTS)]
    assert statuses == [("updating", "active"), ("new", "updating")]


async def test_an_automatic_transition_has_the_vendor_as_its_source(
    wireless: Api, monitor: Api, clock: ManualClock
) -> None:
    sim = wireless.world.add_sim("wireless", status="deactivated")
    await clock.advance(72 * 3600)
    (row,) = await monitor.rows(EVENTS)
    assert (row["source"], row["resource_sid"]) == ("twilio", sim.sid)
    assert changed(row) == {"status": ("deactivated", "canceled")}


async def test_failed_changes_and_renames_are_no_events(
    wireless: Api, monitor: Api, clock: ManualClock
) -> None:
    wireless.emulator.faults = Faults(failing_updates=1.0)
    await wireless.update(wireless.sims[0].sid, Status="active")
    await clock.advance(TRANSITION)
    await wireless.update(wireless.sims[0].sid, UniqueName="one")
    assert await monitor.rows(EVENTS) == []


async def test_events_are_filtered_newest_first(
    wireless: Api, monitor: Api, clock: ManualClock
) -> None:
    first, second, _ = wireless.sims
    for sim in (first, second):
        await wireless.update(sim.sid, Status="active")
        await clock.advance(DAY)
    rows = await monitor.rows(EVENTS)
    assert [row["resource_sid"] for row in rows] == [second.sid, first.sid]
    for query, found in (
        ({"ResourceSid": first.sid}, [first]),
        ({"EventType": "wireless-sim.updated"}, [second, first]),
        ({"EventType": "account.updated"}, []),
        ({"ActorSid": first.account_sid}, [second, first]),
        ({"SourceIpAddress": "127.0.0.1"}, [second, first]),
        ({"StartDate": "2026-01-02T00:00:00Z"}, [second]),
        ({"EndDate": "2026-01-02"}, [first]),
        ({"ResourceSid": second.sid, "EndDate": "2026-01-02"}, []),
    ):
        rows = await monitor.rows(EVENTS, **query)
        assert [row["resource_sid"] for row in rows] == [sim.sid for sim in found]


@pytest.mark.parametrize(
    "query",
    [
        {"EventType": "x", "ResourceSid": "y"},
        {"StartDate": "yesterday"},
    ],
)
async def test_two_filters_or_an_invalid_date_are_rejected(
    monitor: Api, query: dict[str, str]
) -> None:
    assert (await monitor.get(EVENTS, **query)).status == 400


async def test_events_are_kept_for_thirty_days(
    wireless: Api, monitor: Api, clock: ManualClock
) -> None:
    await wireless.update(wireless.sims[0].sid, Status="active")
    await clock.advance(TRANSITION + 31 * DAY)
    assert await monitor.rows(EVENTS) == []


async def test_kore_has_no_monitor_api(kore_wireless: Api) -> None:
    await kore_wireless.get()
    url = f"{kore_wireless.emulator.url}/kore/monitor{EVENTS}"
    headers = {"Authorization": kore_wireless.authorization or ""}
    got = await kore_wireless._request("GET", url, headers, None)
    assert (got.status, got.code) == (404, 20404)

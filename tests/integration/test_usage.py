"""Usage records as typed values that agree across all groupings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from asyncsim import BadRequest, Client
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

DAY = 24 * 3600.0


async def open_with_usage(start_harness: OpenHarness, api: Api, days: float) -> Harness:
    """SIMs that have been active for `days` days."""
    harness = await start_harness(api, listens=True)
    changes = {sid: {"status": "active"} for sid in harness.sids}
    assert all(
        one.ok for one in (await harness.collect(harness.sims.update_many(changes))).values()
    )
    await harness.clock.advance(days * DAY)
    return harness


@pytest.fixture(params=["twilio", "kore"])
async def supersim(request: pytest.FixtureRequest, start_harness: OpenHarness) -> Harness:
    return await open_with_usage(start_harness, Api(request.param, "supersim"), 20)


@pytest.fixture(params=["twilio", "kore"])
async def wireless(request: pytest.FixtureRequest, start_harness: OpenHarness) -> Harness:
    return await open_with_usage(start_harness, Api(request.param, "wireless"), 20)


def total(records: Iterable[Any]) -> int:
    return sum(one.data_total for one in records)


async def rows(client: Client, **query: Any) -> list[Any]:
    return [one async for one in client.supersim.usage_records.list(**query)]


async def test_total_super_sim_usage_is_the_same_for_every_grouping(supersim: Harness) -> None:
    client = supersim.client
    (whole,) = await rows(client)
    assert whole.data_total > 0
    assert whole.data_total == whole.data_upload + whole.data_download
    for group in ("sim", "fleet", "network", "isoCountry"):
        assert total(await rows(client, group=group)) == whole.data_total, group
    for granularity in ("hour", "day"):
        assert total(await rows(client, granularity=granularity)) == whole.data_total, granularity


async def test_total_super_sim_usage_is_the_sum_over_sims(supersim: Harness) -> None:
    client = supersim.client
    by_sim = {one.sim_sid: one.data_total for one in await rows(client, group="sim")}
    assert set(by_sim) == set(supersim.sids)
    for sid, used in by_sim.items():
        (own,) = await rows(client, sim=sid)
        assert (own.sim_sid, own.data_total) == (sid, used)


async def test_usage_is_typed(supersim: Harness) -> None:
    records = await rows(supersim.client, granularity="day", group="isoCountry")
    assert len(records) > 10
    starts = [one.period.start_time for one in records]
    assert starts == sorted(starts, reverse=True)
    for one in records:
        assert one.period.end_time - one.period.start_time <= timedelta(days=1)
        assert isinstance(one.data_total_billed, Decimal)
        assert isinstance(one.iso_country, str)
        assert (one.sim_sid, one.fleet_sid) == (None, None)


async def test_usage_of_a_device_is_recorded(supersim: Harness) -> None:
    sid = supersim.sids[0]
    (before,) = await rows(supersim.client, sim=sid)
    world = supersim.emulator.world(supersim.api.vendor)
    world.use_data("supersim", sid, upload=1_000, download=2_000_000)
    await supersim.clock.advance(60)
    (after,) = await rows(supersim.client, sim=sid)
    # At least: an emulated session may have continued meanwhile.
    assert after.data_upload - before.data_upload >= 1_000
    assert after.data_download - before.data_download >= 2_000_000


UNALIGNED = datetime.fromisoformat("2026-01-05T10:30:00+00:00")
INVALID_PERIODS: dict[int, dict[str, Any]] = {
    83601: {"granularity": "day", "end_time": UNALIGNED},
    83602: {"granularity": "hour", "end_time": UNALIGNED},
    83603: {"group": "sim", "start_time": UNALIGNED - timedelta(days=40)},
    83604: {
        "granularity": "hour",
        "start_time": UNALIGNED.replace(day=1, hour=0, minute=0, year=2025),
    },
    83605: {"start_time": UNALIGNED - timedelta(days=700)},
}


@pytest.mark.parametrize("code", INVALID_PERIODS)
async def test_an_invalid_period_is_rejected(supersim: Harness, code: int) -> None:
    with pytest.raises(BadRequest) as caught:
        await rows(supersim.client, **INVALID_PERIODS[code])
    assert caught.value.code == code


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_billing_period_is_a_month_from_activation(
    start_harness: OpenHarness, vendor: Any
) -> None:
    harness = await open_with_usage(start_harness, Api(vendor, "supersim"), 40)
    second, first = [one async for one in harness.client.supersim.billing_periods.list(harness.sid)]
    assert (first.period_type, second.period_type) == ("active", "active")
    assert first.sim_sid == second.sim_sid == harness.sid
    assert first.end_time == second.start_time
    assert first.start_time is not None
    assert first.end_time is not None
    assert first.end_time.day == first.start_time.day
    activated = (await harness.sims.fetch(harness.sid)).date_updated
    assert first.start_time == activated
    (used,) = [
        one.data_total
        for one in await rows(
            harness.client, sim=harness.sid, start_time=first.start_time, end_time=first.end_time
        )
    ]
    assert used > 0


async def test_a_sim_has_an_address_while_it_is_connected(supersim: Harness) -> None:
    addresses = supersim.client.supersim.ip_addresses
    (address,) = await addresses.list(supersim.sid)
    assert address.ip_address_version == "IPv4"
    assert address.ip_address
    supersim.emulator.world(supersim.api.vendor).detach("supersim", supersim.sid)
    assert len(await addresses.list(supersim.sid)) == 0


async def test_settings_updates_list_the_packages_sent(supersim: Harness) -> None:
    world = supersim.emulator.world(supersim.api.vendor)
    world.add_settings_update(supersim.sid, status="scheduled")
    updates = supersim.client.supersim.settings_updates
    (waiting,) = await updates.list(status="scheduled")
    assert (waiting.sim_sid, waiting.date_completed) == (supersim.sid, None)
    done = [one async for one in updates.list(sim=supersim.sid, status="successful")]
    assert done
    for one in done:
        assert isinstance(one.date_completed, datetime)
        assert [package.name for package in one.packages or ()] == ["base-settings"]


async def test_programmable_wireless_usage_is_the_sum_of_its_sessions(wireless: Harness) -> None:
    client = wireless.client.wireless
    sessions = [one async for one in client.data_sessions.list(wireless.sid)]
    assert len(sessions) > 10
    (usage,) = [one async for one in client.usage_records.list(wireless.sid)]
    assert usage.data is not None
    assert usage.data.upload == sum(one.packets_uploaded or 0 for one in sessions)
    assert usage.data.download == sum(one.packets_downloaded or 0 for one in sessions)
    assert usage.data.total == (usage.data.upload or 0) + (usage.data.download or 0)
    assert usage.data.home is not None
    assert usage.data.home.total == usage.data.total
    daily = [one async for one in client.usage_records.list(wireless.sid, granularity="daily")]
    assert sum(one.data.total or 0 for one in daily if one.data) == usage.data.total


async def test_sessions_do_not_overlap_and_have_a_location(wireless: Harness) -> None:
    sessions = [one async for one in wireless.client.wireless.data_sessions.list(wireless.sid)]
    ordered = sorted(sessions, key=lambda one: one.start or datetime.max)
    for before, after in pairwise(ordered):
        assert before.end is not None
        assert after.start is not None
        assert before.end <= after.start
    location = ordered[0].cell_location_estimate
    assert location is not None
    assert isinstance(location.lat, float)


async def test_account_usage_is_the_sum_over_its_sims(wireless: Harness) -> None:
    client = wireless.client.wireless
    (account,) = [one async for one in client.account_usage_records.list()]
    by_sim = [
        one.data.total or 0
        for sid in wireless.sids
        for one in await client.usage_records.list(sid)
        if one.data
    ]
    assert account.data is not None
    assert len(by_sim) == 3
    assert account.data.total == sum(by_sim)


async def test_commands_are_counted_in_usage(wireless: Harness) -> None:
    client = wireless.client.wireless
    await wireless.complete(client.commands.send_and_wait(command="x", sim=wireless.sid))
    wireless.emulator.world(wireless.api.vendor).send_command("wireless", wireless.sid, "y")
    await wireless.clock.advance(1)
    (usage,) = [one async for one in client.usage_records.list(wireless.sid)]
    assert usage.commands is not None
    assert (usage.commands.to_sim, usage.commands.from_sim, usage.commands.total) == (1, 1, 2)

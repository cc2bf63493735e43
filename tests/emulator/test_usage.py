"""Sessions, usage and billing months, derived from the times a SIM was connected."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Emulator
from asyncsim.emulator.usage import DAY as A_DAY, HOUR, buckets, ceiling, floor, months_later
from asyncsim.wire.forms import format_date, parse_date
from tests.emulator.api import Api
from tests.emulator.conftest import LATENCY, TRANSITION

DAY = 86400.0
USAGE = "/v1/UsageRecords"


def active(api: Api, **fields: Any) -> Any:
    place = (
        {"fleet_sid": next(iter(api.world.fleets))}
        if api.product == "supersim"
        else {"rate_plan_sid": next(iter(api.world.rate_plans))}
    )
    return api.world.add_sim(api.product, **{"status": "active", **place, **fields})


async def test_an_active_sim_has_one_session_a_day(any_wireless: Api, clock: ManualClock) -> None:
    sim = active(any_wireless)
    await clock.advance(10 * DAY)
    rows = await any_wireless.rows(f"/v1/Sims/{sim.sid}/DataSessions")
    assert 9 <= len(rows) <= 10
    starts = [row["start"] for row in rows]
    assert starts == sorted(starts, reverse=True)
    assert all(row["packets_downloaded"] > 0 for row in rows[1:])
    assert {row["sim_sid"] for row in rows} == {sim.sid}
    assert rows == await any_wireless.rows(f"/v1/Sims/{sim.sid}/DataSessions")


async def test_a_sim_that_was_never_connected_has_no_usage(
    wireless: Api, clock: ManualClock
) -> None:
    sid = wireless.sims[0].sid
    await clock.advance(10 * DAY)
    assert await wireless.rows(f"/v1/Sims/{sid}/DataSessions") == []
    (row,) = await wireless.rows(f"/v1/Sims/{sid}/UsageRecords")
    assert (row["data"]["total"], row["data"]["billed"], row["commands"]["total"]) == (0, 0, 0)


async def test_sessions_reach_thirty_days_back(wireless: Api, clock: ManualClock) -> None:
    sim = active(wireless)
    await clock.advance(60 * DAY)
    assert 29 <= len(await wireless.rows(f"/v1/Sims/{sim.sid}/DataSessions")) <= 31


async def test_a_suspended_sim_has_no_sessions(wireless: Api, clock: ManualClock) -> None:
    sim = active(wireless)
    await clock.advance(5 * DAY)
    await wireless.update(sim.sid, Status="suspended")
    await clock.advance(TRANSITION)
    stopped = wireless.world.now()
    await clock.advance(5 * DAY)
    rows = await wireless.rows(f"/v1/Sims/{sim.sid}/DataSessions")
    assert rows
    assert all(row["end"] and parse_date(row["end"]) <= stopped for row in rows)


@pytest.mark.parametrize("granularity", ["hourly", "daily", "all"])
async def test_usage_is_the_sum_of_sessions_and_commands(
    any_wireless: Api, clock: ManualClock, granularity: str
) -> None:
    api = any_wireless
    one, two = active(api), active(api)
    await clock.advance(10 * DAY)
    for sim, number in ((one, 2), (two, 1)):
        for _ in range(number):
            api.world.send_command("wireless", sim.sid, "x")
    await api.post("/v1/Commands", Sim=one.sid, Command="x")

    async def summed(path: str, key: str, field: str) -> int:
        rows = await api.rows(path, Granularity=granularity, PageSize=1000)
        return sum(row[key][field] for row in rows)

    for sim, number in ((one, 3), (two, 1)):
        sessions = await api.rows(f"/v1/Sims/{sim.sid}/DataSessions")
        total = sum(row["packets_uploaded"] + row["packets_downloaded"] for row in sessions)
        path = f"/v1/Sims/{sim.sid}/UsageRecords"
        assert await summed(path, "data", "total") == total > 0
        assert await summed(path, "commands", "total") == number
    both = [await summed(f"/v1/Sims/{one.sid}/UsageRecords", "data", "total")]
    both.append(await summed(f"/v1/Sims/{two.sid}/UsageRecords", "data", "total"))
    assert await summed(USAGE, "data", "total") == sum(both)
    assert await summed(USAGE, "commands", "from_sim") == 3


async def test_usage_is_broken_down(wireless: Api, clock: ManualClock) -> None:
    sim = active(wireless)
    wireless.world.use_data("wireless", sim.sid, upload=731_560, download=2_763_049)
    (row,) = await wireless.rows(f"/v1/Sims/{sim.sid}/UsageRecords")
    counts = {
        "billing_units": "USD", "billed": 0.35, "total": 3_494_609,
        "upload": 731_560, "download": 2_763_049, "units": "bytes",
    }  # fmt: skip
    assert row["data"] | counts == row["data"]
    assert row["data"]["home"] == counts
    assert row["data"]["national_roaming"]["total"] == 0
    assert row["data"]["international_roaming"] == []


async def test_the_default_period_is_the_month_up_to_now(wireless: Api, clock: ManualClock) -> None:
    await clock.advance(90 * DAY)
    (row,) = await wireless.rows(USAGE)
    end = parse_date(row["period"]["end"])
    assert end == wireless.world.now()
    assert parse_date(row["period"]["start"]).month == end.month - 1
    (row,) = await wireless.rows(USAGE, Start="2026-01-01", End="2026-01-02T00:00:00Z")
    assert row["period"] == {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize(
    "query",
    [
        {"Granularity": "weekly"},
        {"Start": "yesterday"},
        {"Start": "2026-01-02", "End": "2026-01-01"},
    ],
)
async def test_invalid_periods_are_33101(wireless: Api, query: dict[str, str]) -> None:
    assert (await wireless.get(USAGE, **query)).code == 33101


async def test_days_without_usage_are_shown_if_set(wireless: Api, clock: ManualClock) -> None:
    query = {"Granularity": "daily", "Start": "2026-01-01", "End": "2026-01-04"}
    assert await wireless.rows(USAGE, **query) == []
    wireless.emulator.behaviour = Behaviour(usage_shows_empty_periods=True)
    rows = await wireless.rows(USAGE, **query)
    assert [row["period"]["start"][:10] for row in rows] == [
        "2026-01-03",
        "2026-01-02",
        "2026-01-01",
    ]


async def test_pages_of_rows_without_sids_use_an_offset(wireless: Api, clock: ManualClock) -> None:
    active(wireless)
    await clock.advance(10 * DAY)
    got = await wireless.get(USAGE, Granularity="daily", PageSize=4)
    assert "PageToken=APNA%3D%3D" in got.body["meta"]["next_page_url"]
    seen = list(got.body["usage_records"])
    while url := got.body["meta"]["next_page_url"]:
        got = await wireless.follow(url)
        seen += got.body["usage_records"]
    assert seen == await wireless.rows(USAGE, Granularity="daily")
    for token in ("APx", "PA4", "APLTE="):
        assert (await wireless.get(USAGE, PageToken=token)).code == 33103


async def test_a_quarter_megabyte_makes_a_ready_sim_active(anywhere: Api) -> None:
    sim = active(anywhere, status="ready")
    anywhere.world.use_data(anywhere.product, sim.sid, upload=100_000, download=149_999)
    assert anywhere.sim(sim.sid).status == "ready"
    anywhere.world.use_data(anywhere.product, sim.sid, upload=1)
    assert anywhere.sim(sim.sid).status == "active"


async def test_billing_periods_start_with_activation_and_continue(
    any_supersim: Api, clock: ManualClock
) -> None:
    api = any_supersim
    sid = api.sims[0].sid
    path = f"/v1/Sims/{sid}/BillingPeriods"
    assert await api.rows(path) == []
    await api.update(sid, Status="ready")
    await clock.advance(TRANSITION)
    (ready,) = await api.rows(path)
    assert (ready["period_type"], ready["start_time"]) == ("ready", "2026-01-01T00:00:20Z")
    assert ready["end_time"] == "2026-02-01T00:00:20Z"
    assert "url" not in ready
    await api.update(sid, Status="active")
    await clock.advance(TRANSITION + 40 * DAY)
    if api.vendor == "kore":
        api.authorization = None  # the token has expired meanwhile
    newest, first, also_ready = await api.rows(path)
    assert also_ready == ready
    assert (newest["period_type"], first["period_type"]) == ("active", "active")
    assert newest["start_time"] == first["end_time"]


async def test_a_running_period_is_not_restarted(supersim: Api, clock: ManualClock) -> None:
    sim = active(supersim)
    await supersim.update(sim.sid, Status="inactive")
    await clock.advance(DAY)
    await supersim.update(sim.sid, Status="active")
    await clock.advance(DAY)
    assert len(await supersim.rows(f"/v1/Sims/{sim.sid}/BillingPeriods")) == 1


async def test_the_page_after_the_last_period_is_empty(supersim: Api, clock: ManualClock) -> None:
    sim = active(supersim)
    await clock.advance(DAY)
    path = f"/v1/Sims/{sim.sid}/BillingPeriods"
    (period,) = await supersim.rows(path)
    got = await supersim.get(path, PageToken=f"PA{period['sid']}")
    assert (got.status, got.body["billing_periods"]) == (200, [])
    assert got.body["meta"]["next_page_url"] is None


async def test_super_sim_usage_is_the_same_in_every_grouping(
    any_supersim: Api, clock: ManualClock
) -> None:
    api = any_supersim
    other = list(api.world.fleets)[1]
    active(api)
    active(api, fleet_sid=other)
    await clock.advance(10 * DAY)
    (whole,) = await api.rows(USAGE)
    assert whole["data_total"] == whole["data_upload"] + whole["data_download"] > 0
    assert isinstance(whole["data_total_billed"], str)
    assert whole["billed_unit"] == "USD"
    fields = {
        "sim": "sim_sid",
        "fleet": "fleet_sid",
        "network": "network_sid",
        "isoCountry": "iso_country",
    }
    for group, field in fields.items():
        rows = await api.rows(USAGE, Group=group)
        assert sum(row["data_total"] for row in rows) == whole["data_total"]
        assert len({row[field] for row in rows}) == len(rows) > 1
        unfilled = set(fields.values()) - {field}
        assert all(row[name] is None for row in rows for name in unfilled)
        (one,) = await api.rows(USAGE, **{_filter_of(group): rows[0][field]})
        assert (one["data_total"], one[field]) == (rows[0]["data_total"], rows[0][field])
    for granularity in ("hour", "day"):
        rows = await api.rows(USAGE, Granularity=granularity, PageSize=249)
        assert sum(row["data_total"] for row in rows) == whole["data_total"]
        starts = [row["period"]["start_time"] for row in rows]
        assert starts == sorted(starts, reverse=True)


def _filter_of(group: str) -> str:
    return {"isoCountry": "IsoCountry"}.get(group, group.capitalize())


async def test_usage_that_costs_nothing_has_no_currency(supersim: Api) -> None:
    sim = active(supersim)
    supersim.world.use_data("supersim", sim.sid, upload=1000, download=1000)
    (row,) = await supersim.rows(USAGE, EndTime="2026-01-02")
    assert (row["data_total"], row["data_total_billed"], row["billed_unit"]) == (2000, "0", None)


async def test_filters_accept_names_and_unknown_names_find_nothing(
    supersim: Api, clock: ManualClock
) -> None:
    active(supersim, unique_name="one")
    await clock.advance(3 * DAY)
    (row,) = await supersim.rows(USAGE, Sim="one", Fleet="default")
    assert row["data_total"] > 0
    assert await supersim.rows(USAGE, Sim="missing") == []


async def test_usage_lies_within_the_time_the_sim_was_active(
    supersim: Api, clock: ManualClock
) -> None:
    sim = active(supersim)
    await clock.advance(5 * DAY)
    await supersim.update(sim.sid, Status="inactive")
    await clock.advance(5 * DAY)
    rows = await supersim.rows(USAGE, Granularity="day")
    assert rows
    assert max(row["period"]["start_time"] for row in rows) <= "2026-01-06T00:00:00Z"


async def test_the_data_limit_blocks_until_the_end_of_the_month(
    supersim: Api, clock: ManualClock
) -> None:
    free, tight = active(supersim), supersim.world.add_fleet("tight", data_limit=3)
    blocked = active(supersim, fleet_sid=tight.sid)
    await clock.advance(28 * DAY)
    usage = {row["sim_sid"]: row["data_total"] for row in await supersim.rows(USAGE, Group="sim")}
    # The session that exceeded the limit counts in full.
    assert 3_000_000 <= usage[blocked.sid] < 5_000_000 < usage[free.sid]
    await clock.advance(10 * DAY)
    rows = await supersim.rows(USAGE, Sim=blocked.sid, Granularity="day")
    assert any(row["period"]["start_time"] > "2026-02-01" for row in rows)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"StartTime": "soon"}, 83600),
        ({"Group": "colour"}, 83600),
        ({"Granularity": "week"}, 83600),
        ({"StartTime": "2027-06-02", "EndTime": "2027-06-01"}, 83600),
        ({"Granularity": "day", "StartTime": "2027-06-01T01:00:00Z"}, 83601),
        ({"Granularity": "day", "EndTime": "2027-06-01T01:00:00Z"}, 83601),
        ({"Granularity": "hour", "StartTime": "2027-06-01T01:00:01Z"}, 83602),
        ({"Group": "sim", "StartTime": "2027-04-01", "EndTime": "2027-06-01"}, 83603),
        ({"Granularity": "hour", "StartTime": "2027-04-01", "EndTime": "2027-06-01"}, 83604),
        ({"StartTime": "2025-12-01"}, 83605),
    ],
)
async def test_every_rejection_has_its_code(
    supersim: Api, clock: ManualClock, query: dict[str, str], code: int
) -> None:
    await clock.advance(520 * DAY)  # to June 2027
    got = await supersim.get(USAGE, **query)
    assert (got.status, got.code) == (400, code)


async def test_kores_pages_of_usage_are_smaller(kore_supersim: Api, supersim: Api) -> None:
    assert (await kore_supersim.get(USAGE, PageSize=249)).status == 200
    assert (await kore_supersim.get(USAGE, PageSize=250)).status == 400
    assert (await supersim.get(USAGE, PageSize=1000)).status == 200


async def test_runs_with_the_same_seed_have_the_same_usage(session: Any) -> None:
    async def run(seed: int) -> list[Any]:
        clock = ManualClock()
        async with Emulator(sims=1, clock=clock, latency=LATENCY, seed=seed) as emulator:
            api = Api(emulator, session, "twilio", "supersim")
            active(api)
            await clock.advance(20 * DAY)
            rows = await api.rows(USAGE, Granularity="day")
            return [(row["period"], row["data_total"]) for row in rows]

    assert await run(1) == await run(1) != await run(2)


async def test_device_addresses_are_shown_while_on_the_network(any_supersim: Api) -> None:
    sim = active(any_supersim)
    path = f"/v1/Sims/{sim.sid}/IpAddresses"
    (row,) = await any_supersim.rows(path)
    assert row["ip_address_version"] == "IPv4"
    any_supersim.world.detach("supersim", sim.sid)
    assert await any_supersim.rows(path) == []
    assert await any_supersim.rows(f"/v1/Sims/{any_supersim.sims[0].sid}/IpAddresses") == []


async def test_settings_updates_are_listed_and_filtered(any_supersim: Api) -> None:
    api = any_supersim
    path = "/v1/SettingsUpdates"
    first, _, third = api.sims
    api.world.add_settings_update(third.sid, "in-progress")
    assert len(await api.rows(path)) == 3
    (row,) = await api.rows(path, Sim=third.sid)
    assert (row["status"], row["date_completed"]) == ("in-progress", None)
    (row,) = await api.rows(path, Sim=first.sid, Status="successful")
    assert (row["iccid"], row["packages"][0]["name"]) == (first.iccid, "base-settings")
    assert (await api.get(f"{path}/{row['sid']}")).status == 404


def test_months_days_and_hours_are_in_utc() -> None:
    moment = parse_date("2026-01-31T10:30:00Z")
    assert format_date(months_later(moment, 1)) == "2026-02-28T10:30:00Z"
    assert format_date(months_later(moment, -2)) == "2025-11-30T10:30:00Z"
    assert format_date(floor(moment, A_DAY)) == "2026-01-31T00:00:00Z"
    assert format_date(ceiling(moment, HOUR)) == "2026-01-31T11:00:00Z"
    assert ceiling(floor(moment, HOUR), HOUR) == floor(moment, HOUR)
    cut: list[datetime] = [begin for begin, _ in buckets(moment, moment + timedelta(hours=2), HOUR)]
    assert [begin.hour for begin in cut] == [12, 11, 10]

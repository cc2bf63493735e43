"""Programmable Wireless RatePlans: create, rename, delete; the limits of each value."""

from __future__ import annotations

import pytest

from asyncsim.emulator import Behaviour
from tests.emulator.api import Api

PLANS = "/v1/RatePlans"


async def test_a_plan_is_created_with_the_documented_defaults(any_wireless: Api) -> None:
    got = await any_wireless.post(PLANS, UniqueName="mine", FriendlyName="Mine")
    assert got.status == (201 if any_wireless.vendor == "twilio" else 200)
    assert got.body["unique_name"] == "mine"
    assert (got.body["data_limit"], got.body["data_metering"]) == (1000, "payg")
    assert (await any_wireless.get(f"{PLANS}/mine")).body == got.body


async def test_kore_may_respond_to_the_creation_with_202(kore_wireless: Api) -> None:
    kore_wireless.emulator.behaviour = Behaviour(kore_rate_plan_create_status=202)
    assert (await kore_wireless.post(PLANS)).status == 202


async def test_all_given_fields_are_kept(wireless: Api) -> None:
    form = {
        "DataEnabled": "false",
        "DataLimit": 2_000_000,
        "DataMetering": "quota-10",
        "MessagingEnabled": "true",
        "NationalRoamingEnabled": "true",
        "InternationalRoaming": ["data", "messaging"],
        "NationalRoamingDataLimit": 1,
        "DataLimitStrategy": "throttle",
    }
    body = (await wireless.post(PLANS, **form)).body
    assert body["data_enabled"] is False
    assert body["data_limit"] == 2_000_000
    assert body["international_roaming"] == ["data", "messaging"]
    assert wireless.world.rate_plans[body["sid"]].data_limit_strategy == "throttle"


async def test_kore_rejects_the_data_limit_strategy(kore_wireless: Api) -> None:
    kore_wireless.emulator.behaviour = Behaviour(unknown_parameters="refuse")
    got = await kore_wireless.post(PLANS, DataLimitStrategy="throttle")
    assert (got.status, got.code) == (400, 20001)


@pytest.mark.parametrize(
    "form",
    [
        {"DataLimit": 0},
        {"DataLimit": 2_000_001},
        {"DataLimit": "many"},
        {"DataEnabled": "perhaps"},
        {"DataMetering": "flat"},
        {"InternationalRoaming": "parcels"},
        {"DataLimitStrategy": "nothing"},
        {"UniqueName": "default"},
        {"UniqueName": "x" * 65},
        {"UniqueName": "WP" + "0" * 32},
    ],
)
async def test_invalid_values_are_33101(wireless: Api, form: dict[str, object]) -> None:
    got = await wireless.post(PLANS, **form)
    assert (got.status, got.code) == (400, 33101)


async def test_only_names_can_be_changed(any_wireless: Api) -> None:
    got = await any_wireless.post(f"{PLANS}/other", UniqueName="new", FriendlyName="", DataLimit=5)
    assert got.status == 200
    assert (got.body["unique_name"], got.body["friendly_name"]) == ("new", None)
    assert got.body["data_limit"] == 1000
    assert (await any_wireless.post(f"{PLANS}/new", UniqueName="default")).code == 33101


async def test_narrowband_sims_and_narrowband_plans_require_each_other(wireless: Api) -> None:
    wireless.world.add_rate_plan("narrow", narrowband=True)
    narrow = wireless.world.add_sim("wireless", narrowband=True)
    for sid, plan, status in (
        (narrow.sid, "default", 400),
        (narrow.sid, "narrow", 200),
        (wireless.sims[0].sid, "narrow", 400),
    ):
        got = await wireless.update(sid, RatePlan=plan)
        assert (got.status, got.code) == (status, None if status == 200 else 33101)


async def test_plans_are_listed_newest_first(wireless: Api) -> None:
    sid = (await wireless.post(PLANS)).body["sid"]
    assert (await wireless.rows(PLANS))[0]["sid"] == sid


async def test_a_plan_in_use_cannot_be_deleted(any_wireless: Api) -> None:
    assert (await any_wireless.delete("default", PLANS)).status == 409
    assert (await any_wireless.delete("other", PLANS)).status == 204
    assert (await any_wireless.get(f"{PLANS}/other")).status == 404
    any_wireless.emulator.behaviour = Behaviour(rate_plan_in_use_deletable=True)
    assert (await any_wireless.delete("default", PLANS)).status == 204


async def test_kores_notification_fields_are_strings(kore_wireless: Api) -> None:
    kore_wireless.world.add_rate_plan("one")
    for plan in await kore_wireless.rows("/v1/RatePlans"):
        assert isinstance(plan["usage_notification_url"], str)
        assert plan["usage_notification_method"] == "POST"

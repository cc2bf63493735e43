"""Super SIM Fleets, NetworkAccessProfiles and Networks."""

from __future__ import annotations

import pytest

from asyncsim.emulator import Behaviour
from tests.emulator.api import Api, Listener

FLEETS, PROFILES, NETWORKS = "/v1/Fleets", "/v1/NetworkAccessProfiles", "/v1/Networks"


async def test_a_fleet_is_created_with_the_documented_defaults(any_supersim: Api) -> None:
    got = await any_supersim.post(FLEETS, NetworkAccessProfile="default", UniqueName="mine")
    profile = (await any_supersim.get(f"{PROFILES}/default")).body["sid"]
    assert got.status == 201
    expected = {
        "unique_name": "mine",
        "data_enabled": True,
        "data_limit": 1000,
        "data_metering": "payg",
        "sms_commands_enabled": True,
        "sms_commands_method": "POST",
        "sms_commands_url": None,
        "ip_commands_method": "POST",
        "network_access_profile_sid": profile,
    }
    assert got.body | expected == got.body
    assert (await any_supersim.get(f"{FLEETS}/mine")).body == got.body


async def test_the_default_limit_is_a_setting(supersim: Api) -> None:
    supersim.emulator.behaviour = Behaviour(fleet_data_limit=250)
    got = await supersim.post(FLEETS, NetworkAccessProfile="default")
    assert got.body["data_limit"] == 250


async def test_all_given_fields_are_kept_and_can_be_cleared(
    supersim: Api, listener: Listener
) -> None:
    got = await supersim.post(
        FLEETS,
        NetworkAccessProfile="default",
        DataEnabled="false",
        DataLimit=2_000_000,
        SmsCommandsEnabled="false",
        SmsCommandsUrl=listener.url,
        SmsCommandsMethod="GET",
        IpCommandsUrl=listener.url,
        IpCommandsMethod="GET",
    )
    body = got.body
    assert (body["data_enabled"], body["sms_commands_enabled"]) == (False, False)
    assert (body["sms_commands_url"], body["ip_commands_method"]) == (listener.url, "GET")
    path = f"{FLEETS}/{body['sid']}"
    assert (await supersim.post(path, SmsCommandsUrl="")).body["sms_commands_url"] is None


async def test_immutable_fields_are_ignored(supersim: Api) -> None:
    got = await supersim.post(
        f"{FLEETS}/default", DataEnabled="false", SmsCommandsEnabled="false", DataLimit=5
    )
    assert got.status == 200
    assert (got.body["data_enabled"], got.body["sms_commands_enabled"]) == (True, True)
    assert got.body["data_limit"] == 5


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"NetworkAccessProfile": ""}, 400, 20002),
        ({"NetworkAccessProfile": "missing"}, 400, 20001),
        ({"DataLimit": "0"}, 400, 20001),
        ({"DataLimit": "2000001"}, 400, 20001),
        ({"DataEnabled": "1"}, 400, 20001),
        ({"SmsCommandsUrl": "nowhere"}, 400, 11100),
        ({"IpCommandsMethod": "PUT"}, 400, 20001),
        ({"UniqueName": "other"}, 409, 83011),
        ({"UniqueName": "x" * 65}, 400, 20001),
    ],
)
async def test_every_rejection_has_its_code(
    supersim: Api, form: dict[str, str], status: int, code: int
) -> None:
    got = await supersim.post(FLEETS, **{"NetworkAccessProfile": "default", **form})
    assert (got.status, got.code) == (status, code)


async def test_fleets_are_filtered_by_their_profile(supersim: Api) -> None:
    await supersim.post(PROFILES, UniqueName="narrow")
    sid = (await supersim.post(FLEETS, NetworkAccessProfile="narrow")).body["sid"]
    found = await supersim.rows(FLEETS, NetworkAccessProfile="narrow")
    assert [row["sid"] for row in found] == [sid]
    assert len(await supersim.rows(FLEETS)) == 3
    await supersim.post(f"{FLEETS}/{sid}", NetworkAccessProfile="default")
    assert await supersim.rows(FLEETS, NetworkAccessProfile="narrow") == []


async def test_networks_are_shared_and_can_be_filtered(any_supersim: Api) -> None:
    every = await any_supersim.rows(NETWORKS)
    assert len(every) == 8
    american = await any_supersim.rows(NETWORKS, IsoCountry="US")
    assert {row["friendly_name"] for row in american} == {"AT&T", "T-Mobile"}
    (one,) = await any_supersim.rows(NETWORKS, Mcc="310", Mnc="410")
    assert one["identifiers"] == [{"mcc": "310", "mnc": "410"}]
    assert (await any_supersim.get(f"{NETWORKS}/{one['sid']}")).body == one
    assert await any_supersim.rows(NETWORKS, IsoCountry="XX") == []


async def test_a_profile_has_its_own_networks(any_supersim: Api) -> None:
    api = any_supersim
    first, second, third = (await api.rows(NETWORKS))[:3]
    got = await api.post(PROFILES, UniqueName="mine", Networks=[first["sid"], second["sid"]])
    assert got.status == 201
    path = f"{PROFILES}/mine/Networks"
    assert got.body["links"]["networks"].endswith(f"/{got.body['sid']}/Networks")
    assert {row["sid"] for row in await api.rows(path)} == {first["sid"], second["sid"]}
    added = await api.post(path, Network=third["sid"])
    assert (added.status, added.body["iso_country"]) == (201, third["iso_country"].lower())
    assert added.body["network_access_profile_sid"] == got.body["sid"]
    assert (await api.get(f"{path}/{third['sid']}")).body == added.body
    assert (await api.post(path, Network=third["sid"])).status == 201
    assert len(await api.rows(path)) == 3
    assert (await api.delete(third["sid"], path)).status == 204
    assert (await api.delete(third["sid"], path)).status == 404
    assert (await api.get(f"{path}/{third['sid']}")).status == 404


async def test_a_profiles_networks_are_paginated(supersim: Api) -> None:
    path = f"{PROFILES}/default/Networks"
    got = await supersim.get(path, PageSize=3)
    seen = [row["sid"] for row in got.body["networks"]]
    while url := got.body["meta"]["next_page_url"]:
        before, got = got, await supersim.follow(url)
        seen += [row["sid"] for row in got.body["networks"]]
        back = await supersim.follow(got.body["meta"]["previous_page_url"])
        assert back.body["networks"] == before.body["networks"]
    assert seen == [row["sid"] for row in await supersim.rows(path)]
    assert (await supersim.get(path, PageToken="PAHW0")).code == 21481


@pytest.mark.parametrize(
    ("path", "form", "status", "code"),
    [
        (PROFILES, {"Networks": "HW0"}, 400, 20001),
        (PROFILES, {"UniqueName": "default"}, 409, 83011),
        (f"{PROFILES}/default/Networks", {}, 400, 20002),
        (f"{PROFILES}/default/Networks", {"Network": "HW0"}, 400, 20001),
        (f"{PROFILES}/missing/Networks", {"Network": "HW0"}, 404, 20404),
        (f"{PROFILES}/missing", {}, 404, 20404),
        (NETWORKS, {}, 405, 20004),
    ],
)
async def test_every_rejection_concerning_networks_has_its_code(
    supersim: Api, path: str, form: dict[str, str], status: int, code: int
) -> None:
    got = await supersim.post(path, **form)
    assert (got.status, got.code) == (status, code)


async def test_a_profile_is_renamed(supersim: Api) -> None:
    got = await supersim.post(f"{PROFILES}/default", UniqueName="new")
    assert (got.status, got.body["unique_name"]) == (200, "new")
    assert (await supersim.get(f"{PROFILES}/default")).status == 404
    got = await supersim.post(f"{PROFILES}/new", UniqueName="")
    assert got.body["unique_name"] is None


async def test_a_fleet_is_renamed(any_supersim: Api) -> None:
    got = await any_supersim.post(f"{FLEETS}/other", UniqueName="new")
    assert (got.status, got.body["unique_name"]) == (200, "new")
    assert (await any_supersim.post(f"{FLEETS}/new", UniqueName="default")).code == 83011
    assert (await any_supersim.post(f"{FLEETS}/new", UniqueName="new")).status == 200


@pytest.mark.parametrize("gone", ["all that was shown", "all that was shown but one"])
async def test_deleting_listed_rows_does_not_break_the_next_page(
    any_supersim: Api, gone: str
) -> None:
    api, path = any_supersim, f"{PROFILES}/default/Networks"
    everything = [row["sid"] for row in await api.rows(path)]
    page = await api.get(path, PageSize=2)
    shown = [row["sid"] for row in page.body["networks"]]
    for sid in shown if gone == "all that was shown" else shown[:1]:
        assert (await api.delete(sid, path)).status == 204
    seen = list(shown)
    while url := page.body["meta"]["next_page_url"]:
        page = await api.follow(url)
        assert page.status == 200
        seen += [row["sid"] for row in page.body["networks"]]
    assert seen == everything

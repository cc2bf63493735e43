from __future__ import annotations

from typing import Any

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour
from tests.emulator.api import Api, Got


def oldest_first(api: Api) -> list[str]:
    return [sim.sid for sim in api.sims]


async def follow_links(api: Api, link: str, got: Got) -> list[Got]:
    pages = [got]
    while url := pages[-1].body["meta"][link]:
        pages.append(await api.follow(url))
    return pages


async def test_a_list_has_the_documented_envelope(anywhere: Api) -> None:
    got = await anywhere.get()
    base = f"{anywhere.emulator.url}/{anywhere.vendor}/{anywhere.product}/v1/Sims"
    assert got.body["meta"] == {
        "page": 0,
        "page_size": 50,
        "first_page_url": f"{base}?PageSize=50&Page=0",
        "previous_page_url": None,
        "url": f"{base}?PageSize=50&Page=0",
        "next_page_url": None,
        "key": "sims",
    }
    assert got.sids == oldest_first(anywhere)[::-1]


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_link_forwards_and_back(supersim: Api, order: Any) -> None:
    supersim.emulator.behaviour = Behaviour(list_order=order)
    world = supersim.emulator.world("twilio")
    for _ in range(4):
        world.add_sim("supersim")
    expected = oldest_first(supersim)
    if order == "newest":
        expected.reverse()
    onwards = await follow_links(supersim, "next_page_url", await supersim.get(PageSize=3))
    assert [page.sids for page in onwards] == [expected[:3], expected[3:6], expected[6:]]
    assert [page.body["meta"]["page"] for page in onwards] == [0, 1, 2]
    back = await follow_links(supersim, "previous_page_url", onwards[-1])
    assert [page.sids for page in back] == [expected[6:], expected[3:6], expected[:3]]


async def test_page_tokens_are_the_first_and_last_rows_of_a_page(supersim: Api) -> None:
    newest, middle, _ = oldest_first(supersim)[::-1]
    got = await supersim.get(PageSize=1)
    assert got.body["meta"]["next_page_url"].endswith(f"?PageSize=1&Page=1&PageToken=PA{newest}")
    got = await supersim.follow(got.body["meta"]["next_page_url"])
    assert got.body["meta"]["previous_page_url"].endswith(f"&Page=0&PageToken=PB{middle}")


async def test_filters_come_first_in_page_urls(supersim: Api) -> None:
    got = await supersim.get(PageSize=1, Fleet="default", Status="new")
    assert (
        "/v1/Sims?Status=new&Fleet=default&PageSize=1&Page=1" in (got.body["meta"]["next_page_url"])
    )


async def test_a_page_does_not_shift_when_sims_are_added_or_deleted(wireless: Api) -> None:
    oldest, middle, newest = oldest_first(wireless)
    first = await wireless.get(PageSize=1)
    wireless.emulator.world("twilio").add_sim("wireless")
    await wireless.delete(newest)
    rest = await follow_links(wireless, "next_page_url", first)
    assert [page.sids for page in rest] == [[newest], [middle], [oldest]]


@pytest.mark.parametrize("size", ["0", "1001", "-1", "many", "²"])
async def test_a_page_size_out_of_range_is_rejected(anywhere: Api, size: str) -> None:
    got = await anywhere.get(PageSize=size)
    assert (got.status, got.code) == (400, 20001 if anywhere.product == "supersim" else 33103)


async def test_the_largest_page_has_1000_rows(supersim: Api) -> None:
    world = supersim.emulator.world("twilio")
    for _ in range(1000):
        world.add_sim("supersim")
    got = await supersim.get(PageSize=1000)
    assert len(got.sids) == 1000
    assert got.body["meta"]["next_page_url"] is not None


@pytest.mark.parametrize("token", ["PA", "nonsense", "PAHS" + "0" * 32, "XX"])
async def test_an_invalid_token_is_rejected(anywhere: Api, token: str) -> None:
    got = await anywhere.get(PageToken=token)
    assert (got.status, got.code) == (400, 21481 if anywhere.product == "supersim" else 33103)


async def test_an_iccid_filter_finds_one_or_none(anywhere: Api) -> None:
    sim = anywhere.sims[1]
    assert (await anywhere.get(Iccid=sim.iccid)).sids == [sim.sid]
    assert (await anywhere.get(Iccid="8988000000000000000")).sids == []
    assert (await anywhere.get(Iccid=sim.iccid, Status="ready")).sids == []


async def test_a_registration_code_filter_finds_one_or_none(wireless: Api) -> None:
    sim = wireless.sims[1]
    code = wireless.emulator.world("twilio").sims("wireless").notes(sim.sid)["registration_code"]
    assert (await wireless.get(SimRegistrationCode=code)).sids == [sim.sid]
    assert (await wireless.get(SimRegistrationCode="NOTTHISONE")).sids == []


async def test_a_status_filter_follows_the_status(anywhere: Api, clock: ManualClock) -> None:
    sid = anywhere.sims[0].sid
    pending = (await anywhere.update(sid, Status="active")).body["status"]
    assert (await anywhere.get(Status=pending)).sids == [sid]
    await clock.advance(20)
    assert (await anywhere.get(Status=pending)).sids == []
    assert (await anywhere.get(Status="active")).sids == [sid]
    assert sid not in (await anywhere.get(Status="new")).sids


async def test_a_fleet_filter_accepts_a_sid_or_a_name(any_supersim: Api) -> None:
    world = any_supersim.emulator.world(any_supersim.vendor)
    other = world.fleets.find("other")
    assert other is not None
    sim = world.add_sim("supersim", fleet_sid=other.sid)
    for name in (other.sid, "other"):
        assert (await any_supersim.get(Fleet=name)).sids == [sim.sid]
    assert (await any_supersim.get(Fleet="nowhere")).sids == []


async def test_a_rate_plan_filter_and_an_eid_filter(any_wireless: Api) -> None:
    world = any_wireless.emulator.world(any_wireless.vendor)
    other = world.rate_plans.find("other")
    assert other is not None
    sim = world.add_sim("wireless", rate_plan_sid=other.sid, eid="8904")
    assert (await any_wireless.get(RatePlan="other")).sids == [sim.sid]
    assert (await any_wireless.get(EId="8904")).sids == [sim.sid]


async def test_unknown_statuses_and_those_of_the_setting_are_rejected(anywhere: Api) -> None:
    code = 20001 if anywhere.product == "supersim" else 33101
    got = await anywhere.get(Status="nonsense")
    assert (got.status, got.code) == (400, code)
    anywhere.emulator.behaviour = Behaviour(refused_status_filters=frozenset({"scheduled"}))
    assert (await anywhere.get(Status="scheduled")).code == code
    assert (await anywhere.get(Status="active")).status == 200


async def test_kore_may_leave_twilios_host_in_page_urls(kore_supersim: Api) -> None:
    kore_supersim.emulator.behaviour = Behaviour(kore_rewrites_page_urls=False)
    got = await kore_supersim.get(PageSize=1)
    assert got.body["meta"]["next_page_url"].startswith("https://supersim.twilio.com/v1/Sims?")

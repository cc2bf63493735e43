"""Invalid values: each is rejected, never a server error."""

from __future__ import annotations

import pytest

from tests.emulator.api import Api

LISTS = {
    "wireless": ["Sims", "RatePlans", "Commands", "UsageRecords", "Sims/{sim}/DataSessions"],
    "supersim": [
        "Sims", "Fleets", "Networks", "NetworkAccessProfiles", "SmsCommands", "IpCommands",
        "ESimProfiles", "SettingsUpdates", "UsageRecords", "Sims/{sim}/BillingPeriods",
        "Sims/{sim}/IpAddresses", "NetworkAccessProfiles/default/Networks",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        {"PageSize": "0"},
        {"PageSize": "9" * 40},
        {"PageSize": "٣"},
        {"PageSize": ""},
        {"Page": "-1"},
        {"PageToken": "nonsense"},
        {"PageToken": "PA"},
    ],
)
async def test_invalid_page_parameters_are_rejected_by_every_list(
    anywhere: Api, query: dict[str, str]
) -> None:
    sim = anywhere.sims[0].sid
    for path in LISTS[anywhere.product]:
        got = await anywhere.get(f"/v1/{path.format(sim=sim)}", **query)
        assert (got.status, path) == (400, path)


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-13-01", "T", "", "2026-01-01T00:00"],
)
async def test_invalid_dates_are_rejected(wireless: Api, text: str) -> None:
    for product, path, name in (
        ("wireless", "UsageRecords", "Start"),
        ("wireless", "UsageRecords", "End"),
        ("supersim", "UsageRecords", "StartTime"),
        ("supersim", "UsageRecords", "EndTime"),
        ("monitor", "Events", "StartDate"),
    ):
        got = await wireless.of(product).get(f"/v1/{path}", **{name: text})
        assert (got.status, name) == (400, name)


async def test_the_largest_page_is_the_documented_one_at_every_list(anywhere: Api) -> None:
    smaller = {"IpCommands": 100, "UsageRecords": 249}
    sim = anywhere.sims[0].sid
    for path in LISTS[anywhere.product]:
        is_small = anywhere.vendor == "kore" and anywhere.product == "supersim"
        largest = smaller.get(path, 1000) if is_small else 1000
        whole = f"/v1/{path.format(sim=sim)}"
        assert (await anywhere.get(whole, PageSize=largest)).status == 200
        assert (await anywhere.get(whole, PageSize=largest + 1)).status == 400


async def test_subresources_of_a_missing_sim_are_404(anywhere: Api) -> None:
    for path in LISTS[anywhere.product]:
        if "{sim}" in path:
            assert (await anywhere.get(f"/v1/{path.format(sim='missing')}")).code == 20404


@pytest.mark.parametrize(
    ("path", "given", "named"),
    [
        ("/v1/Sims", {"PageSize": "abc"}, "PageSize"),
        ("/v1/Sims", {"Page": "abc"}, "Page"),
        ("/v1/Sims", {"PageSize": "0"}, "PageSize"),
        ("/v1/UsageRecords", {"StartTime": "x"}, "StartTime"),
    ],
)
async def test_messages_name_parameters_as_the_vendor_does(
    any_supersim: Api, path: str, given: dict[str, str], named: str
) -> None:
    got = await any_supersim.get(path, **given)
    assert got.status == 400
    assert got.body["message"].startswith(f"{named} ")


async def test_messages_about_forms_name_parameters_as_the_vendor_does(
    any_wireless: Api, any_supersim: Api
) -> None:
    got = await any_wireless.post("/v1/RatePlans", DataLimit="much")
    assert got.body["message"].startswith("DataLimit ")
    got = await any_wireless.post("/v1/RatePlans", DataEnabled="perhaps")
    assert got.body["message"].startswith("DataEnabled ")
    got = await any_wireless.post("/v1/RatePlans", DataMetering="by feel")
    assert got.body["message"].startswith("DataMetering ")
    got = await any_supersim.update(any_supersim.sims[0].sid, CallbackUrl="nowhere")
    assert got.body["message"].startswith("CallbackUrl ")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/a b",
        "http://127.0.0.1:9/a\r\nX-Evil: 1",
        "http://127.0.0.1:9/\x00",
        "http://127.0.0.1:9/\x7f",
        "http://127.0.0.1:9/\u00fc",
        "http://",
        "//127.0.0.1/",
        "ftp://127.0.0.1/",
    ],
)
async def test_a_callback_url_that_cannot_be_requested_is_rejected_as_an_invalid_url(
    anywhere: Api, url: str
) -> None:
    sim = anywhere.sims[0]
    got = await anywhere.update(sim.sid, UniqueName="x", CallbackUrl=url)
    assert (got.status, got.code) == (400, 11100)
    assert anywhere.sim(sim.sid) == sim

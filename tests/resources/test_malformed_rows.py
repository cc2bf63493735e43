"""Lists with malformed rows: they affect no other row, and are never dropped silently."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from asyncsim import (
    BadRecord,
    BadRequest,
    Client,
    DecodeError,
    OutcomeUnknown,
    Page,
    Pager,
)
from asyncsim.resources.base import Verbs
from tests.http.server import Received, ScriptedResponse
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import ACCOUNT, ScriptedApi, sid

MALFORMED = [
    {"url": {}},
    {"fleet_sid": False},
    {"iccid": 8.9e18},
    {"date_updated": 7},
    {"sid": None},
]


def row(digit: str, **changes: Any) -> dict[str, Any]:
    return {"sid": sid("HS", digit), "status": "new", **changes}


def page_of(*rows: Any, following: Any = None) -> dict[str, Any]:
    return {"sims": list(rows), "meta": {"key": "sims", "next_page_url": following}}


def digits(sims: Any) -> str:
    return "".join(one.sid[-1] for one in sims)


@pytest.fixture
def listed(scripted: ScriptedApi) -> ScriptedApi:
    """Two pages: 1, malformed, 3, not an object, 5; then 6, malformed, 8."""
    scripted.plan(
        page_of(row("1"), row("2", url={}), row("3"), 4, row("5"), following="?Page=1"),
        page_of(row("6"), row("7", fleet_sid=[]), row("8")),
    )
    return scripted


async def test_iterating_raises_at_a_malformed_row_after_yielding_the_rows_before_it(
    listed: ScriptedApi,
) -> None:
    sims = aiter(listed.client.supersim.sims.list())
    assert digits([await anext(sims)]) == "1"
    with pytest.raises(DecodeError, match=r"HS2+: .*url; list\(\.\.\., bad='skip'\)") as caught:
        await anext(sims)
    assert caught.value.sid == sid("HS", "2")


async def test_bad_skip_yields_every_well_formed_row(listed: ScriptedApi) -> None:
    sims = listed.client.supersim.sims.list(bad="skip")
    assert digits([sim async for sim in sims]) == "13568"


async def test_a_page_holds_the_well_formed_rows_and_the_malformed_ones_in_bad(
    listed: ScriptedApi,
) -> None:
    page = await listed.client.supersim.sims.list()
    assert digits(page.items) == "135"
    assert len(page) == 3
    assert page.has_next
    first, second = page.bad
    assert isinstance(first, BadRecord)
    assert (first.index, first.raw, first.error.sid) == (1, row("2", url={}), sid("HS", "2"))
    assert (second.index, second.raw, second.error.sid) == (3, 4, None)
    sims = iter(page)
    assert digits([next(sims)]) == "1"
    with pytest.raises(DecodeError, match=r"HS2+"):
        next(sims)


async def test_with_bad_skip_a_page_is_iterated_to_its_end(listed: ScriptedApi) -> None:
    page = await listed.client.supersim.sims.list(bad="skip")
    assert digits(page) == "135"
    assert [one.index for one in page.bad] == [1, 3]


@pytest.mark.parametrize("bad", ["raise", "skip"])
async def test_paging_continues_past_malformed_rows(listed: ScriptedApi, bad: Any) -> None:
    pages = [page async for page in listed.client.supersim.sims.list(bad=bad).pages()]
    assert [(digits(page.items), len(page.bad)) for page in pages] == [("135", 2), ("68", 1)]


async def test_mapped_and_filtered_lists_keep_the_position_of_a_malformed_row(
    listed: ScriptedApi,
) -> None:
    sims = listed.client.supersim.sims.list()
    mapped = sims.where(lambda sim: sim.sid[-1] not in "15").map(lambda sim: sim.sid[-1])
    page = await mapped
    assert page.items == ("3",)
    assert len(page.bad) == 2
    with pytest.raises(DecodeError):
        list(page)


async def test_mapped_and_filtered_lists_follow_bad_skip(listed: ScriptedApi) -> None:
    sims = listed.client.supersim.sims.list(bad="skip")
    kept = sims.where(lambda sim: sim.sid[-1] != "5").map(lambda sim: sim.sid[-1])
    assert [one async for one in kept] == ["1", "3", "6", "8"]


@pytest.mark.parametrize("changes", MALFORMED, ids=str)
async def test_one_malformed_field_in_a_thousand_rows_affects_one_row(
    scripted: ScriptedApi, changes: dict[str, Any]
) -> None:
    rows = [{"sid": f"HS{number:032x}", "status": "new"} for number in range(1000)]
    rows[500] |= changes
    scripted.plan(page_of(*rows))
    page = await scripted.client.supersim.sims.list(page_size=1000)
    assert (len(page.items), len(page.bad)) == (999, 1)
    assert page.bad[0].index == 500


async def test_bad_is_not_sent_to_the_vendor(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(page_of())
    await scripted.client.supersim.sims.list(bad="skip", status="new")
    assert scripted.request_lines == ["GET /v1/Sims?Status=new"]


async def test_an_invalid_value_of_bad_is_rejected_at_once(scripted: ScriptedApi) -> None:
    with pytest.raises(ValueError, match=r"bad='ignore': must be 'raise' or 'skip'"):
        scripted.client.supersim.sims.list(bad="ignore")  # type: ignore[arg-type]  # invalid on purpose
    assert scripted.received == []


async def test_a_bad_record_is_shortened_in_messages(scripted: ScriptedApi) -> None:
    scripted.plan(page_of(row("1", url={"x" * 5000: "y" * 5000}, unique_name=["z" * 5000])))
    page = await scripted.client.supersim.sims.list()
    (bad,) = page.bad
    assert repr(bad).startswith(f"<BadRecord 0: cannot read Sim {sid('HS', '1')}: ")
    assert len(repr(bad)) < 160
    assert len(str(bad.error)) < 600


async def test_a_malformed_next_page_url_raises_after_the_rows_before_it(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(page_of(row("1"), row("2"), following=7))
    sims = aiter(scripted.client.supersim.sims.list())
    assert digits([await anext(sims), await anext(sims)]) == "12"
    with pytest.raises(DecodeError, match="its next_page_url is 7"):
        await anext(sims)


async def test_a_fleet_looked_up_by_name_needs_only_a_readable_sid(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(
        {"sid": sid("HF", "7"), "data_limit": "a lot"},
        row("1", status="active", fleet_sid=sid("HF", "7")),
    )
    sim = await scripted.client.supersim.sims.update_and_wait(sid("HS", "1"), fleet="mine")
    assert sim.fleet_sid == sid("HF", "7")


async def test_a_null_page_is_empty(scripted: ScriptedApi) -> None:
    scripted.plan({"sims": None, "meta": None})
    assert await scripted.client.supersim.sims.list() == Page((), has_next=False)


async def test_an_already_registered_sim_with_a_malformed_record_raises_a_decode_error(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(
        ScriptedResponse(400, {"code": 83003, "message": "yours"}), page_of(row("1", url={}))
    )
    with pytest.raises(DecodeError, match=r"HS1+"):
        await scripted.client.supersim.sims.register(iccid="89" * 10, registration_code="A" * 10)


async def test_history_skips_malformed_events(scripted: ScriptedApi) -> None:
    change = {"status": {"previous": "new", "updated": "active"}}
    events = [
        {"sid": sid("AE", "1"), "event_data": change},
        {"sid": sid("AE", "2"), "event_data": "lost"},
        {"sid": sid("AE", "3"), "event_data": change},
    ]
    for _ in range(2):
        scripted.plan({"events": events, "meta": {}})
    history = scripted.client.wireless.sims.history
    with pytest.raises(DecodeError, match=r"AE2+"):
        _ = [one async for one in history(sid("DE"))]
    entries = [one async for one in history(sid("DE"), bad="skip")]
    assert [one.event.sid[-1] for one in entries] == ["1", "3"]


async def test_a_malformed_secret_is_skipped_and_never_shown(kore: ScriptedApi) -> None:
    rows = [{"id": "whs_1"}, {"id": None, "secret": "hush-hush"}, {"id": "whs_3", "secret": [5]}]
    for _ in range(2):
        kore.plan({"data": [*rows, {"id": "whs_4"}], "meta_data": ["malformed"]})
    secrets = kore.client.webhooks.secrets
    assert [one.id async for one in secrets.list(bad="skip")] == ["whs_1", "whs_4"]
    page = await secrets.list()
    assert [one.index for one in page.bad] == [1, 2]
    assert "hush" not in f"{page!r} {page.bad} {page.bad[0].error}"
    with pytest.raises(DecodeError, match="it is not shown"):
        list(page)


async def test_every_list_accepts_bad(open_scripted_api: OpenScripted) -> None:
    scripted = await open_scripted_api("kore", monitor=True)
    verbs = [verb for resource in resources_of(scripted.client) for verb in lists_of(resource)]
    assert len(verbs) == 21
    for verb in verbs:
        parameters = inspect.signature(verb).parameters
        assert parameters["bad"].default == "raise", verb
        parents = [one for one in parameters.values() if one.kind is one.POSITIONAL_ONLY]
        name = sid("DE") if verb.__name__ == "history" else "a-name"
        assert isinstance(verb(*[name for _ in parents], bad="skip"), Pager)
    assert scripted.received == []


def resources_of(client: Client) -> list[Any]:
    namespaces = (client.wireless, client.supersim, client.monitor, client.webhooks)
    members = [
        getattr(namespace, name)
        for namespace in namespaces
        for name in dir(namespace)
        if name[0] != "_"
    ]
    return [one for one in members if isinstance(one, Verbs)]


def lists_of(resource: Any) -> list[Any]:
    return [getattr(resource, name) for name in ("list", "history") if hasattr(resource, name)]


@pytest.mark.parametrize("verb", ["fetch", "update", "list"])
async def test_lenient_spellings_are_read_by_every_verb(scripted: ScriptedApi, verb: str) -> None:
    malformed = row("1", links={"billing_periods": None}, iccid=89883070000123456789, unique_name=7)
    malformed |= {"account_sid": ACCOUNT, "date_updated": "2026-01-01T00:00:00", "status": None}
    sims = scripted.client.supersim.sims
    scripted.plan(page_of(malformed) if verb == "list" else malformed)
    if verb == "list":
        (sim,) = await sims.list()
    elif verb == "fetch":
        sim = await sims.fetch(malformed["sid"])
    else:
        sim = await sims.update(malformed["sid"], unique_name="7")
    assert (sim.status, sim.links, sim.iccid) == (None, {}, "89883070000123456789")
    assert (sim.unique_name, sim.date_updated) == ("7", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("depth", [2_000, 200_000])
async def test_deeply_nested_json_raises_an_sdk_error(scripted: ScriptedApi, depth: int) -> None:
    deep = (
        f'{{"sid": "{sid("HS")}", "status": "active", "added_later": {"[" * depth}{"]" * depth}}}'
    )
    sims, texts = scripted.client.supersim.sims, scripted.client.supersim.sms_commands
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: sims.fetch(sid("HS")),
        lambda: sims.update(sid("HS"), unique_name="x"),
        lambda: sims.register(iccid="89" * 10, registration_code="A" * 10),
        lambda: sims.list(),
        lambda: texts.create(sim=sid("HS"), payload="x"),
    ]
    status = 200

    async def nested(_: Received) -> ScriptedResponse:
        return ScriptedResponse(status, deep)

    scripted.script = nested
    for call in calls:
        with pytest.raises((DecodeError, OutcomeUnknown)):
            await scripted.complete(call())
    status = 400
    with pytest.raises(BadRequest):
        await sims.fetch(sid("HS"))

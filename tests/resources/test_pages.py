from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from asyncsim import Client, DecodeError, Hosts, Page, Pager
from asyncsim.emulator import Behaviour
from asyncsim.events import Event, ForeignPage
from asyncsim.resources.pages import StatusPage, StatusRow
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

KORE_SUPERSIM = Api("kore", "supersim")


@pytest.fixture
async def harness(start_harness: OpenHarness) -> Harness:
    return await start_harness(Api("twilio", "supersim"), sims=5)


async def test_a_list_is_lazy_until_it_is_awaited_or_iterated(harness: Harness) -> None:
    pager = harness.sims.list(page_size=2)
    assert isinstance(pager, Pager)
    assert list(harness.emulator.requests) == []


async def test_awaiting_a_list_fetches_only_the_first_page(harness: Harness) -> None:
    page = await harness.sims.list(page_size=2)
    assert isinstance(page, Page)
    assert (len(page), page.has_next) == (2, True)
    assert [sim.sid for sim in page] == harness.sids[::-1][:2] == [sim.sid for sim in page.items]
    assert len(harness.lists) == 1


async def test_iterating_yields_every_row_once_and_fetches_page_by_page(harness: Harness) -> None:
    seen = []
    async for sim in harness.sims.list(page_size=2):
        seen.append(sim.sid)
        assert len(harness.lists) == (len(seen) + 1) // 2
    assert seen == harness.sids[::-1]


async def test_leaving_the_loop_early_fetches_nothing_more(harness: Harness) -> None:
    async for _ in harness.sims.list(page_size=2):
        break
    await harness.clock.settle()
    assert len(harness.lists) == 1


async def test_pages_tell_whether_another_follows(harness: Harness) -> None:
    pages = [page async for page in harness.sims.list(page_size=2).pages()]
    assert [(len(page), page.has_next) for page in pages] == [(2, True), (2, True), (1, False)]


async def test_a_pager_may_be_reused_and_fetches_again(harness: Harness) -> None:
    pager = harness.sims.list(page_size=5)
    assert len(await pager) == len([sim async for sim in pager]) == 5
    assert len(harness.lists) == 2


async def test_filters_are_sent_with_the_next_page(harness: Harness) -> None:
    harness.put(harness.sid, status="active")
    assert len([sim async for sim in harness.sims.list(status="new", page_size=2)]) == 4
    assert [one.query["Status"] for one in harness.lists] == [["new"]] * 2


async def test_an_iccid_gives_one_row_or_none(harness: Harness) -> None:
    iccid = harness.store[harness.sid].iccid
    assert [sim.sid async for sim in harness.sims.list(iccid=iccid)] == [harness.sid]
    assert [sim async for sim in harness.sims.list(iccid="8901")] == []


@pytest.mark.parametrize("size", [0, -1, 1001])
async def test_an_unsupported_page_size_is_rejected(harness: Harness, size: int) -> None:
    with pytest.raises(ValueError, match=f"page_size={size}: a page has 1 to 1000 rows"):
        harness.sims.list(page_size=size)


async def test_wrong_filters_are_rejected_before_sending(harness: Harness) -> None:
    with pytest.raises(TypeError, match="did you mean 'status'"):
        harness.sims.list(statsu="new")
    with pytest.raises(ValueError, match="did you mean 'active'"):
        harness.sims.list(status="activ")
    assert list(harness.emulator.requests) == []


async def test_a_next_page_at_another_host_is_fetched_from_ours_and_reported_once(
    start_harness: OpenHarness,
) -> None:
    behaviour = Behaviour(kore_rewrites_page_urls=False)
    harness = await start_harness(KORE_SUPERSIM, sims=5, world={"behaviour": behaviour})
    assert len([sim async for sim in harness.sims.list(page_size=2)]) == 5
    (foreign,) = harness.events_of(ForeignPage)
    assert foreign.origin == "https://supersim.twilio.com"
    assert harness.emulator.url.startswith(foreign.expected)


NextPage = Callable[[web.Request], Any]


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[[NextPage], Any]]:
    """Starts a server whose next page URL is scripted, and returns its client and events."""
    runners: list[web.AppRunner] = []
    clients: list[Client] = []

    async def start(respond: NextPage) -> tuple[Client, list[Event]]:
        async def handle(request: web.Request) -> web.Response:
            return web.json_response(respond(request))

        app = web.Application()
        app.router.add_get("/prefix/v1/Sims", handle)
        runner = web.AppRunner(app, access_log=None)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/prefix"
        events: list[Event] = []
        client = Client.twilio(
            "AC1", "token", hosts=Hosts(supersim=base), observers=[events.append]
        )
        clients.append(client)
        return client, events

    yield start
    for client in clients:
        await client.close()
    for runner in runners:
        await runner.cleanup()


def page(next_page_url: Any, *rows: Any) -> dict[str, Any]:
    return {"sims": list(rows), "meta": {"key": "sims", "next_page_url": next_page_url}}


async def read_all(client: Client) -> list[Any]:
    return [sim async for sim in client.supersim.sims.list()]


@pytest.mark.parametrize(
    "url", ["http://x/v1/Sims?Page=1", "https://evil.example/v1/Sims?Page=1", "/v1/Sims?Page=1"]
)
async def test_a_page_whose_next_page_is_itself_is_an_error(scripted: Any, url: str) -> None:
    client, _ = await scripted(lambda request: page(url))
    with pytest.raises(DecodeError, match="its next page was there before"):
        await read_all(client)


async def test_pages_that_form_a_cycle_are_an_error(scripted: Any) -> None:
    def respond(request: web.Request) -> Any:
        return page("?Page=2" if request.query.get("Page") == "1" else "?Page=1")

    client, _ = await scripted(respond)
    with pytest.raises(DecodeError, match="its next page was there before"):
        await read_all(client)


async def test_a_next_page_without_a_query_is_an_error(scripted: Any) -> None:
    client, _ = await scripted(lambda request: page("https://supersim.twilio.com/v1/Sims"))
    with pytest.raises(DecodeError):
        await read_all(client)


async def test_a_gateway_prefix_is_kept_from_page_to_page(scripted: Any) -> None:
    def respond(request: web.Request) -> Any:
        assert request.path == "/prefix/v1/Sims"
        row = {"sid": "HS1", "status": "new"}
        return page(None, row) if "PageToken" in request.query else page("?PageToken=PAHS1", row)

    client, events = await scripted(respond)
    assert len(await read_all(client)) == 2
    assert [event for event in events if isinstance(event, ForeignPage)] == []


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"sims": {}},
        {"meta": {}},
        {"sims": [], "meta": [1]},
        page(7),
        page(None, {"status": "new"}),
        page(None, "a text"),
        page(None, {"sid": "HS1", "status": "new", "date_created": "yesterday"}),
    ],
)
async def test_a_malformed_page_is_a_decode_error(scripted: Any, body: Any) -> None:
    client, _ = await scripted(lambda request: body)
    with pytest.raises(DecodeError):
        await read_all(client)


# Pages of a sweep.

STATUSES = [StatusRow("HS1", "active"), StatusRow("HS2", "new")]


def decoded(row: str) -> str:
    if row == "bad":
        raise DecodeError("Sim HS1", "bad")
    return f"record of {row}"


def test_a_status_page_splits_its_rows_once_and_only_if_a_record_is_needed() -> None:
    decodings: list[int] = []

    def sources() -> list[str]:
        decodings.append(1)
        return ["HS1", "HS2"]

    page = StatusPage(STATUSES, None, sources=sources, decode=decoded)
    assert [(row.sid, row.status) for row in page.rows] == [("HS1", "active"), ("HS2", "new")]
    assert not decodings
    assert [page.record(1), page.record(0)] == ["record of HS2", "record of HS1"]
    assert len(decodings) == 1


def test_a_malformed_row_of_a_status_page_affects_no_other() -> None:
    page = StatusPage(STATUSES, None, sources=lambda: ["bad", "HS2"], decode=decoded)
    assert page.record(1) == "record of HS2"
    with pytest.raises(DecodeError):
        page.record(0)

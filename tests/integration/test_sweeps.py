"""Sweeps and list scans for many pending SIMs, and when sweeping stops."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from asyncsim import AuthenticationError, TransitionFailed, TransitionTimeout, Watching
from asyncsim.emulator import Behaviour, Faults
from asyncsim.events import SweepFinished, SweepingStopped
from asyncsim.http.auth import BasicAuth
from asyncsim.http.transport import Response
from tests.integration.conftest import OpenHarness
from tests.integration.harness import LATENCY, TRANSITION, Api, Harness

MANY = 40
TWILIO_SUPERSIM = Api("twilio", "supersim")


@pytest.fixture
async def harness(start_harness: OpenHarness, api: Api) -> Harness:
    return await start_harness(api, sims=MANY)


async def activate_all(harness: Harness, **keywords: Any) -> dict[str, Any]:
    changes = {sid: {"status": "active"} for sid in harness.sids}
    return await harness.collect(harness.sims.update_many(changes, **keywords))


def single_reads(harness: Harness) -> int:
    return sum(one.method == "GET" and one.path != "/v1/Sims" for one in harness.emulator.requests)


async def test_many_waits_are_settled_by_sweeps_with_hardly_any_reads(harness: Harness) -> None:
    outcomes = await activate_all(harness)
    assert {(one.ok, one.confirmed, one.settled_by) for one in outcomes.values()} == {
        (True, True, "sweep")
    }
    assert {one.sim.status for one in outcomes.values()} == {"active"}
    assert single_reads(harness) < Watching().sweep_from
    pending = len(harness.sims.kind.pending)
    assert len(harness.lists) <= pending * (TRANSITION / Watching().sweep_every + 2) + 2
    assert harness.is_idle


async def test_sweeps_filter_by_pending_status_and_use_the_largest_page(harness: Harness) -> None:
    await activate_all(harness)
    filters = {one.query.get("Status", ["all"])[0] for one in harness.lists}
    assert filters == {*harness.sims.kind.pending, "all"}
    assert {one.query["PageSize"][0] for one in harness.lists} == {"1000"}
    walks = [one for one in harness.events_of(SweepFinished) if one.walk]
    assert sum(one.settled for one in walks) == MANY


async def test_few_waits_are_read_one_by_one(start_harness: OpenHarness, api: Api) -> None:
    harness = await start_harness(api, sims=Watching().sweep_from - 1)
    outcomes = await activate_all(harness)
    assert all(one.ok for one in outcomes.values())
    assert harness.lists == []


async def test_the_last_few_of_many_are_read_one_by_one(start_harness: OpenHarness) -> None:
    spread = evolve(LATENCY, sigma=0.8)
    harness = await start_harness(TWILIO_SUPERSIM, sims=2 * MANY, world={"latency": spread})
    outcomes = await activate_all(harness)
    assert {one.settled_by for one in outcomes.values()} == {"sweep", "read"}


async def test_single_waits_are_swept_together_too(harness: Harness) -> None:
    sims = await asyncio.gather(
        *(harness.sims.update(sid, status="active") for sid in harness.sids)
    )
    waits = asyncio.gather(*(harness.sims.await_transition(sim) for sim in sims))
    settled = await harness.complete(waits)
    assert {one.status for one in settled} == {"active"}
    assert single_reads(harness) < Watching().sweep_from


async def test_failures_among_many_are_attributed_per_sim(
    start_harness: OpenHarness, api: Api
) -> None:
    faults = Faults(failing_updates=0.3, seed=3)
    harness = await start_harness(api, sims=MANY, world={"faults": faults})
    outcomes = await activate_all(harness)
    failed = {sid for sid, one in outcomes.items() if not one.ok}
    assert failed == {sid for sid in harness.sids if harness.store[sid].status != "active"}
    assert all(isinstance(outcomes[sid].error, TransitionFailed) for sid in failed)
    assert 5 < len(failed) < 20


async def test_a_rejected_filter_ends_sweeping_and_is_logged(
    start_harness: OpenHarness, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    behaviour = Behaviour(refused_status_filters=frozenset({"scheduled", "updating"}))
    harness = await start_harness(api, sims=MANY, world={"behaviour": behaviour})
    with caplog.at_level(logging.WARNING, "asyncsim"):
        outcomes = await activate_all(harness)
    assert {(one.ok, one.settled_by) for one in outcomes.values()} == {(True, "read")}
    (stopped,) = harness.events_of(SweepingStopped)
    assert "rejected the status filter" in stopped.reason
    assert f"stopped sweeping {api.product}" in caplog.text
    assert len(harness.lists) == 1
    again = {sid: {"status": "ready"} for sid in harness.sids[:3]}
    await harness.collect(harness.sims.update_many(again))
    assert len(harness.lists) == 1, "sweeping is not retried"


async def test_sweeps_that_contradict_reads_end_sweeping(
    start_harness: OpenHarness, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = await start_harness(api, sims=MANY)
    pages = harness.sims.resource.raw_pages

    async def hide_rows(query: str, **how: Any) -> Any:
        async for page in pages(query, **how):
            yield evolve(page, rows=[]) if "Status=" in query else page

    monkeypatch.setattr(harness.sims.resource, "raw_pages", hide_rows)
    outcomes = await activate_all(harness)
    assert all(one.ok for one in outcomes.values())
    (stopped,) = harness.events_of(SweepingStopped)
    assert "turned out to be pending" in stopped.reason
    sweeps = [one for one in harness.events_of(SweepFinished) if not one.walk]
    assert len(sweeps) == 2


async def test_pages_that_shift_during_a_sweep_settle_no_wait_wrongly(
    start_harness: OpenHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = await start_harness(TWILIO_SUPERSIM, sims=MANY)
    pages, round_numbers = harness.sims.resource.raw_pages, iter(range(1000))

    async def shifting(query: str, **how: Any) -> Any:
        hidden = next(round_numbers) % 7
        async for page in pages(query, **how):
            rows = [row for at, row in enumerate(page.rows) if at % 7 != hidden]
            yield evolve(page, rows=rows) if "Status=" in query else page

    monkeypatch.setattr(harness.sims.resource, "raw_pages", shifting)
    outcomes = await activate_all(harness)
    assert all(one.ok for one in outcomes.values())
    assert {one.sim.status for one in outcomes.values()} == {"active"}


def change_pages(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Any]], list[Any]]
) -> None:
    """Change the rows of the lists that the watcher reads."""
    read = harness.sims.resource.read_status_page

    def changed(response: Response) -> Any:
        page = json.loads(response.body)
        rows = change(page["sims"])
        return read(evolve(response, body=json.dumps({**page, "sims": rows}).encode()))

    monkeypatch.setattr(harness.sims.resource, "read_status_page", changed)


async def test_with_malformed_lists_single_reads_settle_all_waits(
    start_harness: OpenHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = await start_harness(TWILIO_SUPERSIM, sims=MANY)
    change_pages(harness, monkeypatch, lambda rows: [{"no": "sid"}])
    outcomes = await activate_all(harness)
    assert all(one.ok for one in outcomes.values())
    assert harness.events_of(SweepingStopped) == [], (
        "one host may be faulty for a while, so sweeps are retried"
    )


@pytest.mark.parametrize(
    "bad",
    [{"date_updated": 7}, {"status": None}, {"status": [7]}, {"sid": None}],
    ids=["date", "no status", "malformed status", "no sid"],
)
async def test_a_malformed_row_affects_no_other(
    start_harness: OpenHarness, monkeypatch: pytest.MonkeyPatch, bad: dict[str, Any]
) -> None:
    harness = await start_harness(TWILIO_SUPERSIM, sims=MANY)
    malformed = {harness.sid: bad}
    change_pages(
        harness, monkeypatch, lambda rows: [row | malformed.get(row["sid"], {}) for row in rows]
    )
    outcomes = await activate_all(harness)
    assert all(one.ok for one in outcomes.values())
    assert harness.events_of(SweepingStopped) == []
    assert [one.settled_by for one in outcomes.values()].count("read") == 1


async def test_a_failed_sweep_is_retried(start_harness: OpenHarness) -> None:
    harness = await start_harness(TWILIO_SUPERSIM, sims=MANY)
    work = asyncio.create_task(activate_all(harness))
    await harness.clock.settle()
    harness.emulator.faults = Faults(dropped=1.0)
    await harness.complete(harness.clock.sleep(60))
    harness.emulator.faults = Faults()
    outcomes = await work
    assert all(one.ok for one in outcomes.values())
    assert harness.events_of(SweepingStopped) == []


async def test_many_deadlines_are_kept_exactly(start_harness: OpenHarness, api: Api) -> None:
    slow = evolve(LATENCY, transition=600.0, longest=600.0)
    harness = await start_harness(api, sims=MANY, world={"latency": slow})
    outcomes = await activate_all(harness, timeout=50)
    assert all(isinstance(one.error, TransitionTimeout) for one in outcomes.values())
    assert {one.seconds for one in outcomes.values()} == {50.0}
    assert single_reads(harness) < MANY + Watching().sweep_from, "one last read per SIM"


async def test_cancelling_many_waits_ends_the_sweeping(harness: Harness) -> None:
    waits = [
        await harness.start(harness.sims.update_and_wait(sid, status="active"))
        for sid in harness.sids
    ]
    await harness.clock.advance(3)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await harness.clock.settle()
    assert harness.is_idle
    requests_before = len(harness.emulator.requests)
    await harness.clock.advance(60)
    assert len(harness.emulator.requests) == requests_before


async def test_a_closed_account_ends_all_waits_long_before_their_deadlines(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(TWILIO_SUPERSIM, sims=MANY)
    work = await harness.start(activate_all(harness))
    sender: Any = await harness.client.context.open()
    sender._auth, sender._header_is_default = BasicAuth("AC" + "0" * 32, "closed"), False
    outcomes = await harness.complete(work)
    assert {type(one.error) for one in outcomes.values()} == {AuthenticationError}
    assert harness.clock.now() < Watching().timeout / 5

"""Asking about many at once: sweeps of the list, walks that confirm, and when that stops."""

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
from tests.integration.conftest import OpenStage
from tests.integration.stage import LATENCY, TRANSITION, Place, Stage

MANY = 40
TWILIO_SUPERSIM = Place("twilio", "supersim")


@pytest.fixture
async def stage(set_stage: OpenStage, place: Place) -> Stage:
    return await set_stage(place, sims=MANY)


async def activate_all(stage: Stage, **keywords: Any) -> dict[str, Any]:
    changes = {sid: {"status": "active"} for sid in stage.sids}
    return await stage.collect(stage.sims.update_many(changes, **keywords))


def single_reads(stage: Stage) -> int:
    return sum(one.method == "GET" and one.path != "/v1/Sims" for one in stage.emulator.requests)


async def test_many_waits_are_settled_by_sweeps_and_hardly_by_reads(stage: Stage) -> None:
    outcomes = await activate_all(stage)
    assert {(one.ok, one.confirmed, one.settled_by) for one in outcomes.values()} == {
        (True, True, "sweep")
    }
    assert {one.sim.status for one in outcomes.values()} == {"active"}
    assert single_reads(stage) < Watching().sweep_from
    pending = len(stage.sims.kind.pending)
    assert len(stage.lists) <= pending * (TRANSITION / Watching().sweep_every + 2) + 2
    assert stage.is_at_rest


async def test_sweeps_ask_for_pending_sims_only_and_for_the_largest_page(stage: Stage) -> None:
    await activate_all(stage)
    filters = {one.query.get("Status", ["all"])[0] for one in stage.lists}
    assert filters == {*stage.sims.kind.pending, "all"}
    assert {one.query["PageSize"][0] for one in stage.lists} == {"1000"}
    walks = [one for one in stage.told(SweepFinished) if one.walk]
    assert sum(one.settled for one in walks) == MANY


async def test_few_waits_are_read_one_by_one(set_stage: OpenStage, place: Place) -> None:
    stage = await set_stage(place, sims=Watching().sweep_from - 1)
    outcomes = await activate_all(stage)
    assert all(one.ok for one in outcomes.values())
    assert stage.lists == []


async def test_the_last_few_of_many_are_read_one_by_one(set_stage: OpenStage) -> None:
    spread = evolve(LATENCY, sigma=0.8)
    stage = await set_stage(TWILIO_SUPERSIM, sims=2 * MANY, world={"latency": spread})
    outcomes = await activate_all(stage)
    assert {one.settled_by for one in outcomes.values()} == {"sweep", "read"}


async def test_single_waits_are_swept_together_too(stage: Stage) -> None:
    sims = await asyncio.gather(*(stage.sims.update(sid, status="active") for sid in stage.sids))
    waits = asyncio.gather(*(stage.sims.await_transition(sim) for sim in sims))
    settled = await stage.play(waits)
    assert {one.status for one in settled} == {"active"}
    assert single_reads(stage) < Watching().sweep_from


async def test_failures_among_many_are_told_apart(set_stage: OpenStage, place: Place) -> None:
    faults = Faults(failing_updates=0.3, seed=3)
    stage = await set_stage(place, sims=MANY, world={"faults": faults})
    outcomes = await activate_all(stage)
    failed = {sid for sid, one in outcomes.items() if not one.ok}
    assert failed == {sid for sid in stage.sids if stage.store[sid].status != "active"}
    assert all(isinstance(outcomes[sid].error, TransitionFailed) for sid in failed)
    assert 5 < len(failed) < 20


async def test_a_filter_that_is_refused_ends_sweeping_and_is_said(
    set_stage: OpenStage, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    refuses = Behaviour(refused_status_filters=frozenset({"scheduled", "updating"}))
    stage = await set_stage(place, sims=MANY, world={"behaviour": refuses})
    with caplog.at_level(logging.WARNING, "asyncsim"):
        outcomes = await activate_all(stage)
    assert {(one.ok, one.settled_by) for one in outcomes.values()} == {(True, "read")}
    (stopped,) = stage.told(SweepingStopped)
    assert "rejected the status filter" in stopped.reason
    assert f"stopped sweeping {place.product}" in caplog.text
    assert len(stage.lists) == 1
    again = {sid: {"status": "ready"} for sid in stage.sids[:3]}
    await stage.collect(stage.sims.update_many(again))
    assert len(stage.lists) == 1, "it is not tried again"


async def test_sweeps_that_contradict_reads_are_given_up(
    set_stage: OpenStage, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await set_stage(place, sims=MANY)
    pages = stage.sims.resource.raw_pages

    async def lies(query: str, **how: Any) -> Any:
        async for page in pages(query, **how):
            yield evolve(page, rows=[]) if "Status=" in query else page

    monkeypatch.setattr(stage.sims.resource, "raw_pages", lies)
    outcomes = await activate_all(stage)
    assert all(one.ok for one in outcomes.values())
    (stopped,) = stage.told(SweepingStopped)
    assert "turned out to be pending" in stopped.reason
    sweeps = [one for one in stage.told(SweepFinished) if not one.walk]
    assert len(sweeps) == 2


async def test_pages_that_shift_while_they_are_read_fool_nobody(
    set_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await set_stage(TWILIO_SUPERSIM, sims=MANY)
    pages, turn = stage.sims.resource.raw_pages, iter(range(1000))

    async def shifting(query: str, **how: Any) -> Any:
        hidden = next(turn) % 7
        async for page in pages(query, **how):
            rows = [row for at, row in enumerate(page.rows) if at % 7 != hidden]
            yield evolve(page, rows=rows) if "Status=" in query else page

    monkeypatch.setattr(stage.sims.resource, "raw_pages", shifting)
    outcomes = await activate_all(stage)
    assert all(one.ok for one in outcomes.values())
    assert {one.sim.status for one in outcomes.values()} == {"active"}


def change_pages(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Any]], list[Any]]
) -> None:
    """Let the watcher be given lists with other rows than the emulator's."""
    read = stage.sims.resource.read_status_page

    def changed(response: Response) -> Any:
        page = json.loads(response.body)
        rows = change(page["sims"])
        return read(evolve(response, body=json.dumps({**page, "sims": rows}).encode()))

    monkeypatch.setattr(stage.sims.resource, "read_status_page", changed)


async def test_a_list_that_cannot_be_read_leaves_single_reads(
    set_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await set_stage(TWILIO_SUPERSIM, sims=MANY)
    change_pages(stage, monkeypatch, lambda rows: [{"no": "sid"}])
    outcomes = await activate_all(stage)
    assert all(one.ok for one in outcomes.values())
    assert stage.told(SweepingStopped) == [], "it may be one host's bad hour, so it is tried again"


@pytest.mark.parametrize(
    "bad",
    [{"date_updated": 7}, {"status": None}, {"status": [7]}, {"sid": None}],
    ids=["date", "no status", "odd status", "no sid"],
)
async def test_a_row_that_cannot_be_read_spoils_no_other(
    set_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, bad: dict[str, Any]
) -> None:
    stage = await set_stage(TWILIO_SUPERSIM, sims=MANY)
    spoilt = {stage.sid: bad}
    change_pages(
        stage, monkeypatch, lambda rows: [row | spoilt.get(row["sid"], {}) for row in rows]
    )
    outcomes = await activate_all(stage)
    assert all(one.ok for one in outcomes.values())
    assert stage.told(SweepingStopped) == []
    assert [one.settled_by for one in outcomes.values()].count("read") == 1


async def test_a_sweep_that_fails_is_made_good_by_the_next(set_stage: OpenStage) -> None:
    stage = await set_stage(TWILIO_SUPERSIM, sims=MANY)
    work = asyncio.create_task(activate_all(stage))
    await stage.clock.settle()
    stage.emulator.faults = Faults(dropped=1.0)
    await stage.play(stage.clock.sleep(60))
    stage.emulator.faults = Faults()
    outcomes = await work
    assert all(one.ok for one in outcomes.values())
    assert stage.told(SweepingStopped) == []


async def test_many_deadlines_pass_at_their_time(set_stage: OpenStage, place: Place) -> None:
    slow = evolve(LATENCY, transition=600.0, longest=600.0)
    stage = await set_stage(place, sims=MANY, world={"latency": slow})
    outcomes = await activate_all(stage, timeout=50)
    assert all(isinstance(one.error, TransitionTimeout) for one in outcomes.values())
    assert {one.seconds for one in outcomes.values()} == {50.0}
    assert single_reads(stage) < MANY + Watching().sweep_from, "one last read each"


async def test_cancelling_many_waits_ends_the_sweeping(stage: Stage) -> None:
    waits = [
        await stage.start(stage.sims.update_and_wait(sid, status="active")) for sid in stage.sids
    ]
    await stage.clock.advance(3)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await stage.clock.settle()
    assert stage.is_at_rest
    asked = len(stage.emulator.requests)
    await stage.clock.advance(60)
    assert len(stage.emulator.requests) == asked


async def test_an_account_that_is_closed_ends_all_waits_long_before_their_deadlines(
    set_stage: OpenStage,
) -> None:
    stage = await set_stage(TWILIO_SUPERSIM, sims=MANY)
    work = await stage.start(activate_all(stage))
    sender: Any = await stage.client.context.open()
    sender._auth, sender._header_is_default = BasicAuth("AC" + "0" * 32, "closed"), False
    outcomes = await stage.play(work)
    assert {type(one.error) for one in outcomes.values()} == {AuthenticationError}
    assert stage.clock.now() < Watching().timeout / 5

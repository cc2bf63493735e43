"""Responses that are lost, unreadable or about another SIM fail no row, and send none twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from asyncsim import bulk
from asyncsim.bulk.records import State
from asyncsim.clock import ManualClock
from tests.bulk.runs.conftest import JobEnv
from tests.http.server import Received, ScriptedResponse
from tests.resources.scripted import ScriptedApi, open_scripted, sid

SIDS = [sid("HS", digit) for digit in "123"]
REFUSED = ScriptedResponse(400, {"code": 83010, "message": "Status not reachable", "status": 400})
D1, D2 = "2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"


class Vendor:
    """Three SIMs that take 20 s to change; `odd` makes the response to a POST."""

    def __init__(self, scripted: ScriptedApi) -> None:
        self.scripted = scripted
        self.settles_at: dict[str, float] = {}
        self.posted: Counter[str] = Counter()
        self.odd: Callable[[str], ScriptedResponse] = lambda name: ScriptedResponse(
            202, self.sim(name)
        )
        self.bad: ScriptedResponse | None = None
        """What reads bring for five seconds after a change."""
        self.well_at = 0.0
        scripted.script = self.answer

    def sim(self, name: str) -> dict[str, Any]:
        settles_at = self.settles_at.get(name)
        if settles_at is None:
            return {"sid": name, "status": "new", "date_updated": D1}
        done = self.scripted.clock.now() >= settles_at
        return {"sid": name, "status": "active" if done else "scheduled", "date_updated": D2}

    async def answer(self, one: Received) -> ScriptedResponse:
        parts = urlsplit(one.raw_path)
        name = parts.path.rpartition("/")[2]
        if one.method == "POST":
            self.posted[name] += 1
            self.settles_at.setdefault(name, self.scripted.clock.now() + 20.0)
            self.well_at = self.scripted.clock.now() + 5.0
            return self.odd(name)
        if name == "Sims":
            wanted = parse_qs(parts.query).get("Status")
            rows = [self.sim(one) for one in SIDS]
            rows = [row for row in rows if wanted is None or row["status"] in wanted]
            return ScriptedResponse(200, {"sims": rows, "meta": {"next_page_url": None}})
        if self.bad is not None and self.scripted.clock.now() < self.well_at:
            return self.bad
        return ScriptedResponse(200, self.sim(name))


@pytest.fixture
async def vendor(clock: ManualClock) -> AsyncIterator[Vendor]:
    async with open_scripted(clock) as scripted:
        yield Vendor(scripted)


async def run(vendor: Vendor, folder: Path, **job: Any) -> tuple[bulk.Report, dict[str, State]]:
    given = {"change": {"status": "active"}, **job}
    work = bulk.Job.from_rows(SIDS, product="supersim", **given)

    async def go() -> tuple[bulk.Report, dict[str, State]]:
        async with bulk.Journal.open(folder / "job.db", clock=vendor.scripted.clock) as journal:
            report = await bulk.run(work, vendor.scripted.client, journal=journal)
            return report, {one.name: one.state async for one in journal.results()}

    env: Any = JobEnv(vendor.scripted, folder)  # type: ignore[arg-type]  # of a harness it needs the clock
    found: tuple[bulk.Report, dict[str, State]] = await env.complete(go())
    return found


DONE = dict.fromkeys(SIDS, State.DONE)
ONCE = Counter(SIDS)


@pytest.mark.parametrize(
    "odd",
    [
        lambda name: ScriptedResponse(
            202, {"sid": name, "status": "scheduled", "date_updated": "Tuesday"}
        ),
        lambda name: ScriptedResponse(
            202, {"sid": sid("HS", "9"), "status": "active", "date_updated": D2}
        ),
        lambda name: ScriptedResponse(200, "<html>"),
        lambda name: ScriptedResponse(504),
    ],
    ids=["an odd field", "another SIM", "HTML with 200", "504"],
)
async def test_a_change_that_was_carried_out_is_awaited_whatever_its_response_says(
    vendor: Vendor, tmp_path: Path, odd: Callable[[str], ScriptedResponse]
) -> None:
    vendor.odd = odd
    _, states = await run(vendor, tmp_path)
    assert (states, vendor.posted) == (DONE, ONCE)


@pytest.mark.parametrize("bad", [404, 401, 403, 503])
async def test_reads_that_fail_after_a_lost_response_fail_no_row(
    vendor: Vendor, tmp_path: Path, bad: int
) -> None:
    vendor.odd = lambda name: ScriptedResponse(504)
    vendor.bad = ScriptedResponse(bad)
    _, states = await run(vendor, tmp_path)
    assert (states, vendor.posted) == (DONE, ONCE)


async def test_a_plan_that_is_shown_another_sim_for_one_row_goes_on_with_the_others(
    vendor: Vendor, tmp_path: Path
) -> None:
    answer = vendor.answer

    async def wrong_for_the_first(one: Received) -> ScriptedResponse:
        if one.method == "GET" and one.raw_path.endswith(SIDS[0]):
            return ScriptedResponse(200, vendor.sim(SIDS[1]))
        return await answer(one)

    vendor.scripted.script = wrong_for_the_first
    _, states = await run(vendor, tmp_path)
    assert states == {**DONE, SIDS[0]: State.IMPOSSIBLE}
    assert vendor.posted == Counter(SIDS[1:])


async def test_a_conflict_that_has_passed_fails_no_row(vendor: Vendor, tmp_path: Path) -> None:
    refusals = iter([REFUSED] * 3)

    def refuse_first(name: str) -> ScriptedResponse:
        refusal = next(refusals, None)
        if refusal is None:
            return ScriptedResponse(202, vendor.sim(name))
        del vendor.settles_at[name]  # nothing has happened to it
        return refusal

    vendor.odd = refuse_first
    _, states = await run(vendor, tmp_path)
    assert states == DONE
    assert vendor.posted == Counter(dict.fromkeys(SIDS, 2))


async def test_a_text_whose_response_is_odd_is_unknown_and_not_sent_twice(
    vendor: Vendor, tmp_path: Path
) -> None:
    vendor.odd = lambda name: ScriptedResponse(
        201, {"sid": sid("HC"), "date_created": "last Tuesday"}
    )
    report, states = await run(vendor, tmp_path, action="send", change={"payload": "wake up"})
    assert states == dict.fromkeys(SIDS, State.UNKNOWN)
    assert vendor.posted == Counter({"SmsCommands": 3})
    (shortfall,) = report.shortfalls
    assert f"created as {sid('HC')}" in shortfall.sample

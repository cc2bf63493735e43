"""Lost or malformed responses, and responses about another SIM: no row fails or is resent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from asyncsim import bulk
from asyncsim.bulk.records import State
from asyncsim.clock import ManualClock
from tests.bulk.places import Place
from tests.bulk.runs.conftest import JobEnv
from tests.http.server import Received, ScriptedResponse
from tests.resources.scripted import ScriptedApi, open_scripted, sid

SIDS = [sid("HS", digit) for digit in "123"]
REJECTED = ScriptedResponse(400, {"code": 83010, "message": "Status not reachable", "status": 400})
D1, D2 = "2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"


class Vendor:
    """Three SIMs that take 20 s to change; `malformed` is the response to a POST."""

    def __init__(self, scripted: ScriptedApi) -> None:
        self.scripted = scripted
        self.settles_at: dict[str, float] = {}
        self.posted: Counter[str] = Counter()
        self.malformed: Callable[[str], ScriptedResponse] = lambda name: ScriptedResponse(
            202, self.sim(name)
        )
        self.bad: ScriptedResponse | None = None
        """The response to reads for five seconds after a change."""
        self.well_at = 0.0
        scripted.script = self.respond

    def sim(self, name: str) -> dict[str, Any]:
        settles_at = self.settles_at.get(name)
        if settles_at is None:
            return {"sid": name, "status": "new", "date_updated": D1}
        done = self.scripted.clock.now() >= settles_at
        return {"sid": name, "status": "active" if done else "scheduled", "date_updated": D2}

    async def respond(self, one: Received) -> ScriptedResponse:
        parts = urlsplit(one.raw_path)
        name = parts.path.rpartition("/")[2]
        if one.method == "POST":
            self.posted[name] += 1
            self.settles_at.setdefault(name, self.scripted.clock.now() + 20.0)
            self.well_at = self.scripted.clock.now() + 5.0
            return self.malformed(name)
        if name == "Sims":
            target_status = parse_qs(parts.query).get("Status")
            rows = [self.sim(one) for one in SIDS]
            rows = [row for row in rows if target_status is None or row["status"] in target_status]
            return ScriptedResponse(200, {"sims": rows, "meta": {"next_page_url": None}})
        if self.bad is not None and self.scripted.clock.now() < self.well_at:
            return self.bad
        return ScriptedResponse(200, self.sim(name))


@pytest.fixture
async def vendor(clock: ManualClock) -> AsyncIterator[Vendor]:
    async with open_scripted(clock) as scripted:
        yield Vendor(scripted)


async def run(vendor: Vendor, place: Place, **job: Any) -> tuple[bulk.Report, dict[str, State]]:
    given = {"change": {"status": "active"}, **job}
    work = bulk.Job.from_rows(SIDS, product="supersim", **given)

    async def go() -> tuple[bulk.Report, dict[str, State]]:
        async with place.journal(clock=vendor.scripted.clock) as journal:
            report = await bulk.run(work, vendor.scripted.client, journal=journal)
            return report, {one.name: one.state async for one in journal.results()}

    env: Any = JobEnv(vendor.scripted, place)  # type: ignore[arg-type]  # only the harness's clock is used
    found: tuple[bulk.Report, dict[str, State]] = await env.complete(go())
    return found


DONE = dict.fromkeys(SIDS, State.DONE)
ONCE = Counter(SIDS)


@pytest.mark.parametrize(
    "malformed",
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
    ids=["a malformed field", "another SIM", "HTML with 200", "504"],
)
async def test_a_change_that_was_carried_out_is_awaited_despite_its_response(
    vendor: Vendor, place: Place, malformed: Callable[[str], ScriptedResponse]
) -> None:
    vendor.malformed = malformed
    _, states = await run(vendor, place)
    assert (states, vendor.posted) == (DONE, ONCE)


@pytest.mark.parametrize("bad", [404, 401, 403, 503])
async def test_failed_reads_after_a_lost_response_fail_no_row(
    vendor: Vendor, place: Place, bad: int
) -> None:
    vendor.malformed = lambda name: ScriptedResponse(504)
    vendor.bad = ScriptedResponse(bad)
    _, states = await run(vendor, place)
    assert (states, vendor.posted) == (DONE, ONCE)


async def test_a_response_about_another_sim_during_planning_fails_only_that_row(
    vendor: Vendor, place: Place
) -> None:
    respond = vendor.respond

    async def wrong_for_the_first(one: Received) -> ScriptedResponse:
        if one.method == "GET" and one.raw_path.endswith(SIDS[0]):
            return ScriptedResponse(200, vendor.sim(SIDS[1]))
        return await respond(one)

    vendor.scripted.script = wrong_for_the_first
    _, states = await run(vendor, place)
    assert states == {**DONE, SIDS[0]: State.IMPOSSIBLE}
    assert vendor.posted == Counter(SIDS[1:])


async def test_a_conflict_that_is_over_fails_no_row(vendor: Vendor, place: Place) -> None:
    rejections = iter([REJECTED] * 3)

    def reject_first(name: str) -> ScriptedResponse:
        rejection = next(rejections, None)
        if rejection is None:
            return ScriptedResponse(202, vendor.sim(name))
        del vendor.settles_at[name]  # unchanged
        return rejection

    vendor.malformed = reject_first
    _, states = await run(vendor, place)
    assert states == DONE
    assert vendor.posted == Counter(dict.fromkeys(SIDS, 2))


async def test_a_text_with_a_malformed_response_is_unknown_and_not_resent(
    vendor: Vendor, place: Place
) -> None:
    vendor.malformed = lambda name: ScriptedResponse(
        201, {"sid": sid("HC"), "date_created": "last Tuesday"}
    )
    report, states = await run(vendor, place, action="send", change={"payload": "wake up"})
    assert states == dict.fromkeys(SIDS, State.UNKNOWN)
    assert vendor.posted == Counter({"SmsCommands": 3})
    (shortfall,) = report.shortfalls
    assert f"created as {sid('HC')}" in shortfall.sample

"""What planning costs in requests, and what it finds."""

from __future__ import annotations

import pytest
from attrs import evolve

from asyncsim import JobError
from asyncsim.bulk.records import State, Verdict
from asyncsim.events import JobPlanned
from tests.bulk.runs.conftest import Desk, OpenDesk
from tests.integration.stage import PLACES


@pytest.fixture
async def large(open_desk: OpenDesk) -> Desk:
    """4,200 SIMs: five pages."""
    return await open_desk(sims=4200)


def iccids(desk: Desk) -> list[str]:
    """All ICCIDs as the list has them: the newest SIM first."""
    return [sim.iccid for sim in reversed(list(desk.stage.store.values()))]


async def test_thousands_of_iccids_take_a_request_for_each_thousand_sims(large: Desk) -> None:
    report = await large.run(large.job(iccids(large)), dry_run=True)
    assert report.plan is not None
    assert report.plan.verdicts == {Verdict.CHANGE: 4200}
    assert report.plan.requests == 5
    assert len(large.stage.lists) == 5


async def test_the_walk_ends_as_soon_as_all_are_found(large: Desk) -> None:
    report = await large.run(large.job(iccids(large)[:900]), dry_run=True)
    assert report.plan is not None
    assert report.plan.requests == 1


async def test_a_few_rows_are_looked_up_one_by_one(large: Desk) -> None:
    named = iccids(large)[-3:] + large.stage.sids[-2:]
    report = await large.run(large.job(named), dry_run=True)
    assert report.plan is not None
    assert report.plan.requests == 5
    assert report.plan.verdicts == {Verdict.CHANGE: 5}


async def test_the_last_few_are_looked_up_instead_of_walking_on(large: Desk) -> None:
    report = await large.run(large.job(iccids(large)[:500] + iccids(large)[-4:]), dry_run=True)
    assert report.plan is not None
    assert report.plan.requests == 5  # one page, four look-ups
    assert report.plan.verdicts == {Verdict.CHANGE: 504}


async def test_many_strangers_are_known_by_the_walk_alone(large: Desk) -> None:
    strangers = [f"HS{number:032x}" for number in range(1, 51)]
    report = await large.run(large.job(strangers), dry_run=True)
    assert report.plan is not None
    assert report.plan.verdicts == {Verdict.UNKNOWN: 50}
    assert report.plan.requests == 5


async def test_unique_names_are_found_and_kept_by_sid(desk: Desk) -> None:
    for number, sid in enumerate(desk.stage.sids):
        desk.stage.put(sid, unique_name=f"meter / {number}")
    names = [sim.unique_name for sim in desk.stage.store.values()]
    report = await desk.run(desk.job([{"unique_name": name} for name in names]))
    assert report.ok
    assert set(desk.posts()) == set(desk.stage.sids)


@pytest.mark.parametrize("place", PLACES, ids="-".join)
async def test_a_plan_tells_what_each_row_needs(open_desk: OpenDesk, place: object) -> None:
    desk = await open_desk(place, sims=14)
    sids, stranger = desk.stage.sids, desk.stage.sids[0][:2] + "f" * 32
    other = "inactive" if desk.stage.place.product == "supersim" else "suspended"
    for sid in sids[:3]:
        desk.stage.put(sid, status="ready")
    for sid in sids[3:5]:
        desk.stage.put(sid, status=other)
    for sid in sids[5:6]:
        desk.stage.put(sid, status="scheduled")
    job = desk.job([*sids, stranger], change={"status": "ready"})
    report = await desk.run(job, dry_run=True)
    assert report.plan is not None
    expected = {Verdict.ALREADY: 3, Verdict.BUSY: 1, Verdict.UNKNOWN: 1}
    supersim = desk.stage.place.product == "supersim"
    # A Super SIM that was active never gets back to `ready`; of the other product nobody says so.
    rest = {Verdict.ILLEGAL: 2, Verdict.CHANGE: 8} if supersim else {Verdict.CHANGE: 10}
    assert report.plan.verdicts == expected | rest
    assert [entry.name for entry in report.plan.samples[Verdict.UNKNOWN]] == [stranger]
    (planned,) = desk.told(JobPlanned)
    assert planned.rows == 15
    assert not desk.posts()


async def test_what_was_impossible_is_looked_at_again(desk: Desk) -> None:
    stranger = "HS" + "f" * 32
    job = desk.job([stranger, desk.stage.sids[0]])
    await desk.run(job)
    assert (await desk.states())[stranger] is State.IMPOSSIBLE
    store = desk.stage.store
    sim = store[desk.stage.sids[1]]
    store.put(evolve(sim, sid=stranger, iccid="8988307000000000007"))  # type: ignore[attr-defined]  # the emulator's own
    assert (await desk.run(job)).ok


async def test_a_row_whose_sid_and_iccid_are_of_different_sims_is_refused(desk: Desk) -> None:
    first, second, *others = desk.stage.store.values()
    rows = [{"sid": sim.sid, "iccid": sim.iccid} for sim in others]
    rows.append({"sid": first.sid, "iccid": second.iccid})
    with pytest.raises(JobError, match="two different SIMs") as refused:
        await desk.run(desk.job(rows))
    assert refused.value.problems == (
        f"line {len(rows)}: {first.sid} is the SIM with ICCID {first.iccid}, not {second.iccid}",
    )
    assert desk.posts() == {}


async def test_a_row_with_both_names_of_one_sim_is_as_good_as_one_with_one(desk: Desk) -> None:
    rows = [{"sid": sim.sid, "iccid": sim.iccid} for sim in desk.stage.store.values()]
    assert (await desk.run(desk.job(rows))).ok

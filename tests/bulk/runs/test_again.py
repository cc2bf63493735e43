"""What one run leaves to the next: nothing lost, nothing repeated, nothing untrue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from asyncsim import JobError, JobStopped, NotConfirmed, Throttle, bulk
from asyncsim.bulk.records import Result, State
from asyncsim.emulator import Faults
from asyncsim.events import JobPlanned, RequestFinished
from tests.bulk.runs.conftest import Desk, OpenDesk
from tests.integration.stage import PLACES, TRANSITION

WIRELESS = PLACES[1]


async def results(desk: Desk) -> list[Result]:
    async def read() -> list[Result]:
        async with desk.journal(read_only=True) as journal:
            return [one async for one in journal.results()]

    return await desk.play(read())


def texts_sent(desk: Desk) -> int:
    posts = (one for one in desk.stage.emulator.requests if one.method == "POST")
    return sum("Commands" in one.path and one.status == 201 for one in posts)


async def texting(open_desk: OpenDesk, **settings: Any) -> Desk:
    desk = await open_desk(sims=40, **settings)
    for sid in desk.stage.sids:
        desk.stage.put(sid, status="active")
    return desk


async def test_what_was_confirmed_does_not_cover_sims_that_appear_later(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk(WIRELESS, sims=24)
    store: Any = desk.stage.store
    names = desk.stage.sids
    hidden = [store[sid] for sid in names[12:]]
    for sim in hidden:
        store.remove(sim.sid)
    job = desk.job(names, change=None, action="delete")
    await desk.run(job, confirm=12)
    assert len(store) == 0
    for sim in hidden:
        store.put(sim)
    with pytest.raises(NotConfirmed) as caught:
        await desk.run(job, confirm=None)
    assert caught.value.count == 12
    assert len(store) == 12
    assert (await desk.run(job, confirm=12)).ok


async def test_texts_that_were_only_ever_refused_are_sent_by_the_next_run(
    open_desk: OpenDesk,
) -> None:
    desk = await texting(open_desk)
    job = desk.job(change={"payload": "wake up"}, action="send")
    stop = asyncio.Event()

    def refuse(event: Any) -> None:
        if isinstance(event, JobPlanned):
            desk.stage.emulator.faults = Faults(rate_limited=1.0)

    def give_up(event: Any) -> None:
        if isinstance(event, RequestFinished) and event.status == 429:
            stop.set()

    async def go() -> bulk.Report:
        async with desk.journal() as journal:
            return await bulk.run(job, client, journal=journal, observers=[refuse], stop=stop)

    emulator = desk.stage.emulator
    async with emulator.client(observers=[give_up]) as client:
        await desk.play(go())
    assert set((await desk.states()).values()) == {State.READY}
    emulator.faults = Faults()
    assert (await desk.run(job)).ok
    assert texts_sent(desk) == 40


async def test_texts_that_queue_when_a_run_is_cancelled_are_sent_by_the_next(
    open_desk: OpenDesk,
) -> None:
    throttle = Throttle(limit=4, maximum=4)
    faults = Faults(answer_takes=2.0)
    desk = await texting(open_desk, throttle=throttle, world={"faults": faults})
    job = desk.job(change={"payload": "wake up"}, action="send")

    async def go() -> None:
        async with desk.journal() as journal:
            run = asyncio.create_task(bulk.run(job, desk.stage.client, journal=journal))
            await desk.stage.clock.sleep(10.0)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    await desk.play(go())
    left = list((await desk.states()).values())
    assert left.count(State.SENDING) <= 4
    desk.stage.emulator.faults = Faults()
    report = await desk.run(job)
    assert report.states.get(State.UNKNOWN, 0) <= 4
    assert texts_sent(desk) == 40


async def test_results_tell_the_status_before_and_the_status_now(open_desk: OpenDesk) -> None:
    desk = await open_desk(sims=12, listens=True)
    await desk.run(desk.job())
    assert {(one.before, one.status) for one in await results(desk)} == {("new", "active")}


async def test_what_the_next_run_finds_done_has_its_status_of_now(desk: Desk) -> None:
    await desk.run(desk.job(), timeout=TRANSITION / 4)
    await desk.play(desk.stage.clock.sleep(TRANSITION))
    await desk.run(desk.job())
    assert {(one.before, one.status) for one in await results(desk)} == {("new", "active")}


async def test_an_input_that_was_mended_may_use_the_same_journal(desk: Desk) -> None:
    sim = next(iter(desk.stage.store.values()))
    with pytest.raises(JobError):
        await desk.run(desk.job([sim.sid, sim.iccid]))
    assert (await desk.run(desk.job([sim.sid]))).ok


async def test_a_change_that_was_mended_may_use_the_same_journal(desk: Desk) -> None:
    with pytest.raises(JobError):
        await desk.run(desk.job(change={"fleet": "nowhere"}))
    assert (await desk.run(desk.job(change={"fleet": "default", "status": "active"}))).ok


DOWN = Faults(server_errors=1.0, share_processed=0.0)


async def mend_after(desk: Desk, seconds: float) -> None:
    await desk.stage.clock.sleep(seconds)
    desk.stage.emulator.faults = Faults()


async def test_ten_minutes_without_the_vendor_are_waited_out_by_the_plan(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk(sims=30, world={"faults": DOWN})
    mending = asyncio.ensure_future(mend_after(desk, 540.0))
    assert (await desk.run(desk.job())).ok
    await mending


async def test_a_vendor_that_stays_away_ends_the_run_and_loses_nothing(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk(sims=30, world={"faults": DOWN})
    report = await desk.run(desk.job())
    assert report.stopped == "no answer"
    assert not report.finished
    desk.stage.emulator.faults = Faults()
    assert (await desk.run(desk.job())).ok


async def test_a_vendor_that_leaves_before_the_verifying_walk_is_waited_for(
    open_desk: OpenDesk,
) -> None:
    desk = await open_desk(sims=30, listens=True)
    mending: list[asyncio.Future[None]] = []

    def leave(event: Any) -> None:
        if isinstance(event, JobPlanned) and not mending:
            mending.append(asyncio.ensure_future(leave_soon()))

    async def leave_soon() -> None:
        await desk.stage.clock.sleep(TRANSITION - 1.0)
        desk.stage.emulator.faults = DOWN
        await mend_after(desk, 300.0)

    async def go() -> bulk.Report:
        async with desk.journal() as journal:
            client = desk.stage.client
            return await bulk.run(desk.job(), client, journal=journal, observers=[leave])

    report = await desk.play(go())
    await asyncio.gather(*mending)
    assert report.ok
    assert report.statistics.unconfirmed == 0


async def test_the_journal_tells_how_each_run_ended(desk: Desk) -> None:
    await desk.run(desk.job(), limit=4)
    with pytest.raises(asyncio.CancelledError):
        await cancelled(desk)
    await desk.run(desk.job())

    async def read() -> list[str | None]:
        async with desk.journal(read_only=True) as journal:
            return [one.reason for one in await journal.runs()]

    assert await desk.play(read()) == ["limit", "CancelledError", None]


async def cancelled(desk: Desk) -> None:
    async def go() -> None:
        async with desk.journal() as journal:
            run = asyncio.create_task(bulk.run(desk.job(), desk.stage.client, journal=journal))
            await desk.stage.clock.sleep(TRANSITION / 2)
            run.cancel()
            await run

    await desk.play(go())


async def test_a_run_that_is_stopped_while_it_reads_ends_at_once(desk: Desk) -> None:
    async def slow() -> AsyncIterator[str]:
        for sid in desk.stage.sids:
            await desk.stage.clock.sleep(60.0)
            yield sid

    stop = asyncio.Event()
    timer = desk.stage.clock.call_at(desk.stage.clock.now() + 90.0, stop.set)
    with pytest.raises(JobStopped):
        await desk.run(desk.job(slow()), stop=stop)
    timer.cancel()
    assert desk.stage.clock.now() < 100.0
    assert (await desk.run(desk.job())).ok


async def test_a_limit_holds_for_rows_of_an_earlier_run_too(desk: Desk) -> None:
    await desk.run(desk.job(change={"status": "ready"}), limit=30)
    # Another job on top, whose rows are in doubt when it is stopped.
    (desk.folder / "job.db").unlink()
    await desk.run(desk.job(), deadline=TRANSITION / 2)
    for sid in desk.stage.sids:
        desk.stage.put(sid, status="inactive")  # what it had sent has come to nothing
    before = desk.posts()
    report = await desk.run(desk.job(), limit=3)
    assert report.stopped == "limit"
    assert (desk.posts() - before).total() == 3


async def test_names_of_one_sim_that_are_known_late_do_not_end_a_job_for_good(
    desk: Desk,
) -> None:
    first, second = desk.stage.sids[:2]
    names = [(first, ""), ("", "late"), (second, "")]
    job = desk.job([{"sid": sid, "unique_name": name} for sid, name in names])
    await desk.run(job)
    desk.stage.put(second, unique_name="late")
    report = await desk.run(job)
    assert report.finished
    assert desk.posts() == {first: 1, second: 1}


async def test_a_fleet_that_is_missing_is_asked_for_once(desk: Desk) -> None:
    rows = [{"sid": sid, "unique_name": f"n{sid}"} for sid in desk.stage.sids]
    given = {"fleet": "nowhere"}
    job = bulk.Job.from_rows(rows, product="supersim", change=given, columns=["unique_name"])
    with pytest.raises(JobError) as caught:
        await desk.run(job)
    assert len(caught.value.problems) == 1
    asked = [one for one in desk.stage.emulator.requests if one.path.endswith("Fleets/nowhere")]
    assert len(asked) == 1

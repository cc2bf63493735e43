"""Resuming a job: nothing lost, nothing repeated, nothing reported wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from asyncsim import JobError, JobStopped, NotConfirmed, Throttle, bulk
from asyncsim.bulk.records import Result, State
from asyncsim.emulator import Faults
from asyncsim.events import JobPlanned, RequestFinished
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import APIS, TRANSITION

WIRELESS = APIS[1]


async def results(env: JobEnv) -> list[Result]:
    async def read() -> list[Result]:
        async with env.journal(read_only=True) as journal:
            return [one async for one in journal.results()]

    return await env.complete(read())


def texts_sent(env: JobEnv) -> int:
    posts = (one for one in env.harness.emulator.requests if one.method == "POST")
    return sum("Commands" in one.path and one.status == 201 for one in posts)


async def texting(open_env: OpenEnv, **settings: Any) -> JobEnv:
    env = await open_env(sims=40, **settings)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    return env


async def test_a_confirmed_count_does_not_cover_sims_that_appear_later(
    open_env: OpenEnv,
) -> None:
    env = await open_env(WIRELESS, sims=24)
    store: Any = env.harness.store
    names = env.harness.sids
    hidden = [store[sid] for sid in names[12:]]
    for sim in hidden:
        store.remove(sim.sid)
    job = env.job(names, change=None, action="delete")
    await env.run(job, confirm=12)
    assert len(store) == 0
    for sim in hidden:
        store.put(sim)
    with pytest.raises(NotConfirmed) as caught:
        await env.run(job, confirm=None)
    assert caught.value.count == 12
    assert len(store) == 12
    assert (await env.run(job, confirm=12)).ok


async def test_texts_that_were_only_rejected_are_sent_by_the_next_run(
    open_env: OpenEnv,
) -> None:
    env = await texting(open_env)
    job = env.job(change={"payload": "wake up"}, action="send")
    stop = asyncio.Event()

    def reject(event: Any) -> None:
        if isinstance(event, JobPlanned):
            env.harness.emulator.faults = Faults(rate_limited=1.0)

    def give_up(event: Any) -> None:
        if isinstance(event, RequestFinished) and event.status == 429:
            stop.set()

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            return await bulk.run(job, client, journal=journal, observers=[reject], stop=stop)

    emulator = env.harness.emulator
    async with emulator.client(observers=[give_up]) as client:
        await env.complete(go())
    assert set((await env.states()).values()) == {State.READY}
    emulator.faults = Faults()
    assert (await env.run(job)).ok
    assert texts_sent(env) == 40


async def test_texts_queued_when_a_run_is_cancelled_are_sent_by_the_next(
    open_env: OpenEnv,
) -> None:
    throttle = Throttle(limit=4, maximum=4)
    faults = Faults(answer_takes=2.0)
    env = await texting(open_env, throttle=throttle, world={"faults": faults})
    job = env.job(change={"payload": "wake up"}, action="send")

    async def go() -> None:
        async with env.journal() as journal:
            run = asyncio.create_task(bulk.run(job, env.harness.client, journal=journal))
            await env.harness.clock.sleep(10.0)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    await env.complete(go())
    left = list((await env.states()).values())
    assert left.count(State.SENDING) <= 4
    env.harness.emulator.faults = Faults()
    report = await env.run(job)
    assert report.states.get(State.UNKNOWN, 0) <= 4
    assert texts_sent(env) == 40


async def test_results_have_the_status_before_and_after(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=12, listens=True)
    await env.run(env.job())
    assert {(one.before, one.status) for one in await results(env)} == {("new", "active")}


async def test_a_row_that_the_next_run_finds_done_has_its_current_status(env: JobEnv) -> None:
    await env.run(env.job(), timeout=TRANSITION / 4)
    await env.complete(env.harness.clock.sleep(TRANSITION))
    await env.run(env.job())
    assert {(one.before, one.status) for one in await results(env)} == {("new", "active")}


async def test_a_corrected_input_may_use_the_same_journal(env: JobEnv) -> None:
    sim = next(iter(env.harness.store.values()))
    with pytest.raises(JobError):
        await env.run(env.job([sim.sid, sim.iccid]))
    assert (await env.run(env.job([sim.sid]))).ok


async def test_a_corrected_change_may_use_the_same_journal(env: JobEnv) -> None:
    with pytest.raises(JobError):
        await env.run(env.job(change={"fleet": "nowhere"}))
    assert (await env.run(env.job(change={"fleet": "default", "status": "active"}))).ok


DOWN = Faults(server_errors=1.0, share_processed=0.0)


async def restore_after(env: JobEnv, seconds: float) -> None:
    await env.harness.clock.sleep(seconds)
    env.harness.emulator.faults = Faults()


async def test_planning_survives_a_ten_minute_outage(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=30, world={"faults": DOWN})
    restoring = asyncio.ensure_future(restore_after(env, 600.0))
    assert (await env.run(env.job())).ok
    await restoring


async def test_a_permanent_outage_ends_the_run_and_loses_nothing(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=30, world={"faults": DOWN})
    report = await env.run(env.job())
    assert report.stopped == "no answer"
    assert not report.finished
    env.harness.emulator.faults = Faults()
    assert (await env.run(env.job())).ok


async def test_an_outage_before_the_verifying_list_scan_is_waited_out(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=30, listens=True)
    restoring: list[asyncio.Future[None]] = []

    def leave(event: Any) -> None:
        if isinstance(event, JobPlanned) and not restoring:
            restoring.append(asyncio.ensure_future(leave_soon()))

    async def leave_soon() -> None:
        await env.harness.clock.sleep(TRANSITION - 1.0)
        env.harness.emulator.faults = DOWN
        await restore_after(env, 300.0)

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            client = env.harness.client
            return await bulk.run(env.job(), client, journal=journal, observers=[leave])

    report = await env.complete(go())
    await asyncio.gather(*restoring)
    assert report.ok
    assert report.statistics.unconfirmed == 0


async def test_the_journal_records_how_each_run_ended(env: JobEnv) -> None:
    await env.run(env.job(), limit=4)
    with pytest.raises(asyncio.CancelledError):
        await cancelled(env)
    await env.run(env.job())

    async def read() -> list[str | None]:
        async with env.journal(read_only=True) as journal:
            return [one.reason for one in await journal.runs()]

    assert await env.complete(read()) == ["limit", "CancelledError", None]


async def cancelled(env: JobEnv) -> None:
    async def go() -> None:
        async with env.journal() as journal:
            run = asyncio.create_task(bulk.run(env.job(), env.harness.client, journal=journal))
            await env.harness.clock.sleep(TRANSITION / 2)
            run.cancel()
            await run

    await env.complete(go())


async def test_a_stop_while_reading_the_input_ends_the_run_at_once(env: JobEnv) -> None:
    async def slow() -> AsyncIterator[str]:
        for sid in env.harness.sids:
            await env.harness.clock.sleep(60.0)
            yield sid

    stop = asyncio.Event()
    timer = env.harness.clock.call_at(env.harness.clock.now() + 90.0, stop.set)
    with pytest.raises(JobStopped):
        await env.run(env.job(slow()), stop=stop)
    timer.cancel()
    assert env.harness.clock.now() < 100.0
    assert (await env.run(env.job())).ok


async def discard(env: JobEnv) -> None:
    async with env.journal() as journal:
        await journal.discard_job()


async def test_a_limit_also_counts_rows_of_an_earlier_run(env: JobEnv) -> None:
    await env.run(env.job(change={"status": "ready"}), limit=30)
    # Another run whose rows are in doubt when it is stopped.
    await env.complete(discard(env))
    await env.run(env.job(), deadline=TRANSITION / 2)
    for sid in env.harness.sids:
        env.harness.put(sid, status="inactive")  # its requests had no effect
    before = env.posts()
    report = await env.run(env.job(), limit=3)
    assert report.stopped == "limit"
    assert (env.posts() - before).total() == 3


async def test_duplicate_names_detected_late_do_not_end_a_job_permanently(
    env: JobEnv,
) -> None:
    first, second = env.harness.sids[:2]
    names = [(first, ""), ("", "late"), (second, "")]
    job = env.job([{"sid": sid, "unique_name": name} for sid, name in names])
    await env.run(job)
    env.harness.put(second, unique_name="late")
    report = await env.run(job)
    assert report.finished
    assert env.posts() == {first: 1, second: 1}


async def test_a_missing_fleet_is_requested_once(env: JobEnv) -> None:
    rows = [{"sid": sid, "unique_name": f"n{sid}"} for sid in env.harness.sids]
    given = {"fleet": "nowhere"}
    job = bulk.Job.from_rows(rows, product="supersim", change=given, columns=["unique_name"])
    with pytest.raises(JobError) as caught:
        await env.run(job)
    assert len(caught.value.problems) == 1
    requests = [one for one in env.harness.emulator.requests if one.path.endswith("Fleets/nowhere")]
    assert len(requests) == 1

"""Chunks that are handed back: graceful stops, paused and cancelled jobs, refusals."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from asyncsim import Client, bulk
from asyncsim.bulk.records import State
from asyncsim.emulator import Faults
from asyncsim.errors import AuthenticationError
from tests.bulk.workers.conftest import WATCHING, OpenYard, RunningWorker, Yard
from tests.bulk.workers.processes import Plant

pytestmark = pytest.mark.usefixtures("eager")


async def slow_yard(open_yard: OpenYard) -> tuple[Yard, RunningWorker]:
    """A job of two chunks, of which a worker has sent a few SIMs."""
    yard = await open_yard(sims=60, faults=Faults(answer_takes=0.2))
    await yard.submit(chunk_rows=30)
    worker = await yard.work(client=await yard.open_client(limit=2))

    async def some_posted() -> bool:
        return sum(yard.posts().values()) >= 6

    await yard.until(some_posted)
    return yard, worker


async def handed_back(yard: Yard, worker: RunningWorker) -> None:
    """Wait until a worker has no chunk; nothing that was sent is without its result then."""

    async def free() -> bool:
        return not worker.worker._runs

    await yard.until(free)
    states = await yard.states()
    assert not states[State.SENDING]
    assert states[State.READY] == 60 - len(yard.posts())
    for number, chunk in (await yard.chunks()).items():
        assert (chunk["state"], chunk["owner"]) == ("queued" if number else "done", None)


async def another_finishes(yard: Yard) -> None:
    yard.emulator.faults = Faults()
    other = await yard.work()
    await yard.until_state("finished")
    await other.finish()
    assert await yard.states() == {State.DONE: 60}
    assert set(yard.posts().values()) == {1}


async def test_a_graceful_stop_lets_responses_arrive_and_hands_chunks_back(
    open_yard: OpenYard,
) -> None:
    yard, worker = await slow_yard(open_yard)
    await worker.finish()
    await handed_back(yard, worker)
    assert {reason for _, reason in worker.ended} == {"drained"}
    assert (await yard.job())["state"] == "running"
    await another_finishes(yard)


async def test_a_cancelled_worker_hands_its_chunks_back_at_once(open_yard: OpenYard) -> None:
    yard, worker = await slow_yard(open_yard)
    worker.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker.task
    assert {one["state"] for one in (await yard.chunks()).values()} == {"queued", "done"}
    await another_finishes(yard)


@pytest.mark.parametrize("state", ["paused", "cancelled"])
async def test_a_job_that_is_paused_or_cancelled_drains(open_yard: OpenYard, state: str) -> None:
    yard, worker = await slow_yard(open_yard)
    await yard.execute(f"UPDATE asyncsim.jobs SET state = '{state}'")
    await handed_back(yard, worker)
    assert {reason for _, reason in worker.ended} == {state}
    await yard.execute("UPDATE asyncsim.jobs SET state = 'running'")
    # Nobody has told the queue: the look for lost chunks finds them.
    yard.emulator.faults = Faults()
    await yard.until_state("finished")
    await worker.finish()
    assert await yard.states() == {State.DONE: 60}
    assert set(yard.posts().values()) == {1}


async def test_refusals_alike_pause_the_job_for_all_workers(open_yard: OpenYard) -> None:
    yard = await open_yard(sims=200)
    for sid in yard.sids:
        yard.put(sid, fleet_sid=None)
    await yard.submit(chunk_rows=50)
    workers = [await yard.work(client=await yard.open_client(limit=4)) for _ in range(2)]
    await yard.until_state("paused")
    for one in workers:
        await handed_back_without_counts(yard, one)
        await one.finish()
    reason = (await yard.job())["reason"]
    assert reason.startswith("20 SIMs in a row were rejected in the same way (")
    assert "83007" in reason
    states = await yard.states()
    assert set(states) == {State.FAILED, State.READY}


async def refusing_yard(open_yard: OpenYard, sims: int = 200, **options: Any) -> Yard:
    """A job whose SIMs are all rejected in the same way."""
    yard = await open_yard(sims=sims)
    for sid in yard.sids:
        yard.put(sid, fleet_sid=None)
    await yard.submit(**options)
    return yard


async def test_refusals_count_over_all_chunks_of_a_worker(open_yard: OpenYard) -> None:
    # Shorter than the breaker: none of them alone would ever see twenty.
    yard = await refusing_yard(open_yard, chunk_rows=5)
    worker = await yard.work(at_once=4, client=await yard.open_client(limit=2))
    await yard.until_state("paused")
    await worker.finish()
    reason = (await yard.job())["reason"]
    assert reason.startswith("20 SIMs in a row were rejected in the same way (")
    assert 20 <= (await yard.states())[State.FAILED] <= 30  # and those in flight


async def test_a_job_is_paused_before_the_last_responses_have_arrived(open_yard: OpenYard) -> None:
    yard = await refusing_yard(open_yard, columns={"breaker": 5})
    worker = await yard.work(at_once=1, client=await yard.open_client(limit=8))
    yard.emulator.faults = Faults(answer_takes=3.0)

    async def refused() -> bool:
        return (await yard.states())[State.FAILED] >= 5

    await yard.until(refused)
    await yard.until_state("paused", within=1.0)
    await worker.finish()


async def test_a_job_that_is_resumed_is_counted_anew(open_yard: OpenYard) -> None:
    yard = await refusing_yard(
        open_yard, chunk_rows=10, columns={"breaker": None, "max_failures": 15}
    )
    worker = await yard.work(at_once=2, client=await yard.open_client(limit=2))
    for most in (20, 40):  # 16, and few that are in flight
        await yard.until_state("paused")
        await handed_back_without_counts(yard, worker)
        assert most - 4 <= (await yard.states())[State.FAILED] <= most
        async with bulk.SharedJobs(yard.url) as jobs:
            await jobs.unpause("job", dispatch=yard.dispatch)
    await worker.finish()


async def test_failures_in_two_workers_count_together(open_yard: OpenYard) -> None:
    limits = {"breaker": None, "max_failures": 40}
    yard = await refusing_yard(open_yard, chunk_rows=50, columns=limits)
    # Slow, so that each sees what the other has committed.
    yard.emulator.faults = Faults(answer_takes=0.3)
    workers = [await yard.work(at_once=1, client=await yard.open_client(limit=2)) for _ in "ab"]
    await yard.until_state("paused")
    for one in workers:
        await one.finish()
    assert all(one.taken for one in workers)
    assert 40 < (await yard.states())[State.FAILED] <= 50


async def handed_back_without_counts(yard: Yard, worker: RunningWorker) -> None:
    async def free() -> bool:
        return not worker.worker._runs

    await yard.until(free)


async def test_failures_are_counted_over_the_whole_job(open_yard: OpenYard) -> None:
    yard = await open_yard(sims=100)
    for sid in yard.sids:
        yard.put(sid, fleet_sid=None)
    # Never so many in one chunk.
    limits = {"breaker": None, "max_failures": 25}
    await yard.submit(chunk_rows=10, columns=limits)
    worker = await yard.work(at_once=1, client=await yard.open_client(limit=2))
    await yard.until_state("paused")
    await worker.finish()
    assert (await yard.job())["reason"] == "max_failures"
    assert 25 < (await yard.states())[State.FAILED] <= 30


async def test_a_chunk_of_an_account_without_client_stays_queued(open_yard: OpenYard) -> None:
    yard = await open_yard()
    await yard.submit()
    other = await yard.stack.enter_async_context(yard.emulator.client("kore"))
    stranger = await yard.work(client=other)
    owner = await yard.work()
    await yard.until_state("finished")
    await stranger.finish()
    await owner.finish()
    assert stranger.taken == []
    assert sorted(owner.taken) == [0, 1, 2, 3]


async def test_a_worker_whose_credentials_are_rejected_hands_back_and_ends(
    open_yard: OpenYard,
) -> None:
    yard = await open_yard()
    await yard.submit()
    account = yard.emulator.credentials.account_sid
    hosts = yard.emulator.hosts_of("twilio")
    rejected = Client.twilio(account, "wrong", hosts=hosts, watching=WATCHING)
    client = await yard.stack.enter_async_context(rejected)
    worker = await yard.work(client=client)
    with pytest.raises(AuthenticationError):
        await worker.task
    assert {one["state"] for one in (await yard.chunks()).values()} == {"queued", "done"}
    assert (await yard.job())["state"] == "running"


async def test_signals_stay_with_the_program(yard: Yard) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    await yard.submit()
    worker = await yard.work()
    await yard.until_state("finished")
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == before
    await worker.finish()


# Processes that are stopped while PostgreSQL is away.

LONGEST = 50.0
"""Seconds, as docs/many-machines.md says; grace periods are 60 s."""
AT_ONCE = 20.0
"""Seconds without PostgreSQL if no request is waited for, as after a second signal."""

away = pytest.mark.parametrize("how", ["frozen", "refusing"])


@away
async def test_a_worker_ends_in_time_while_postgresql_is_away(how: str, plant: Plant) -> None:
    # In flight when the lease ends, and never throttled: all that was sent was carried out.
    plant.emulator.faults = Faults(slow=0.3, slow_seconds=20.0)
    async with plant.working() as worker:
        await plant.until_sent(20)
        async with plant.away(how):
            worker.terminate()
            await plant.ended(worker, AT_ONCE)
    assert worker.returncode == 0
    await plant.finish()
    assert set(plant.sent().values()) == {1}


@away
async def test_a_worker_ends_in_time_if_postgresql_leaves_while_requests_finish(
    how: str, plant: Plant
) -> None:
    plant.emulator.faults = Faults(slow=1.0, slow_seconds=100.0)
    async with plant.working() as worker:
        await plant.until_sent(20)
        worker.terminate()
        ending = asyncio.create_task(plant.ended(worker, LONGEST))
        await asyncio.sleep(26.0)  # a request may take 30 s
        assert not ending.done()
        async with plant.away(how):
            await ending
    assert worker.returncode == 0
    await plant.finish()


@away
async def test_a_second_signal_does_not_wait_for_postgresql(how: str, plant: Plant) -> None:
    plant.emulator.faults = Faults(slow=1.0, slow_seconds=100.0)
    async with plant.working() as worker:
        await plant.until_sent(20)
        worker.terminate()
        assert worker.stderr is not None
        async with asyncio.timeout(60):
            await worker.stderr.readuntil(b"stopping: requests in flight finish")
        async with plant.away(how):
            worker.terminate()
            await plant.ended(worker, AT_ONCE)
    assert worker.returncode == 130
    await plant.finish()

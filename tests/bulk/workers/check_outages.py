"""A database that fails while workers use it, and what the last chunk leaves to be verified."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from asyncsim import bulk
from asyncsim.bulk.journal import claims
from asyncsim.bulk.records import State
from asyncsim.emulator import Faults
from tests.bulk.workers.conftest import OpenYard, Yard
from tests.bulk.workers.processes import Plant

pytestmark = pytest.mark.usefixtures("eager")


async def test_connections_that_the_server_ends_lose_nothing(open_yard: OpenYard) -> None:
    yard = await open_yard(sims=60, faults=Faults(answer_takes=0.1))
    await yard.submit(chunk_rows=20)
    worker = await yard.work(client=await yard.open_client(limit=4))

    async def has_begun() -> bool:
        return bool(yard.posts())

    await yard.until(has_begun)
    terminated = 0
    for _ in range(100):
        if (await yard.job())["state"] == "finished":
            break
        # Some of them are within a transaction.
        [found] = await yard.rows(
            "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND state IN ('active', 'idle in transaction')"
        )
        terminated += found["ended"]
        await asyncio.sleep(0.05)
    await yard.until_state("finished")
    await worker.finish()
    assert terminated
    assert await yard.states() == {State.DONE: 60}
    assert set(yard.posts().values()) == {1}


async def test_the_last_chunk_opens_a_verification_of_the_whole_job(yard: Yard) -> None:
    await yard.submit()
    # As signed callbacks alone leave it: all are at their target, and no read has shown it.
    first, second = yard.sids[:2]
    for sid in yard.sids:
        yard.put(sid, status="active")
    yard.put(second, status="inactive")  # another client has changed it since
    await yard.execute(
        "UPDATE asyncsim.rows SET state = 'done', confirmed = false, settled_by = 'callback',"
        " status = 'active', accepted_at = now(), ended_at = now()"
    )
    await yard.execute("UPDATE asyncsim.chunks SET state = 'done' WHERE number > 1")
    worker = await yard.work()
    await yard.until_state("finished")
    await worker.finish()
    assert worker.ended == [(1, None), (0, None)]
    assert await yard.states() == {State.DONE: 30}
    confirmed = await yard.rows("SELECT sid FROM asyncsim.rows WHERE confirmed")
    assert len(confirmed) == 30
    assert yard.posts() == {second: 1}
    assert first in yard.emulator.world("twilio").sims("supersim")
    lists = [one for one in yard.emulator.requests if one.path == "/v1/Sims"]
    assert len(lists) <= 4  # for thirty SIMs: the plan's, the verification's, a sweep or two


async def test_rows_that_timed_out_end_the_job_and_stay_resumable(open_yard: OpenYard) -> None:
    yard = await open_yard(transition=600.0)
    await yard.submit(columns={"timeout": 0.5})
    worker = await yard.work()
    await yard.until_state("finished")
    await worker.finish()
    assert await yard.states() == {State.TIMED_OUT: 30}
    assert set(yard.posts().values()) == {1}


async def test_heartbeats_go_on_although_an_orphaned_chunk_cannot_be_released(
    yard: Yard, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await yard.submit()
    worker = await yard.work()
    attempts: list[object] = []
    second = asyncio.Event()
    line: Any = worker.worker._heartbeats
    database = line.database.database
    write = database.write

    async def hang(*arguments: object) -> None:
        attempts.append(arguments)
        if len(attempts) == 2:
            monkeypatch.setattr(database, "write", write)
            second.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(database, "write", hang)
    # As after a claim whose response was lost.
    await yard.execute(
        f"UPDATE asyncsim.chunks SET owner = '{worker.worker.owner}', epoch = epoch + 1,"
        " state = 'running', heartbeat_at = clock_timestamp() WHERE number = 1"
    )
    async with asyncio.timeout(30):
        await second.wait()
    await yard.until_state("finished")
    await worker.finish()


async def test_a_lock_on_the_list_of_processes_costs_no_lease(
    open_yard: OpenYard, quick: None
) -> None:
    yard = await open_yard(sims=10, transition=6.0)
    await yard.submit()
    worker = await yard.work()

    async def owns_a_chunk() -> bool:
        return bool(worker.taken)

    await yard.until(owns_a_chunk)
    async with await psycopg.AsyncConnection.connect(yard.url) as administrator:
        await administrator.execute("LOCK asyncsim.processes")
        [locked] = await yard.rows("SELECT clock_timestamp() AS at")

        async def has_beaten_on() -> bool:
            assert not worker.ended
            [latest] = await yard.rows("SELECT max(heartbeat_at) AS at FROM asyncsim.chunks")
            return bool((latest["at"] - locked["at"]).total_seconds() > claims.DEAD_AFTER + 1.0)

        await yard.until(has_beaten_on)
    await yard.until_state("finished")
    await worker.finish()
    assert {reason for _, reason in worker.ended} == {None}


async def test_workers_go_on_soon_after_a_long_outage(plant: Plant) -> None:
    # No pause between two attempts grows with the outage.
    async with plant.working() as worker:
        plant.emulator.faults = Faults(answer_takes=1.0)
        await plant.until_sent(10)
        async with plant.away("refusing"):
            await asyncio.sleep(40.0)
            plant.emulator.faults = Faults()
        async with bulk.SharedJobs(plant.url) as jobs, asyncio.timeout(15.0):
            # Its leases have ended, so it claims its chunks anew.
            while (await jobs.fetch("job")).state != "finished":  # noqa: ASYNC110  # a table sets no event
                await asyncio.sleep(0.1)
        worker.terminate()
        await plant.ended(worker, 40.0)
    await plant.finish()
    assert set(plant.sent().values()) == {1}

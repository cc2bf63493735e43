"""Workers that die, freeze or lose their database: their chunks move, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.journal import chunks, claims
from asyncsim.bulk.journal.chunks import TakenChunk
from asyncsim.bulk.journal.postgres import _CONNECTIONS
from asyncsim.bulk.lease import Lease
from asyncsim.bulk.phases import Phases
from asyncsim.bulk.records import State
from asyncsim.bulk.tasks import JobTask
from asyncsim.emulator import Faults
from tests.bulk.workers.conftest import OpenYard, Yard

pytestmark = pytest.mark.usefixtures("quick")


async def some_posted(yard: Yard, count: int) -> None:
    async def enough() -> bool:
        return sum(yard.posts().values()) >= count

    await yard.until(enough)


async def test_the_chunks_of_a_dead_worker_move_and_nothing_is_sent_twice(
    open_yard: OpenYard,
) -> None:
    yard = await open_yard(sims=60, transition=3.0)
    await yard.submit(chunk_rows=20)
    first = await yard.work(at_once=1)
    await some_posted(yard, 10)
    await first.kill()
    second = await yard.work()

    async def moved() -> bool:
        return all(one["owner"] != first.worker.owner for one in (await yard.chunks()).values())

    await yard.until(moved)
    await yard.until_state("finished")
    await second.finish()
    assert await yard.states() == {State.DONE: 60}
    assert max(yard.posts().values()) == 1
    assert (await yard.chunks())[1]["epoch"] == 2


async def test_a_text_in_flight_when_its_worker_dies_stays_unknown(open_yard: OpenYard) -> None:
    yard = await open_yard(sims=40, faults=Faults(answer_takes=1.0))
    for sid in yard.sids:
        yard.put(sid, status="active")
    text = {"payload": "reset"}
    await yard.submit(chunk_rows=20, change=text, action="send")
    first = await yard.work(at_once=1)

    async def in_flight() -> bool:
        return (await yard.states())[State.SENDING] >= 10

    await yard.until(in_flight)
    await first.kill()
    yard.emulator.faults = Faults()
    second = await yard.work()
    await yard.until_state("finished")
    await second.finish()
    states = await yard.states()
    assert states[State.UNKNOWN] >= 10
    assert states[State.UNKNOWN] + states[State.DONE] == 40
    assert set(yard.texts().values()) == {1}
    # A person has to look at these: whether they were sent cannot be found out.
    [error] = {
        one["error_type"]
        for one in await yard.rows("SELECT * FROM asyncsim.rows WHERE state = 'unknown'")
    }
    assert error in (None, "OutcomeUnknown")


async def test_a_zombie_whose_chunk_was_taken_over_sends_nothing_more(
    open_yard: OpenYard,
) -> None:
    yard = await open_yard(sims=60, faults=Faults(answer_takes=0.3))
    await yard.submit(chunk_rows=60)
    zombie = await yard.work(client=await yard.open_client(limit=2))
    await some_posted(yard, 6)
    # As when the process was frozen for long, and another worker is at work now.
    await yard.execute(
        "UPDATE asyncsim.chunks SET owner = 'other', epoch = epoch + 1,"
        " heartbeat_at = clock_timestamp() + interval '1 hour' WHERE number = 1"
    )
    await yard.until(lambda: _ended(zombie))
    before = sum(yard.posts().values())
    assert before < 60
    rows = await yard.rows("SELECT * FROM asyncsim.rows ORDER BY number")
    await asyncio.sleep(1.0)
    assert sum(yard.posts().values()) == before
    assert await yard.rows("SELECT * FROM asyncsim.rows ORDER BY number") == rows
    [(chunk, reason)] = zombie.ended
    assert chunk == 1
    assert reason is not None
    assert (await yard.chunks())[1]["owner"] == "other"


async def test_a_worker_that_is_fenced_while_it_sends_leaves_the_rest_to_the_new_owner(
    open_yard: OpenYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = await open_yard(sims=60, faults=Faults(answer_takes=0.3))
    await yard.submit(chunk_rows=60)
    first = await yard.work(at_once=1, client=await yard.open_client(limit=2))
    await some_posted(yard, 6)
    [run] = first.worker._runs.values()
    # Only the fence tells it: its heartbeats hang, and its lease lasts.
    first.heartbeats.reachable.clear()
    run.lease._seconds = 3600.0
    claim, reconcile = chunks.claim, Phases.reconcile

    async def claim_by_force(connection: Any, owner: str, *given: Any) -> TakenChunk | None:
        if owner == first.worker.owner:
            return None
        now, _, accounts, ref = given
        return await claim(connection, owner, now, now, accounts, ref)

    async def reconcile_later(phases: Phases, task: JobTask) -> None:
        await yard.until(lambda: _ended(first))
        await reconcile(phases, task)

    monkeypatch.setattr(chunks, "claim", claim_by_force)
    monkeypatch.setattr(Phases, "reconcile", reconcile_later)
    second = await yard.work(at_once=1)
    async with make_dispatch(yard.dispatch, yard.url) as queue:
        await queue.enqueue([run.taken.ref])
    await yard.until(lambda: _ended(first))
    sent = first.client.requests
    assert sent < 60
    await yard.until_state("finished")
    assert first.client.requests == sent
    assert first.ended == [(1, "lease lost")]
    assert second.ended == [(1, None), (0, None)]
    assert (await yard.chunks())[1]["epoch"] == 2
    assert await yard.states() == {State.DONE: 60}
    assert set(yard.posts().values()) == {1}
    first.heartbeats.reachable.set()
    await first.finish()
    await second.finish()


async def _ended(worker: Any) -> bool:
    return bool(worker.ended)


async def test_a_worker_without_its_database_sends_nothing_after_its_lease(
    open_yard: OpenYard,
) -> None:
    # Two slots, and intents for many more: they queue while the lease ends.
    yard = await open_yard(sims=60, faults=Faults(answer_takes=0.3))
    await yard.submit(chunk_rows=60)
    zombie = await yard.work(client=await yard.open_client(limit=2))
    await some_posted(yard, 4)
    zombie.line.reachable.clear()
    cut_at = yard.emulator.clock.now()
    [run] = zombie.worker._runs.values()
    await yard.until(lambda: _has_ended(run.lease))
    before = yard.posts()
    # Another one goes on, after it has read what the first one left in doubt.
    second = await yard.work()
    await yard.until_state("finished")
    [latest] = [max(_times(yard, sid)) for sid in [max(before, key=lambda one: _times(yard, one))]]
    assert latest - cut_at <= 3.0
    assert await yard.states() == {State.DONE: 60}
    assert max(yard.posts().values()) == 1
    rows = await yard.rows("SELECT * FROM asyncsim.rows ORDER BY number")
    zombie.line.reachable.set()
    await yard.until(lambda: _ended(zombie))
    assert zombie.ended == [(1, "lease lost")]
    assert await yard.rows("SELECT * FROM asyncsim.rows ORDER BY number") == rows
    await zombie.finish()
    await second.finish()


async def test_a_worker_whose_connections_are_all_busy_keeps_its_chunks(
    open_yard: OpenYard,
) -> None:
    yard = await open_yard(sims=20, faults=Faults(answer_takes=0.3))
    await yard.submit(chunk_rows=20)
    worker = await yard.work(client=await yard.open_client(limit=2))
    await some_posted(yard, 4)
    [run] = worker.worker._runs.values()
    async with AsyncExitStack() as stack:
        for _ in range(_CONNECTIONS):
            await stack.enter_async_context(worker.engine.connect())
        await asyncio.sleep(1.5 * claims.DEAD_AFTER)
        assert not run.lease.ended
    await yard.until_state("finished")
    assert worker.ended == [(1, None), (0, None)]
    assert set(yard.posts().values()) == {1}
    await worker.finish()


def _times(yard: Yard, sid: str) -> list[float]:
    posted = (one for one in yard.emulator.requests if one.method == "POST")
    return [one.seconds for one in posted if one.path.endswith(sid)]


async def _has_ended(lease: Lease) -> bool:
    return lease.ended

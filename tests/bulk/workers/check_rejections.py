"""Chunks whose reads are rejected, and what a worker does without one of its accounts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asyncsim import Client, bulk
from asyncsim.bulk.journal import chunks
from asyncsim.bulk.journal.chunks import TakenChunk
from asyncsim.bulk.phases import Phases
from asyncsim.bulk.records import State
from asyncsim.bulk.tasks import JobTask
from asyncsim.emulator.app import RequestHandler
from asyncsim.emulator.context import VendorResponse
from asyncsim.errors import AuthenticationError, ClientClosed
from tests.bulk.workers.conftest import WATCHING, OpenYard, RunningWorker, Yard

pytestmark = pytest.mark.usefixtures("eager")


async def rejected_client(yard: Yard) -> Client:
    """A client of the emulator's Twilio account whose password is wrong."""
    account = yard.emulator.credentials.account_sid
    hosts = yard.emulator.hosts_of("twilio")
    client = Client.twilio(account, "wrong", hosts=hosts, watching=WATCHING)
    return await yard.stack.enter_async_context(client)


async def submit_other(yard: Yard, **options: Any) -> Client:
    """A job of the emulator's KORE account; returns its client."""
    client = await yard.stack.enter_async_context(yard.emulator.client("kore", watching=WATCHING))
    sims = list(yard.emulator.world("kore").sims("supersim"))
    await yard.submit(sims, name="other", client=client, **options)
    return client


async def until(yard: Yard, name: str, state: str) -> None:
    """Wait until one of several jobs has this state."""

    async def reached() -> bool:
        query = f"SELECT state FROM asyncsim.jobs WHERE name = '{name}'"
        return await yard.rows(query) == [{"state": state}]

    await yard.until(reached)


async def leave_in_doubt(yard: Yard) -> None:
    """As a dead worker leaves its rows: the next owner reads their SIMs first."""
    await yard.execute("UPDATE asyncsim.rows SET state = 'sending'")


async def handed_back(yard: Yard, worker: RunningWorker) -> None:
    async def free() -> bool:
        return not worker.worker._runs

    await yard.until(free)


async def test_credentials_that_are_rejected_while_rows_are_read_end_the_work_on_their_account(
    open_yard: OpenYard,
) -> None:
    yard = await open_yard()
    job = await yard.submit()
    await leave_in_doubt(yard)
    other = await submit_other(yard)
    worker = await yard.work(client=await rejected_client(yard), more=[other])
    await until(yard, "other", "finished")
    await worker.finish()
    [found] = await yard.rows(f"SELECT * FROM asyncsim.jobs WHERE id = {job}")
    assert found["state"] == "running"
    left = await yard.rows(f"SELECT * FROM asyncsim.chunks WHERE job = {job} AND number > 0")
    assert {(one["state"], one["owner"]) for one in left} == {("queued", None)}
    assert len([one for one in worker.chunks_taken if one.job == "job"]) <= 2  # at once
    assert not yard.posts().keys() & set(yard.sids)


async def test_reads_that_are_forbidden_pause_the_job_with_the_reason(
    open_yard: OpenYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = await open_yard()
    await yard.submit()
    await leave_in_doubt(yard)
    execute = RequestHandler.execute

    def forbid(self: RequestHandler, call: Any, at: Any) -> VendorResponse:
        if call.method == "GET":
            return VendorResponse(403, {"code": 20403, "message": "Reads are forbidden"})
        return execute(self, call, at)

    monkeypatch.setattr(RequestHandler, "execute", forbid)
    worker = await yard.work(at_once=1)
    await yard.until_state("paused")
    await handed_back(yard, worker)
    assert "Reads are forbidden" in (await yard.job())["reason"]
    assert worker.taken == [1]
    assert await yard.states() == {State.SENDING: 30}
    assert not worker.task.done()
    await worker.finish()


async def test_a_bug_pauses_the_job_and_the_worker_continues(
    open_yard: OpenYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = await open_yard()
    await yard.submit()
    other = await submit_other(yard)
    reconcile = Phases.reconcile

    async def fail(self: Phases, task: JobTask) -> None:
        if task.context.vendor.name == "twilio":
            raise ZeroDivisionError("a bug")
        await reconcile(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(Phases, "reconcile", fail)
        worker = await yard.work(more=[other])
        await until(yard, "job", "paused")
        await until(yard, "other", "finished")
    [job] = await yard.rows("SELECT reason FROM asyncsim.jobs WHERE name = 'job'")
    assert job["reason"] == "ZeroDivisionError: a bug"
    assert len([one for one in worker.chunks_taken if one.job == "job"]) <= 4  # at once
    async with bulk.SharedJobs(yard.url) as jobs:
        await jobs.unpause("job", dispatch=yard.dispatch)
    await until(yard, "job", "finished")
    await worker.finish()


async def test_a_chunk_that_is_claimed_while_its_account_is_rejected_is_handed_back(
    open_yard: OpenYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = await open_yard()
    await yard.submit()
    client, claim = await rejected_client(yard), chunks.claim
    claimed: list[TakenChunk] = []
    both = asyncio.Event()

    async def claim_two(*arguments: Any) -> TakenChunk | None:
        taken = await claim(*arguments)
        if taken is not None:
            claimed.append(taken)
            if len(claimed) == 1:
                await both.wait()
            else:
                both.set()
                await yard.until(rejected)
        return taken

    async def rejected() -> bool:
        return not worker.worker._clients

    monkeypatch.setattr(chunks, "claim", claim_two)
    worker = await yard.work(client=client, at_once=2)
    async with asyncio.timeout(40):
        with pytest.raises(AuthenticationError):
            await worker.task
    left = await yard.chunks()
    assert [left[number]["state"] for number in range(4)] == ["done", "queued", "queued", "queued"]
    assert {one["owner"] for one in left.values()} == {None}
    reason = left[claimed[1].claim.number]["reason"]
    assert reason == "the worker lost its account while claiming it"
    assert worker.taken == [claimed[0].claim.number]


async def test_a_worker_whose_clients_are_closed_hands_back_and_ends(open_yard: OpenYard) -> None:
    yard = await open_yard(transition=600.0)
    await yard.submit()
    worker = await yard.work()

    async def waiting() -> bool:
        return (await yard.states())[State.ACCEPTED] == 20

    await yard.until(waiting)
    async with asyncio.timeout(40):
        await worker.client.close()
        with pytest.raises(ClientClosed):
            await worker.task
    assert {one["owner"] for one in (await yard.chunks()).values()} == {None}
    assert (await yard.job())["state"] == "running"
    assert len(worker.taken) <= 2  # at once


@pytest.mark.parametrize("dispatch", ["procrastinate"])
async def test_the_queue_of_a_rejected_account_is_left_to_other_workers(
    open_yard: OpenYard,
) -> None:
    yard = await open_yard()
    await yard.submit()
    other = await submit_other(yard, chunk_rows=5)
    rejected = await rejected_client(yard)
    worker = await yard.work(at_once=1, client=rejected, more=[other])
    await until(yard, "other", "finished")
    await worker.finish()
    left = await yard.rows(
        "SELECT queueing_lock, status::text FROM asyncsim.procrastinate_jobs ORDER BY 1"
    )
    assert left == [{"queueing_lock": f"1:{number}", "status": "todo"} for number in (1, 2, 3)]
    assert len([one for one in worker.chunks_taken if one.job == "job"]) == 1

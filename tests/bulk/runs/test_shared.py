"""A run on a job in PostgreSQL that another process takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from asyncsim import Throttle, bulk
from asyncsim.bulk.errors import Fenced, LeaseLost
from asyncsim.bulk.journal import Journal, claims, hold, open_database
from asyncsim.bulk.journal.writer import Writer
from asyncsim.bulk.lease import MARGIN
from asyncsim.bulk.records import ChunkClaim, State
from asyncsim.clock import ManualClock
from asyncsim.emulator import Faults
from tests.bulk.places import Place
from tests.bulk.runs.conftest import JobEnv
from tests.integration.harness import APIS, open_harness
from tests.postgres.proxy import LossyProxy


@pytest.fixture
async def env(clock: ManualClock, tmp_path: Path, migrated_url: str) -> AsyncIterator[JobEnv]:
    """Forty SIMs whose vendor takes a minute to respond, and a journal in PostgreSQL."""
    world: Any = {"faults": Faults(answer_takes=60.0)}
    async with AsyncExitStack() as stack:
        harness = await stack.enter_async_context(
            open_harness(clock, APIS[0], sims=40, world=world)
        )
        yield JobEnv(harness, Place(tmp_path, migrated_url))


async def until_it_sends(env: JobEnv, run: asyncio.Task[bulk.Report]) -> None:
    """Advance the clock until requests are in flight, whose responses are a minute away."""
    while not env.posts():
        assert not run.done(), run.exception()
        await env.harness.clock.advance(0.05)


async def resumed(env: JobEnv, url: str) -> None:
    """Run the job again once its holder counts as dead: it completes as any other."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "UPDATE asyncsim.chunks SET heartbeat_at = clock_timestamp() - interval '9 s'"
        )
    env.harness.emulator.faults = Faults()
    assert (await env.run(env.job())).ok


async def test_a_run_whose_job_was_taken_over_cuts_its_requests_and_sends_nothing_more(
    env: JobEnv, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT", 0.1)
    async with env.journal() as journal:
        run = asyncio.create_task(bulk.run(env.job(), env.harness.client, journal=journal))
        await until_it_sends(env, run)
        with psycopg.connect(migrated_url, autocommit=True) as other:
            other.execute("UPDATE asyncsim.chunks SET owner = 'h:1:x', epoch = epoch + 1")
        posts = env.posts().total()
        with pytest.raises((Fenced, LeaseLost)):
            await env.complete(run, within=30.0)  # without waiting for the responses
        assert env.posts().total() == posts
    await resumed(env, migrated_url)


async def test_a_run_whose_job_is_cancelled_elsewhere_lets_responses_arrive_and_stops(
    env: JobEnv, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT", 0.1)
    throttle = Throttle(limit=2, maximum=2)
    env.harness.emulator.faults = Faults(answer_takes=5.0)
    async with env.harness.emulator.client(throttle=throttle) as client, env.journal() as journal:
        run = asyncio.create_task(bulk.run(env.job(), client, journal=journal))
        await until_it_sends(env, run)
        async with bulk.SharedJobs(migrated_url) as jobs:
            assert await jobs.cancel("job.db") is bulk.JobState.PLANNED
            async with asyncio.timeout(30):
                await journal.cancelled.wait()
            report = await env.complete(run)
            assert (await jobs.fetch("job.db")).state is bulk.JobState.CANCELLED
    assert report.stopped == "cancelled"
    assert report.states == {State.ACCEPTED: 2, State.READY: 38}
    env.harness.emulator.faults = Faults()
    assert (await env.run(env.job())).ok
    assert set(env.posts().values()) == {1}


async def test_a_run_that_cannot_renew_its_hold_in_time_sends_nothing_more(
    env: JobEnv, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT", 0.1)
    machine = ManualClock()
    monkeypatch.setattr(hold, "SYSTEM_CLOCK", machine)
    async with LossyProxy(migrated_url) as proxy:
        env.place = Place(env.place.folder, proxy.url)
        async with env.journal() as journal:
            run = asyncio.create_task(bulk.run(env.job(), env.harness.client, journal=journal))
            await until_it_sends(env, run)
            proxy.refusing = True
            proxy.cut()
            posts = env.posts().total()
            await machine.advance(claims.DEAD_AFTER - MARGIN)
            proxy.refusing = False
            with pytest.raises(LeaseLost):
                await env.complete(run, within=59.0)
            assert env.posts().total() == posts
        await resumed(env, migrated_url)


async def cancelled_without_server(
    env: JobEnv, proxy: LossyProxy, run: asyncio.Task[Any], sent: Callable[[], Any]
) -> None:
    """Cancel once something was sent and the server is away: the run ends within seconds."""
    while not sent():
        assert not run.done(), run.exception()
        await env.harness.clock.advance(0.05)
    proxy.refusing = True
    proxy.cut()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await env.complete(run, within=10.0)
    proxy.refusing = False


@pytest.mark.parametrize("phase", ["planning", "sending"])
async def test_a_cancelled_run_does_not_wait_for_postgresql(
    env: JobEnv, migrated_url: str, phase: str
) -> None:
    async with LossyProxy(migrated_url) as proxy:
        env.place = Place(env.place.folder, proxy.url)
        run = asyncio.create_task(env._run(env.job()))
        requests = env.harness.emulator.requests
        sent = env.posts if phase == "sending" else lambda: requests
        await cancelled_without_server(env, proxy, run, sent)
        await resumed(env, migrated_url)


async def test_a_cancelled_run_does_not_wait_for_room_in_its_buffer(
    clock: ManualClock, tmp_path: Path, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer.__init__, "__kwdefaults__", {"largest_batch": 5})
    throttle, world = Throttle(limit=4, maximum=4), {"faults": Faults(answer_takes=60.0)}
    async with (
        open_harness(clock, APIS[0], sims=40, world=world, throttle=throttle) as harness,
        LossyProxy(migrated_url) as proxy,
    ):
        env = JobEnv(harness, Place(tmp_path, proxy.url))
        run = asyncio.create_task(env._run(env.job()))
        # All rows that may be sent next have their intents, which are to be taken back.
        await cancelled_without_server(env, proxy, run, lambda: len(env.events) > 20)


async def test_a_cancelled_submission_does_not_wait_for_postgresql(
    env: JobEnv, migrated_url: str
) -> None:
    async with LossyProxy(migrated_url) as proxy:
        submission = bulk.submit(
            env.job(), env.harness.client, proxy.url, name="job", dispatch="table"
        )
        run = asyncio.create_task(submission)
        await cancelled_without_server(env, proxy, run, lambda: env.harness.emulator.requests)


async def test_the_journal_of_a_chunk_lets_other_chunks_write(
    env: JobEnv, clock: ManualClock, migrated_url: str
) -> None:
    async with env.journal() as journal:
        await env.complete(bulk.run(env.job(), env.harness.client, journal=journal, dry_run=True))
        job = journal.job_id
    assert job is not None
    database = open_database(migrated_url, clock)
    await database.open()
    async with Journal.open(
        migrated_url, chunk=ChunkClaim(job, 0, "owner", 1), database=database, clock=clock
    ) as journal:
        journal.hurry()
        await clock.advance(60.0)
        assert sum((await journal.counts()).values()) == 40
    await database.close()


def asked(url: str, machine: ManualClock, monkeypatch: pytest.MonkeyPatch, *, cancel: bool) -> Any:
    """A person who takes a minute to confirm, during which the event loop is blocked.

    With `cancel`, somebody else cancels the job meanwhile.
    """
    monkeypatch.setattr(claims, "HEARTBEAT", 3600.0)
    monkeypatch.setattr(hold, "SYSTEM_CLOCK", machine)

    async def minute() -> None:
        await machine.advance(60.0)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
            await other.execute(
                "UPDATE asyncsim.chunks SET heartbeat_at = heartbeat_at - interval '60 s'"
            )
        if cancel:
            async with bulk.SharedJobs(url) as jobs:
                await jobs.cancel("job.db")

    def confirm(plan: bulk.Plan) -> bool:
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(asyncio.run, minute()).result()
        return True

    return {"confirm": confirm, "confirm_above": 0}


async def test_a_person_may_take_a_minute_to_confirm(
    env: JobEnv, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.harness.emulator.faults = Faults()
    person = asked(migrated_url, ManualClock(), monkeypatch, cancel=False)
    assert (await env.run(env.job(), **person)).ok


async def test_a_run_that_is_cancelled_while_a_person_is_asked_sends_nothing(
    env: JobEnv, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.harness.emulator.faults = Faults()
    person = asked(migrated_url, ManualClock(), monkeypatch, cancel=True)
    report = await env.run(env.job(), **person)
    assert (report.stopped, report.states) == ("cancelled", {State.READY: 40})
    assert not env.posts()

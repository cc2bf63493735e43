"""A run on a job in PostgreSQL that another process takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from asyncsim import bulk
from asyncsim.bulk.errors import Fenced, LeaseLost
from asyncsim.bulk.journal import claims, hold
from asyncsim.bulk.lease import MARGIN
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

"""Processes without chunks that show in a journal that they are alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from asyncsim.bulk import SharedJobs, alive, migrate
from asyncsim.bulk.alive import shown_alive
from asyncsim.bulk.journal import claims, processes
from tests.postgres.cluster import Cluster


async def listed(jobs: SharedJobs, count: int) -> None:
    async with asyncio.timeout(30):
        while len(await jobs.processes()) != count:  # noqa: ASYNC110  # no event announces it
            await asyncio.sleep(0.02)


async def test_one_that_died_is_forgotten_when_another_one_starts(
    migrated_url: str,
) -> None:
    with psycopg.connect(migrated_url) as connection:
        connection.execute(
            "INSERT INTO asyncsim.processes VALUES"
            " ('lately', 'receiver', 'a', 1, '[]', now(), now() - interval '30 minutes'),"
            " ('long ago', 'receiver', 'a', 2, '[]', now(), now() - interval '61 minutes')"
        )
    async with SharedJobs(migrated_url) as jobs:
        assert [one.is_alive for one in await jobs.processes()] == [False, False]
        async with shown_alive(migrated_url, "receiver", ["kore supersim x"]), asyncio.timeout(30):
            while not (await jobs.processes())[-1].is_alive:  # noqa: ASYNC110  # no event announces it
                await asyncio.sleep(0.02)
            assert [one.is_alive for one in await jobs.processes()] == [False, True]
        (left,) = await jobs.processes()
        assert left.id == "lately"
    assert processes.FORGOTTEN_AFTER == 3600


async def test_a_database_that_is_down_at_the_start_or_at_the_end_stops_nothing(
    postgres_cluster: Callable[..., Cluster],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT", 0.05)
    monkeypatch.setattr(alive, "_REMOVE_WITHIN", 0.1)
    cluster = postgres_cluster()
    url = cluster.create_database("jobs")
    await migrate(url)
    cluster.stop()
    async with asyncio.timeout(30), shown_alive(url, "receiver", []):
        while "does not list this process" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        cluster.start()
        async with SharedJobs(url) as jobs:
            await listed(jobs, 1)
        cluster.stop()
    cluster.start()
    assert caplog.text.count("does not list this process") == 1
    assert cluster.password not in caplog.text

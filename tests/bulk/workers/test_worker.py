"""Workers on a real PostgreSQL, with both dispatchers."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import psycopg
import pytest

from asyncsim import Client, bulk
from asyncsim.bulk.dispatch_table import TableDispatch
from asyncsim.bulk.errors import JournalFailed
from asyncsim.bulk.journal import chunks, privileges
from asyncsim.bulk.journal.privileges import check_usable
from asyncsim.bulk.records import State
from asyncsim.errors import ConfigurationError, JournalError
from tests.bulk.workers.conftest import Yard


async def test_two_workers_share_a_job_and_one_of_them_verifies_it(yard: Yard) -> None:
    await yard.submit()
    first, second = await yard.work(at_once=1), await yard.work(at_once=1)
    await yard.until_state("finished")
    await first.finish()
    await second.finish()
    assert await yard.states() == {State.DONE: 30}
    assert set(yard.posts().values()) == {1}
    assert len(yard.posts()) == 30
    assert sorted(first.taken + second.taken) == [0, 1, 2, 3]
    assert (first.taken + second.taken).count(0) == 1
    assert {one["state"] for one in (await yard.chunks()).values()} == {"done"}


async def test_workers_of_one_account_share_its_limit_and_stop_when_asked(yard: Yard) -> None:
    await yard.submit()
    stop = asyncio.Event()
    async with yard.client() as client:
        working = asyncio.create_task(
            bulk.work(yard.url, [client], dispatch=yard.dispatch, stop=stop)
        )
        await yard.until_state("finished")
        [limit] = await yard.rows("SELECT account FROM asyncsim.limits")
        assert limit["account"] == f"twilio {client.context.account}"
        stop.set()
        async with asyncio.timeout(40):
            await working
    assert await yard.states() == {State.DONE: 30}


@pytest.mark.parametrize("dispatch", ["table"])
@pytest.mark.parametrize(
    ("place", "name", "logged"),
    [
        (chunks, "claim", "cannot claim chunks"),
        (chunks, "heartbeat", "heartbeats are not confirmed"),
        (chunks, "finish", "cannot hand back chunk 1 of job 'job'"),
        (TableDispatch, "requeue_stalled", "cannot search for chunks of dead workers"),
    ],
)
async def test_a_worker_that_continues_tells_nobody_to_run_it_again(
    yard: Yard,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: object,
    name: str,
    logged: str,
) -> None:
    failed = asyncio.Event()

    async def fail(*_: object) -> NoReturn:
        failed.set()
        raise JournalFailed("the server's disk is full", "run the same command again")

    await yard.submit(chunk_rows=30)
    monkeypatch.setattr(place, name, fail)
    worker = await yard.work()
    async with asyncio.timeout(30):
        await failed.wait()
    monkeypatch.undo()
    await yard.until_state("finished")
    await worker.finish()
    assert f"{logged}: the server's disk is full" in caplog.messages


@pytest.mark.parametrize("table", ["chunks", "jobs", "rows"])
async def test_a_worker_without_privileges_does_not_start(migrated_url: str, table: str) -> None:
    with psycopg.connect(migrated_url) as connection:
        connection.execute(f"REVOKE UPDATE ON asyncsim.{table} FROM CURRENT_USER")
    async with Client.twilio("AC" + "1" * 32, "token") as client:
        with pytest.raises(JournalError, match=f"permission denied for table {table}"):
            await bulk.work(migrated_url, [client], dispatch="table")


async def test_a_worker_starts_although_a_table_is_locked(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privileges, "DEAD_AFTER", 0.1)
    with psycopg.connect(migrated_url) as connection:
        connection.execute("LOCK TABLE asyncsim.chunks")
        await check_usable(migrated_url)


async def test_what_cannot_work_is_said_before_anything_is_opened(postgres_url: str) -> None:
    with pytest.raises(ValueError, match="chunks_at_once=0: must be at least 1"):
        await bulk.work(postgres_url, [], chunks_at_once=0)
    with pytest.raises(ConfigurationError, match="no clients"):
        await bulk.work(postgres_url, [])
    credentials = ("AC" + "1" * 32, "token")
    async with Client.twilio(*credentials) as one, Client.twilio(*credentials) as same:
        with pytest.raises(ConfigurationError, match="two clients of one account"):
            await bulk.work(postgres_url, [one, same])
        with pytest.raises(ValueError, match="it is one of procrastinate, table"):
            await bulk.work(postgres_url, [one], dispatch="redis")
        with pytest.raises(JournalError, match="asyncsim jobs migrate"):
            await bulk.work(postgres_url, [one], dispatch="table")

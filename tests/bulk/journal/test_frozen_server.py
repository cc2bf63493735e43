"""A server that keeps its connections and no longer responds: frozen, or behind a lost failover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk import dispatch_procrastinate
from asyncsim.bulk.journal import Journal, open_database, postgres, session
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.records import State
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.errors import JournalError
from asyncsim.postgres import bounded
from tests.bulk.journal.samples import fill, next_rows
from tests.bulk.journals import HEAD
from tests.postgres.proxy import LossyProxy

JOB = HEAD.label
# Seconds: psycopg gives a frozen server five to cancel a statement, and five more to end it.
SOON = 4.5


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat cancellations that the driver loses in a twentieth of the time."""
    monkeypatch.setattr(bounded, "_AGAIN", 0.05)


@pytest.fixture
async def proxy(migrated_url: str) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(migrated_url) as proxy:
        yield proxy


@pytest.fixture
async def database(proxy: LossyProxy) -> AsyncIterator[Database]:
    database = open_database(proxy.url, SYSTEM_CLOCK)
    await database.open()
    yield database
    await database.close()


async def read_one(connection: AsyncConnection) -> int:
    one: int = (await connection.execute(text("SELECT 1"))).scalar_one()
    return one


async def test_an_attempt_that_hangs_is_repeated(
    proxy: LossyProxy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hasty:
        hasty.setattr(postgres, "_LONGEST", 0.2)
        before = proxy.connections
        proxy.freeze()
        reading = asyncio.create_task(database.read(read_one))
        # One that asks the server to cancel the first attempt, and one of the second attempt.
        await proxy.until(lambda: proxy.connections >= before + 2)
        assert not reading.done()
    proxy.thaw()
    async with asyncio.timeout(SOON):
        assert await reading == 1


async def test_a_cancelled_transaction_is_left_soon(
    proxy: LossyProxy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_IF_CANCELLED", 0.1)
    proxy.freeze()
    writing = asyncio.create_task(database.write(read_one))
    await proxy.until(lambda: proxy.held)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(writing, SOON)


async def read_on(database: Database) -> None:
    while True:
        await database.read(read_one)


@pytest.mark.parametrize("refuses", [False, True], ids=["frozen", "unreachable"])
async def test_a_process_that_ends_gives_up(
    proxy: LossyProxy, database: Database, *, refuses: bool
) -> None:
    if refuses:
        proxy.refusing = True
        proxy.cut()
    else:
        proxy.freeze()
    writing = [asyncio.create_task(database.write(read_one)) for _ in range(3)]
    await proxy.until(lambda: proxy.held + proxy.refused >= 3)
    database.give_up_after(0.1)
    async with asyncio.timeout(SOON):
        for one in writing:
            with pytest.raises(JournalError, match=r"cannot be reached|does not respond"):
                await one
        with pytest.raises(JournalError):
            await database.read(read_one)


async def test_a_database_that_was_given_up_can_be_opened_again(
    proxy: LossyProxy, database: Database
) -> None:
    database.give_up_after(0.0)
    async with asyncio.timeout(SOON):
        with pytest.raises(JournalError):
            await read_on(database)
    await database.close()
    await database.open()
    assert await database.read(read_one) == 1


async def test_the_queue_of_chunks_gives_up(
    proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_procrastinate, "_LONGEST", 0.5)
    monkeypatch.setattr(dispatch_procrastinate, "_OPENING", 0.5)
    dispatch = dispatch_procrastinate.ProcrastinateDispatch(proxy.url, SYSTEM_CLOCK)
    proxy.freeze(at=b"pg_backend_pid")
    async with asyncio.timeout(SOON):
        with pytest.raises(JournalError, match=r"has not responded for 0\.5 s"):
            await dispatch.__aenter__()
    proxy.cut()
    proxy.thaw()


async def test_a_cancelled_command_does_not_wait_for_the_server(
    proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_HURRY", 0.2)

    async def command() -> None:
        async with Journal.open(proxy.url, job=JOB) as journal:
            await fill(journal, 3)
            proxy.freeze()
            await journal.record_intent(1)

    running = asyncio.create_task(command())
    await proxy.until(lambda: proxy.held)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, SOON)


async def test_what_can_be_stored_is_stored_after_a_cancellation(proxy: LossyProxy) -> None:
    async with Journal.open(proxy.url, job=JOB) as journal:
        await fill(journal, 3)

    async def command() -> None:
        async with Journal.open(proxy.url, job=JOB) as journal:
            proxy.freeze()
            await journal.record_unsent(1)
            await journal.record_intent(2)

    running = asyncio.create_task(command())
    await proxy.until(lambda: proxy.held)
    running.cancel()
    proxy.thaw()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with Journal.open(proxy.url, job=JOB) as journal:
        assert await next_rows(journal, State.SENDING) == [2]

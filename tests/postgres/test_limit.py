"""One limit for several clients, each with connections of its own, as in several processes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Literal

import psycopg
import pytest

from asyncsim import Client, ConfigurationError, PostgresLimit, QueueTimeout, Throttle, Timeout
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.clock import SYSTEM_CLOCK, ManualClock
from asyncsim.core.shared_limit import LEASE, POLL, LeasedLimit
from asyncsim.emulator import Emulator, Faults
from asyncsim.errors import RateLimited
from asyncsim.postgres import limit
from tests.postgres.cluster import Cluster

_PROCESS = """
import asyncio, sys
from asyncsim import Client, Hosts, PostgresLimit
from asyncsim.vendors import EMULATOR_CREDENTIALS as KEYS

async def main(url, host):
    shared = PostgresLimit(url)
    client = Client.twilio(
        KEYS.account_sid, KEYS.auth_token, hosts=Hosts(supersim=host), shared_limit=shared)
    async with client, asyncio.TaskGroup() as tasks:
        for _ in range(200):
            tasks.create_task(client.supersim.sims.list().to_dicts())

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An account whose limit is 20."""
    faults = Faults(concurrency=20, answer_takes=0.02)
    async with Emulator(sims=5, faults=faults) as emulator:
        yield emulator


@pytest.fixture
async def slow_emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    """An account without a limit, whose responses come at the end of the test."""
    async with Emulator(sims=5, faults=Faults(answer_takes=60.0), clock=clock) as emulator:
        yield emulator
        await clock.advance(600.0)


class Clients:
    """Clients with a shared limit each, as separate processes have them."""

    def __init__(self, emulator: Emulator, url: str) -> None:
        self.emulator = emulator
        self.url = url
        self.stack = AsyncExitStack()

    async def open(self, vendor: Literal["twilio", "kore"] = "twilio", **settings: Any) -> Client:
        settings.setdefault("shared_limit", PostgresLimit(self.url))
        return await self.stack.enter_async_context(self.emulator.client(vendor, **settings))


@pytest.fixture
async def clients(emulator: Emulator, migrated_url: str) -> AsyncIterator[Clients]:
    """Closed at the end."""
    made = Clients(emulator, migrated_url)
    async with made.stack:
        yield made


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def shares(url: str) -> int:
    return len(rows(url, "SELECT process FROM asyncsim.shares"))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # other processes set no event
            await asyncio.sleep(0.01)


async def read(client: Client) -> None:
    assert len([sim async for sim in client.supersim.sims.list()]) == 5


async def read_until_error(client: Client) -> None:
    async with asyncio.timeout(30):
        while True:
            await read(client)


async def send(client: Client, many: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(many):
            tasks.create_task(read(client))


async def test_a_429_at_one_client_lowers_the_limit_of_all(clients: Clients) -> None:
    one, other = await clients.open(), await clients.open()
    await until(lambda: shares(clients.url) == 2)
    await until(lambda: other.concurrency_limit == 16)  # half an equal share of the initial 64
    await send(one, 300)
    assert one.context.throttled
    await until(lambda: other.concurrency_limit <= 12)
    assert not other.requests
    assert rows(
        clients.url, "SELECT 1 FROM asyncsim.limits WHERE now() - throttled_at < interval '1 min'"
    )


async def test_clients_that_need_more_than_there_is_are_served_evenly(clients: Clients) -> None:
    both = [await clients.open(), await clients.open()]
    await until(lambda: shares(clients.url) == 2)
    sending = [asyncio.ensure_future(send(one, 600)) for one in both]
    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
    served = [one.requests - one.context.throttled for one in both]
    await asyncio.gather(*sending)
    # A second of real time on a busy machine; the benchmark `shared_limit` measures it.
    assert min(served) >= 0.6 * max(served)
    log = clients.emulator.requests
    assert sum(one.status == 429 for one in log) <= 0.1 * len(log)


async def test_a_retry_after_at_one_client_pauses_all(clients: Clients) -> None:
    patience = Timeout(queue=5)
    one, other = await clients.open(timeout=patience), await clients.open(timeout=patience)
    await until(lambda: shares(clients.url) == 2)
    clients.emulator.faults = Faults(rate_limited=1.0, retry_after=200.0)
    with pytest.raises(RateLimited):
        await read(one)
    clients.emulator.faults = Faults()
    with pytest.raises(QueueTimeout) as raised:
        await read_until_error(other)  # until it has heard of it
    assert raised.value.retry_after is not None
    assert 150 < raised.value.retry_after <= 200


async def test_two_accounts_do_not_touch_each_other(clients: Clients) -> None:
    shared = PostgresLimit(clients.url)
    one = await clients.open(shared_limit=shared)
    other = await clients.open("kore", shared_limit=shared)
    await until(lambda: shares(clients.url) == 2)
    await send(one, 200)
    assert one.context.throttled
    accounts = (
        f"twilio {clients.emulator.credentials.account_sid}",
        f"kore {clients.emulator.credentials.client_id}",
    )

    def totals() -> list[float]:
        found = dict(rows(clients.url, "SELECT account, total FROM asyncsim.limits"))
        return [found[account] for account in accounts]

    await until(lambda: totals()[0] < 60)
    assert totals()[1] == 64
    assert other.concurrency_limit == 32


async def test_clients_of_one_process_and_throttle_are_one_process(clients: Clients) -> None:
    throttle, shared = Throttle(), PostgresLimit(clients.url)
    one = await clients.open(throttle=throttle, shared_limit=shared)
    await clients.open(throttle=throttle, shared_limit=shared)
    await until(lambda: shares(clients.url) == 1)
    await one.close()
    assert shares(clients.url) == 1


async def test_two_accounts_with_one_throttle_are_rejected(clients: Clients) -> None:
    throttle, shared = Throttle(), PostgresLimit(clients.url)
    await clients.open(throttle=throttle, shared_limit=shared)
    with pytest.raises(ConfigurationError, match="a separate Throttle for each"):
        await clients.open("kore", throttle=throttle, shared_limit=shared)


def test_one_object_serves_one_event_loop_after_another(migrated_url: str) -> None:
    shared = PostgresLimit(migrated_url)

    async def use() -> None:
        async with Emulator(sims=5) as emulator:
            client = emulator.client(shared_limit=shared)
            await send(client, 30)
            await until(lambda: client.concurrency_limit >= 32)
            with pytest.raises(ConfigurationError, match="another event loop"):
                await asyncio.to_thread(asyncio.run, elsewhere(emulator))
            await client.close()

    async def elsewhere(emulator: Emulator) -> None:
        async with emulator.client(shared_limit=shared):
            pass

    asyncio.run(use())
    asyncio.run(use())
    assert shares(migrated_url) == 0


async def test_a_client_that_is_open_can_begin_to_share(clients: Clients) -> None:
    client = await clients.open(shared_limit=None)
    assert client.concurrency_limit == 64
    client.context.use_shared_limit(PostgresLimit(clients.url))
    await until(lambda: shares(clients.url) == 1)
    client.context.use_shared_limit(PostgresLimit(clients.url))
    await send(client, 50)
    await client.close()
    assert shares(clients.url) == 0


async def test_a_client_that_closes_returns_its_share_at_once(clients: Clients) -> None:
    one, other = await clients.open(), await clients.open()
    await until(lambda: other.concurrency_limit == 16)
    await one.close()
    await until(lambda: other.concurrency_limit == 32)
    assert shares(clients.url) == 1


async def test_the_share_of_a_killed_process_goes_to_the_others(
    slow_emulator: Emulator, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit, "POLL", 0.1)
    clients.emulator = slow_emulator
    client = await clients.open(clock=SYSTEM_CLOCK)
    host = slow_emulator.hosts.supersim
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROCESS, clients.url, str(host)
    )
    held = "SELECT permits FROM asyncsim.shares WHERE permits >= 60"
    try:
        await until(lambda: rows(clients.url, held))
        await until(lambda: client.concurrency_limit == 16)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    assert shares(clients.url) == 2
    # Six seconds pass, as far as the database knows.
    rows(clients.url, "UPDATE asyncsim.shares SET heartbeat_at = heartbeat_at - interval '6 s'")
    sending = asyncio.ensure_future(send(client, 500))
    await until(lambda: client.in_flight >= 64)
    assert shares(clients.url) == 1
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_restart_of_the_database_disturbs_no_request(
    emulator: Emulator, postgres_cluster: Callable[..., Cluster]
) -> None:
    cluster = postgres_cluster()
    url = cluster.create_database("limits")
    await migrate(url)
    clients = Clients(emulator, url)
    async with clients.stack:
        one, other = await clients.open(), await clients.open()
        await until(lambda: shares(url) == 2)
        reported = asyncio.Event()

        async def read_meanwhile(client: Client) -> None:
            while not reported.is_set():
                await read(client)

        async with asyncio.TaskGroup() as tasks:
            for client in 50 * (one, other):
                tasks.create_task(read_meanwhile(client))
            await until(lambda: one.requests and other.requests)
            await asyncio.to_thread(cluster.restart, "immediate")
            [(now,)] = rows(url, "SELECT clock_timestamp()")
            seen = f"SELECT process FROM asyncsim.shares WHERE heartbeat_at > '{now.isoformat()}'"
            await until(lambda: len(rows(url, seen)) == 2)
            reported.set()


async def test_without_the_database_a_process_keeps_its_share_and_then_half_an_equal_one(
    slow_emulator: Emulator,
    postgres_cluster: Callable[..., Cluster],
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = postgres_cluster()
    url = cluster.create_database("limits")
    await migrate(url)
    clients = Clients(slow_emulator, url)
    async with clients.stack:
        client = await clients.open()
        sending = asyncio.ensure_future(send(client, 500))
        while client.in_flight < 64:
            await clock.advance(0.1)
        await asyncio.to_thread(cluster.stop)
        with caplog.at_level(logging.WARNING, "asyncsim"):
            await clock.advance(LEASE - 0.5)
            assert client.concurrency_limit == 64
            await clock.advance(0.5)
            assert client.concurrency_limit == 32
            told = [one for one in caplog.messages if "shared limit" in one]
            assert len(told) == 1
            assert "at most 64 concurrent requests, later 32" in told[0]
            assert cluster.password not in caplog.text
            await asyncio.to_thread(cluster.start)
            await clock.advance(POLL + 0.1)
            assert client.concurrency_limit == 64
            assert "can be reached again" in caplog.text
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await clock.advance(60.0)


async def test_a_bug_does_not_end_the_reports(
    slow_emulator: Emulator,
    migrated_url: str,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail_once(*_: object) -> None:
        monkeypatch.undo()
        raise RecursionError

    monkeypatch.setattr(LeasedLimit, "granted", fail_once)
    clients = Clients(slow_emulator, migrated_url)
    async with clients.stack:
        client = await clients.open()
        before = client.concurrency_limit
        await until(lambda: "RecursionError" in caplog.text)
        await clock.advance(1.0)
        await until(lambda: client.concurrency_limit > before)


async def test_no_request_waits_for_a_database_that_does_not_respond(emulator: Emulator) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        shared = PostgresLimit(f"postgresql://me@127.0.0.1:{port}/none")
        async with emulator.client(shared_limit=shared) as client:
            assert client.concurrency_limit == 8
            await send(client, 30)


async def test_missing_tables_are_reported_and_requests_go_on(
    emulator: Emulator, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with emulator.client(shared_limit=PostgresLimit(postgres_url)) as client:
        await send(client, 30)
        await until(lambda: "asyncsim jobs migrate" in caplog.text)
    # Without a grant, it keeps its share.
    assert "continues with at most 8 concurrent requests: the tables are missing" in caplog.text


def test_no_password_is_shown() -> None:
    shared = PostgresLimit("postgresql://me:geheim@db.example/asyncsim")
    assert repr(shared) == "<asyncsim.PostgresLimit at postgresql://me@db.example/asyncsim>"
    with pytest.raises(ConfigurationError) as raised:
        PostgresLimit("me:geheim@db.example")
    assert "geheim" not in str(raised.value)
    with pytest.raises(TypeError, match="PostgresLimit") as wrong:
        Client.twilio("AC" + 32 * "0", "x", shared_limit="postgresql://me:geheim@db")  # type: ignore[arg-type]
    assert "geheim" not in str(wrong.value)

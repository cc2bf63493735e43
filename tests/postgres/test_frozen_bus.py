"""The bus while the server keeps its connections and does not respond."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial

import psycopg
import pytest

from asyncsim import Callback, PostgresBus
from asyncsim.callbacks.shared import BusUnavailable, TakenCommand
from asyncsim.clock import ManualClock
from asyncsim.postgres import (
    bounded,
    command_taker,
    commands,
    inbox,
    inbox_reader,
    inbox_upkeep,
    inbox_writer,
    listen,
)
from asyncsim.postgres.engine import connect
from asyncsim.postgres.inbox import InboxRow
from asyncsim.postgres.inbox_reader import POLL_EVERY
from asyncsim.postgres.inbox_upkeep import purge_regularly
from asyncsim.postgres.inbox_writer import BusStats
from tests.postgres.proxy import LossyProxy
from tests.postgres.replicas import advance_until, until

# Seconds: psycopg gives a frozen server five to cancel a statement, and five more to end it.
SOON = 4.5
PATIENCE = 0.2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_AGAIN", 0.05)
    for module, name in (
        (command_taker, "PATIENCE"),
        (inbox_reader, "_HANGS"),
        (inbox_upkeep, "PATIENCE"),
        (inbox_upkeep, "_HANGS"),
        (inbox_writer, "PATIENCE"),
        (listen, "_HANGS"),
    ):
        monkeypatch.setattr(module, name, PATIENCE)


@pytest.fixture
async def proxy(inbox_url: str) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(inbox_url) as proxy:
        yield proxy


@pytest.fixture
async def bus(proxy: LossyProxy, clock: ManualClock) -> AsyncIterator[PostgresBus]:
    bus = PostgresBus(proxy.url, clock=clock)
    await bus.start()
    yield bus
    proxy.thaw()
    await bus.stop()


def callback(name: str) -> Callback:
    return Callback(
        vendor="kore", product="supersim", name=name, nonce="n", signed=True, method="POST"
    )


def collect(bus: PostgresBus) -> list[str]:
    """Attach to a bus; returns the names of all callbacks that it reads from now on."""
    names: list[str] = []

    def publish(found: Callback) -> bool:
        names.append(found.name)
        return True

    bus.attach(publish)
    return names


def has_opened() -> Callable[[], bool]:
    """Whether somebody still waits for a Command: once."""
    answers = iter([True, False])
    return lambda: next(answers)


async def store(url: str, name: str, scope: str = "") -> None:
    """Store a callback, or a Command of that scope, as another process does."""
    insert = commands.insert if scope else inbox.insert
    async with await connect(url) as connection:
        assert await insert(connection, [InboxRow.of(callback(name), name, scope)])


@pytest.mark.parametrize("statement", [None, b"has_table_privilege"])
async def test_a_process_starts_without_the_server(
    proxy: LossyProxy, statement: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    bus = PostgresBus(proxy.url)
    proxy.freeze(at=statement)
    async with asyncio.timeout(SOON):
        await bus.start()
    assert "callbacks cannot be shared through" in caplog.text
    proxy.thaw()
    await bus.stop()


async def test_a_callback_that_cannot_be_stored_is_refused_in_time(
    proxy: LossyProxy,
) -> None:
    bus = PostgresBus(proxy.url)
    await bus.start()
    proxy.freeze(at=b"INSERT")
    async with asyncio.timeout(SOON):
        with pytest.raises(BusUnavailable):
            await bus.accept(callback("HS1"), "one")
        assert not await bus.is_writable()
    proxy.thaw()
    await bus.stop()


async def test_a_health_check_ends_in_time(proxy: LossyProxy, bus: PostgresBus) -> None:
    proxy.freeze(at=b"has_table_privilege")
    async with asyncio.timeout(SOON):
        assert not await bus.is_writable()


async def test_the_reader_connects_anew(
    proxy: LossyProxy, bus: PostgresBus, inbox_url: str, clock: ManualClock
) -> None:
    names = collect(bus)
    await advance_until(clock, lambda: bus.counts.reads)
    proxy.freeze(at=b"LATERAL")
    async with asyncio.timeout(SOON):
        await clock.advance(POLL_EVERY)  # returns once that read has ended
    assert proxy.held
    proxy.thaw()
    await store(inbox_url, "HS1")
    await advance_until(clock, lambda: names)
    assert names == ["HS1"]


@pytest.mark.parametrize("statement", [b"pg_walfile_name", b"pg_snapshot_xmin"])
async def test_the_search_for_the_beginning_ends_in_time(
    proxy: LossyProxy, bus: PostgresBus, inbox_url: str, clock: ManualClock, statement: bytes
) -> None:
    proxy.freeze(at=statement)
    names = collect(bus)
    await proxy.until(lambda: proxy.held)
    before = proxy.connections
    async with asyncio.timeout(SOON):
        # One that asks the server to cancel the statement, and the next attempt's.
        await proxy.until(lambda: proxy.connections >= before + 2)
    proxy.thaw()
    await store(inbox_url, "HS1")
    await advance_until(clock, lambda: names)


async def test_a_listener_connects_anew(
    proxy: LossyProxy, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    woken = asyncio.Event()
    proxy.freeze(at=b"LISTEN")
    async with listen.listening(proxy.url, "one", woken.set, clock):
        await proxy.until(lambda: proxy.held)
        async with asyncio.timeout(SOON):
            while not caplog.messages:  # noqa: ASYNC110  # a log sets no event
                await asyncio.sleep(0.005)
        assert "polling continues" in caplog.text
        proxy.thaw()
        await advance_until(clock, woken.is_set)


async def test_old_rows_are_deleted_later(
    proxy: LossyProxy,
    inbox_url: str,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with psycopg.connect(inbox_url) as connection:
        connection.execute(
            "INSERT INTO asyncsim.inbox (key, place, arrived_at, callback)"
            " VALUES ('one', 0, now() - interval '2 hours', '{}')"
        )
    stats = BusStats()
    proxy.freeze(at=b"DELETE")
    with caplog.at_level(logging.DEBUG, "asyncsim"):
        connected = partial(connect, proxy.url)
        purging = asyncio.create_task(purge_regularly(connected, clock, 3600.0, stats))
        async with asyncio.timeout(SOON):
            while not proxy.held:
                await clock.advance(1.0)  # returns once that attempt has ended
        assert "old callbacks cannot be deleted" in caplog.text
        assert stats.purged == 0
        proxy.cut()
        proxy.thaw()
        await advance_until(clock, lambda: stats.purged, step=60.0)
    purging.cancel()
    await asyncio.wait([purging])


async def test_commands_arrive_again(
    proxy: LossyProxy,
    bus: PostgresBus,
    inbox_url: str,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy.freeze(at=b"UPDATE asyncsim.commands")
    taking = asyncio.create_task(bus.take_command(lambda: ["scope"], lambda: True))
    async with asyncio.timeout(2 * SOON):
        while "Commands from devices cannot be read" not in caplog.text:
            await clock.advance(POLL_EVERY)  # returns once an attempt has ended
    proxy.thaw()
    await store(inbox_url, "commands", "scope")
    await advance_until(clock, taking.done)
    taken = await taking
    assert isinstance(taken, TakenCommand)
    proxy.freeze()
    async with asyncio.timeout(SOON):
        await bus.finish_command(taken.key, lambda: False)
    assert "another loop will get it" in caplog.text.replace("\n", " ")


async def test_it_stops_in_time(proxy: LossyProxy, bus: PostgresBus, clock: ManualClock) -> None:
    collect(bus)
    await advance_until(clock, lambda: bus.counts.reads)
    assert await bus.take_command(lambda: ["scope"], has_opened()) is None
    proxy.freeze()
    accepting = asyncio.create_task(bus.accept(callback("HS1"), "one"))
    await proxy.until(lambda: proxy.held)
    async with asyncio.timeout(2 * SOON):
        await bus.stop()
        with pytest.raises(BusUnavailable):
            await accepting


@pytest.mark.parametrize("times", [1, 2])
async def test_a_stop_that_is_cancelled_leaves_no_task(
    proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(inbox_writer, "PATIENCE", 30.0)
    before = asyncio.all_tasks()
    bus = PostgresBus(proxy.url)
    await bus.start()
    collect(bus)
    await until(lambda: bus.counts.reads)
    assert await bus.take_command(lambda: ["scope"], has_opened()) is None
    proxy.freeze(at=b"INSERT")
    accepting = asyncio.create_task(bus.accept(callback("HS1"), "one"))
    await proxy.until(lambda: proxy.held)
    stopping = asyncio.create_task(bus.stop())
    for _ in range(times):
        await asyncio.sleep(0)
        stopping.cancel()
    async with asyncio.timeout(2 * SOON):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(stopping, SOON)
        with pytest.raises(BusUnavailable, match="the receiver stops"):
            await accepting
        if left := asyncio.all_tasks() - before - proxy.tasks:
            await asyncio.wait(left)
    proxy.cut()
    proxy.thaw()
    await bus.start()  # it can be started again
    assert not await bus.accept(callback("HS2"), "two")
    await bus.stop()


@pytest.mark.parametrize("times", [1, 2])
async def test_a_stop_that_is_cancelled_during_a_start_stops_it(
    proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(inbox_upkeep, "PATIENCE", 30.0)
    before = asyncio.all_tasks()
    bus = PostgresBus(proxy.url)
    proxy.freeze(at=b"has_table_privilege")
    starting = asyncio.create_task(bus.start())
    await proxy.until(lambda: proxy.held)
    stopping = asyncio.create_task(bus.stop())
    for _ in range(times):
        await asyncio.sleep(0)
        stopping.cancel()
    await asyncio.sleep(0)
    assert not stopping.done()
    proxy.thaw()
    async with asyncio.timeout(SOON):
        await starting
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(stopping, SOON)
    assert asyncio.all_tasks() - before - proxy.tasks == set()
    with pytest.raises(BusUnavailable):
        await bus.accept(callback("HS1"), "one")

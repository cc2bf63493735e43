"""Notifications: who is woken, by what, and after an outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import psycopg
import pytest

from asyncsim.clock import ManualClock
from asyncsim.postgres.listen import Notifications, listening


class Woken:
    """Counts calls, and waits for them."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._event.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.count < count:
                self._event.clear()
                await self._event.wait()


def notify(url: str, channel: str, payload: str = "") -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_notify(%s, %s)", [channel, payload])


def listeners(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # the server, or a log, sets no event
            await asyncio.sleep(0.005)


async def test_only_the_subscribers_of_a_channel_are_woken(postgres_url: str) -> None:
    one, other = Woken(), Woken()
    async with Notifications(postgres_url) as notifications:
        notifications.subscribe("asyncsim_one", one)
        notifications.subscribe("asyncsim Other", other)
        await one.until(1)  # once it listens: what came before could not be heard
        await other.until(1)
        notify(postgres_url, "asyncsim_one", "3")
        notify(postgres_url, "asyncsim_one", "4")
        await one.until(3)
        assert (one.count, other.count) == (3, 1)
        assert notifications.notified == {"asyncsim_one": 2}


async def test_a_channel_can_be_added_and_left_while_listening(postgres_url: str) -> None:
    first, late = Woken(), Woken()
    async with Notifications(postgres_url) as notifications:
        notifications.subscribe("one", first)
        await first.until(1)
        unsubscribe = notifications.subscribe("two", late)
        await late.until(1)
        notify(postgres_url, "two")
        await late.until(2)
        unsubscribe()
        unsubscribe()
        notify(postgres_url, "two")
        notify(postgres_url, "one")
        await first.until(2)
        assert late.count == 2


async def test_all_listeners_of_a_process_share_one_connection(postgres_url: str) -> None:
    one, two = Woken(), Woken()
    async with Notifications(postgres_url) as outer:
        outer.subscribe("one", one)
        async with listening(postgres_url, "two", two):
            await one.until(1)
            await two.until(1)
            assert listeners(postgres_url) == 1
        notify(postgres_url, "one")
        await one.until(2)
    await until(lambda: not listeners(postgres_url))  # a backend takes a moment to end


async def test_after_an_outage_everybody_is_woken(
    postgres_url: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    woken = Woken()
    caplog.set_level(logging.WARNING, "asyncsim")
    async with listening(postgres_url, "one", woken, clock):
        await woken.until(1)
        with psycopg.connect(postgres_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await until(lambda: caplog.messages)
        assert woken.count == 1
        await clock.advance(0.25)
        await woken.until(2)
    stopped, again = caplog.messages
    assert "polling continues: the connection to the server was lost" in stopped
    assert again.endswith("arrive again")
    password = psycopg.conninfo.conninfo_to_dict(postgres_url)["password"]
    assert password is not None
    assert str(password) not in caplog.text


async def test_an_unreachable_server_is_said_once(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening("postgresql://me@127.0.0.1:1/db", "one", Woken(), clock):
        await until(lambda: caplog.messages)
        await clock.advance(60)
    assert len(caplog.messages) == 1
    assert "cannot be reached" in caplog.text


async def test_a_subscriber_that_raises_stops_nobody(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    woken = Woken()

    def fails() -> None:
        raise ValueError("mine")

    async with Notifications(postgres_url) as notifications:
        notifications.subscribe("one", fails)
        notifications.subscribe("one", woken)
        await woken.until(1)
        notify(postgres_url, "one")
        await woken.until(2)
    assert "a subscriber of one raised" in caplog.text


async def test_a_listener_that_is_not_open(postgres_url: str) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        Notifications(postgres_url).subscribe("one", Woken())

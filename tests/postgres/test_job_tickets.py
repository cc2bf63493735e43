"""Ticket secrets of jobs, as a receiver reads them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from asyncsim.clock import ManualClock
from asyncsim.postgres import bounded, job_tickets
from asyncsim.postgres.job_tickets import following_job_tickets
from tests.postgres.proxy import LossyProxy
from tests.postgres.replicas import advance_until, until

REFRESH = job_tickets._REFRESH_EVERY
SOON = 4.5  # seconds: psycopg gives a frozen server five to cancel a statement


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_AGAIN", 0.05)


@pytest.fixture
async def proxy(migrated_url: str) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(migrated_url) as proxy:
        yield proxy


def add_job(url: str, name: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO asyncsim.jobs (name, product, action, change, vendor, account, label,"
            " ticket_secret, state, created_at) VALUES (%s, 'supersim', 'update', '{}',"
            " 'kore', 'account', 'batch', %s, 'running', now())",
            [name, f"secret of {name}"],
        )


class Used:
    """The secrets that were used last."""

    def __init__(self) -> None:
        self.secrets: Sequence[str] = ()
        self.times = 0

    def __call__(self, secrets: Sequence[str]) -> None:
        self.secrets, self.times = secrets, self.times + 1


async def test_they_are_read_before_it_begins_and_whenever_they_change(
    migrated_url: str, clock: ManualClock
) -> None:
    add_job(migrated_url, "one")
    used = Used()
    async with following_job_tickets(migrated_url, used, clock):
        assert used.secrets == ("secret of one",)
        add_job(migrated_url, "two")
        await advance_until(clock, lambda: used.secrets == ("secret of two", "secret of one"))
    assert used.times == 2


async def test_a_server_that_does_not_respond_delays_nothing_for_long(
    migrated_url: str,
    proxy: LossyProxy,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_tickets, "_HANGS", 0.2)
    add_job(migrated_url, "one")
    used = Used()
    proxy.freeze(at=b"ticket_secret")
    with caplog.at_level(logging.INFO, "asyncsim"):
        async with asyncio.timeout(SOON):
            following = following_job_tickets(proxy.url, used, clock)
            await following.__aenter__()
        assert "ticket secrets of jobs cannot be read" in caplog.text
        assert not used.times
        proxy.thaw()
        await advance_until(clock, lambda: used.secrets == ("secret of one",))
        proxy.freeze(at=b"ticket_secret")
        caplog.clear()
        await advance_until(clock, lambda: "cannot be read" in caplog.text)
        proxy.thaw()
        add_job(migrated_url, "two")
        await advance_until(clock, lambda: len(used.secrets) == 2)
    await following.__aexit__(None, None, None)


async def test_it_ends_while_the_server_does_not_respond(
    proxy: LossyProxy, clock: ManualClock
) -> None:
    async with asyncio.timeout(SOON), following_job_tickets(proxy.url, Used(), clock):
        proxy.freeze(at=b"ticket_secret")
        await clock.advance(REFRESH)
        await proxy.until(lambda: proxy.held)
    proxy.thaw()


async def test_a_bug_does_not_end_it(
    migrated_url: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    used = Used()

    def use(secrets: Sequence[str]) -> None:
        if not used.times:
            used.times = 1
            raise RecursionError
        used(secrets)

    async with following_job_tickets(migrated_url, use, clock):
        add_job(migrated_url, "one")
        await clock.advance(REFRESH)
        await until(lambda: "the reader of ticket secrets failed" in caplog.text)
        await clock.advance(60)
        await until(lambda: used.secrets)

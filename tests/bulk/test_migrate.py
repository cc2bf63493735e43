"""Migrations of a server that stops responding, or takes long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from asyncsim import bulk
from asyncsim.bulk.dispatch_procrastinate import _INSTALL_LOCK
from asyncsim.bulk.errors import JournalFailed
from asyncsim.bulk.journal.schema import FORMAT
from asyncsim.postgres import bounded, responding
from tests.postgres.proxy import LossyProxy

SOON = 15.0  # seconds: fewer than a minute, and enough for a busy machine


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_AGAIN", 0.05)
    monkeypatch.setattr(responding, "_EVERY", 0.05)
    monkeypatch.setattr(responding, "_PROBE", 0.2)
    monkeypatch.setattr(responding, "_SILENT", 0.5)


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[LossyProxy]:
    """The way to an empty database."""
    async with LossyProxy(postgres_url) as proxy:
        yield proxy


@pytest.mark.parametrize(
    "statement",
    [b"pg_advisory_xact_lock", b"CREATE TABLE asyncsim.", b"COMMIT", b"CREATE TABLE procrastinate"],
    ids=bytes.decode,
)
async def test_a_server_that_stops_responding_ends_a_migration(
    proxy: LossyProxy, postgres_url: str, statement: bytes
) -> None:
    proxy.freeze(at=statement)
    async with asyncio.timeout(SOON):
        with pytest.raises(JournalFailed) as raised:
            await bulk.migrate(proxy.url)
    assert proxy.held
    shown = str(raised.value)
    assert "has not responded for 0.5 s, so it is unknown whether its tables were created" in shown
    assert shown.endswith("then run the same command again, which does no harm")
    proxy.cut()
    proxy.thaw()
    assert (await bulk.migrate(postgres_url))[1] == FORMAT


async def test_a_migration_continues_once_the_server_responds_again(
    proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responding, "_SILENT", 60.0)
    proxy.freeze(at=b"CREATE TABLE asyncsim.")
    migrating = asyncio.create_task(bulk.migrate(proxy.url))
    await proxy.until(lambda: proxy.held and proxy.connections >= 4)  # probes without a response
    proxy.thaw()
    assert await migrating == (0, FORMAT)


async def test_a_long_migration_is_not_cut(
    proxy: LossyProxy, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responding, "_PROBE", 30.0)  # on a busy machine
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [_INSTALL_LOCK])
        migrating = asyncio.create_task(bulk.migrate(proxy.url))
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 1.0:
            before = proxy.connections
            await proxy.until(lambda: proxy.connections > before)  # another probe  # noqa: B023
        assert not migrating.done()
    assert await migrating == (0, FORMAT)


async def test_a_cancelled_migration_does_not_wait_for_the_server(
    proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responding, "_SILENT", 60.0)
    proxy.freeze(at=b"CREATE TABLE asyncsim.")
    migrating = asyncio.create_task(bulk.migrate(proxy.url))
    await proxy.until(lambda: proxy.held)
    migrating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(migrating, SOON)

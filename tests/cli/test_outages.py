"""Commands on a shared journal while PostgreSQL cannot be reached, or does not respond."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from asyncsim import bulk
from asyncsim.bulk.journal import postgres
from asyncsim.cli import shared_jobs
from asyncsim.cli.job_watch import JobsLines
from asyncsim.emulator import Emulator
from asyncsim.postgres import responding
from tests.cli.conftest import Cli
from tests.cli.shared import DISPATCH
from tests.cli.test_activate import fill
from tests.postgres.proxy import LossyProxy

WATCH = ("jobs", "watch", "batch.csv", "--interval", "0.05")


@pytest.fixture
async def proxy(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LossyProxy]:
    """The way to a shared journal that the environment names."""
    async with LossyProxy(migrated_url) as proxy:
        monkeypatch.setenv("ASYNCSIM_JOURNAL", proxy.url)
        yield proxy


@pytest.fixture
async def submitted(
    cli: Cli, emulator: Emulator, proxy: LossyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of 12 SIMs that waits for a worker."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "batch.csv", emulator.world("twilio").sims("wireless"), "sid")
    change = ("--product", "wireless", "--status", "active")
    assert (await cli("jobs", "submit", "batch.csv", *change, *DISPATCH)).code == 0


@pytest.mark.usefixtures("submitted")
@pytest.mark.parametrize("frozen", [False, True], ids=["unreachable", "frozen"])
async def test_a_watch_begins_once_the_server_responds(
    cli: Cli,
    migrated_url: str,
    proxy: LossyProxy,
    monkeypatch: pytest.MonkeyPatch,
    *,
    frozen: bool,
) -> None:
    async with bulk.SharedJobs(migrated_url) as jobs:
        await jobs.cancel("batch.csv")
    with monkeypatch.context() as impatient:
        before = proxy.connections
        if frozen:
            impatient.setattr(postgres, "_LONGEST", 0.2)
            proxy.freeze(at=b"to_regclass")
        else:
            proxy.refusing = True
        watching = asyncio.create_task(cli(*WATCH))
        # The third attempt; of a frozen server, each one also asks to cancel the one before.
        await proxy.until(lambda: proxy.refused >= 3 or proxy.connections >= before + 5)
    proxy.refusing = False
    proxy.thaw()
    ended = await watching
    assert ended.code == 3  # a cancelled job that can be resumed
    assert "batch.csv: cancelled (cancelled by hand), 0 of 12 at their target" in ended.out
    [line] = ended.err.splitlines()
    assert line.startswith("read failed: journal postgresql://")


@pytest.mark.usefixtures("submitted")
async def test_a_watch_waits_for_the_report_of_its_job(
    cli: Cli, migrated_url: str, proxy: LossyProxy
) -> None:
    before = proxy.connections
    watching = asyncio.create_task(cli(*WATCH))
    await proxy.until(lambda: proxy.connections > before)
    proxy.refusing = True  # only new connections
    async with bulk.SharedJobs(migrated_url) as jobs:
        await jobs.cancel("batch.csv")
    await proxy.until(lambda: proxy.refused >= 3)
    proxy.refusing = False
    ended = await watching
    assert ended.code == 3
    [line] = ended.err.splitlines()
    assert line.startswith("read failed: journal postgresql://")


async def test_a_watch_ends_if_the_server_stays_away(
    cli: Cli, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgres.RETRY_FOR == shared_jobs._OPENING
    monkeypatch.setattr(shared_jobs, "_OPENING", 0.0)
    proxy.refusing = True
    ended = await cli(*WATCH)
    assert (ended.code, proxy.refused) == (2, 1)
    assert ended.err.startswith("asyncsim: journal postgresql://")


async def test_a_watch_of_a_journal_that_cannot_be_opened_ends_at_once(
    cli: Cli, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCSIM_JOURNAL", f"{migrated_url}x")
    ended = await cli(*WATCH)
    assert ended.code == 2
    [line] = ended.err.splitlines()
    assert "the database does not exist" in line


@pytest.mark.usefixtures("submitted")
async def test_a_watch_ends_once_its_job_is_gone(
    cli: Cli, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = asyncio.Event()
    monkeypatch.setattr(JobsLines, "show", lambda *_: shown.set())
    watching = asyncio.create_task(cli(*WATCH))
    await shown.wait()
    with psycopg.connect(migrated_url) as connection:
        connection.execute("UPDATE asyncsim.jobs SET name = 'other.csv'")
    ended = await watching
    assert ended.code == 2
    [line] = ended.err.splitlines()
    assert "has no job 'batch.csv'" in line


async def test_a_migration_of_a_server_that_does_not_respond_ends(
    cli: Cli, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("_EVERY", 0.05), ("_PROBE", 0.2), ("_SILENT", 0.5)):
        monkeypatch.setattr(responding, name, seconds)
    proxy.freeze(at=b"pg_advisory_xact_lock")
    ended = await cli("jobs", "migrate")
    assert (ended.code, ended.out) == (2, "")
    [line] = ended.err.splitlines()
    assert "the server has not responded for 0.5 s, so it is unknown whether its tables" in line
    assert line.endswith("; then run the same command again, which does no harm")

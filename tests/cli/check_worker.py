"""`asyncsim worker` in processes of its own: signals, kills, several accounts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from asyncsim.bulk import SharedJobs
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults, Latency
from asyncsim.vendors import EMULATOR_CREDENTIALS
from tests.cli import check_process
from tests.cli.check_process import said_by
from tests.cli.conftest import Cli, posts, wait_for_posts
from tests.cli.test_activate import fill
from tests.postgres.cluster import Cluster

ACTIVE = ("--product", "wireless", "--status", "active")
DISPATCHES = pytest.mark.parametrize("dispatch", ["table", "procrastinate"])


@pytest.fixture
async def journal(postgres_url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ASYNCSIM_JOURNAL", postgres_url)
    assert (await cli("jobs", "migrate")).code == 0
    return postgres_url


@pytest.fixture
def batch(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of 12 SIMs, each of which settles after seconds."""
    emulator.latency = Latency(transition=3000.0, longest=6000.0)
    monkeypatch.chdir(tmp_path)
    # Processes are found by the path of this repository, not by the current folder.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    fill(tmp_path / "batch.csv", emulator.world("twilio").sims("wireless"), "sid")
    return "batch.csv"


_started: list[asyncio.subprocess.Process] = []


async def spawn(*arguments: str) -> asyncio.subprocess.Process:
    process = await check_process.spawn(*arguments)
    _started.append(process)
    return process


@pytest.fixture(autouse=True)
async def no_worker_outlives_its_test() -> AsyncIterator[None]:
    yield
    while _started:
        if (process := _started.pop()).returncode is None:
            process.kill()
            await process.communicate()


async def ended(process: asyncio.subprocess.Process, within: float = 60.0) -> str:
    async with asyncio.timeout(within):
        _, err = await process.communicate()
    assert b"Traceback" not in err
    return err.decode()


def write_profile(name: str, account: str, token: str) -> None:
    path = Path(os.environ["ASYNCSIM_PROFILES_FILE"])
    path.touch(mode=0o600)
    with path.open("a") as file:
        file.write(f'[profiles.{name}]\nvendor = "twilio"\n')
        file.write(f'account_sid = "{account}"\nauth_token = "{token}"\n')


def posted(emulator: Emulator) -> Counter[str]:
    return Counter(one.path for one in emulator.requests if one.method == "POST")


@DISPATCHES
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda sent: sent.name)
async def test_the_first_signal_hands_the_chunks_to_another_worker(
    sent: signal.Signals, dispatch: str, cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    options = ("--dispatch", dispatch)
    assert (await cli("jobs", "submit", batch, *ACTIVE, *options, "--chunk-rows", "6")).code == 0
    first = await spawn("worker", *options)
    await wait_for_posts(emulator, 12)
    first.send_signal(sent)
    said = await ended(first)
    assert first.returncode == 0, said
    assert said.splitlines()[-1].startswith("stopping: requests in flight finish")
    async with SharedJobs(journal) as shared:
        job = await shared.fetch(batch)
        assert (job.state, job.owners, job.chunks) == ("running", {}, {"queued": 2})
        assert await shared.processes() == []
    second = await spawn("worker", *options)
    async with asyncio.timeout(60):
        assert (await cli("jobs", "watch", batch, "--interval", "0.1")).code == 0
    second.send_signal(signal.SIGTERM)
    await ended(second)
    assert second.returncode == 0
    assert set(posted(emulator).values()) == {1}
    assert len(posted(emulator)) == 12


async def test_the_second_signal_cancels(
    cli: Cli, batch: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()  # never advances, so slow requests never end
    async with Emulator(sims=12, seed=7, clock=clock) as slow:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", slow.url)
        options = ("--dispatch", "table")
        assert (await cli("jobs", "submit", batch, *ACTIVE, *options)).code == 0
        slow.faults = Faults(slow=1.0, slow_seconds=30.0)
        process = await spawn("worker", *options)
        await wait_for_posts(slow, 1)
        process.send_signal(signal.SIGTERM)
        await said_by(process, b"stopping: ")
        process.send_signal(signal.SIGTERM)
        said = await ended(process, within=20.0)
        await clock.advance(30)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "asyncsim: cancelled"


@DISPATCHES
async def test_the_chunks_of_a_killed_worker_move_and_nothing_accepted_is_sent_twice(
    dispatch: str, cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    options = ("--dispatch", dispatch)
    await cli("jobs", "submit", batch, *ACTIVE, *options, "--chunk-rows", "4")
    killed = await spawn("worker", *options)
    await wait_for_posts(emulator, 12)
    killed.kill()
    await killed.communicate()
    other = await spawn("worker", *options)
    async with asyncio.timeout(90):
        assert (await cli("jobs", "watch", batch, "--interval", "0.1")).code == 0
        async with SharedJobs(journal) as shared:
            dead = {one.pid for one in await shared.processes() if not one.is_alive}
    other.terminate()
    await ended(other)
    assert dead == {killed.pid}
    assert set(posted(emulator).values()) == {1}
    assert posts(emulator) == 12


async def test_a_chunk_waits_for_a_worker_with_the_credentials_of_its_account(
    cli: Cli,
    emulator: Emulator,
    batch: str,
    journal: str,
) -> None:
    other = emulator.world("twilio").add_subaccount()
    own = EMULATOR_CREDENTIALS
    write_profile("other", other.account_sid, other.auth_token)
    write_profile("main", own.account_sid, own.auth_token)
    options = ("--dispatch", "table")
    assert (await cli("jobs", "submit", batch, *ACTIVE, *options, "--profile", "main")).code == 0
    wrong = await spawn("worker", *options, "--profile", "other")
    await said_by(wrong, b"working for twilio ")
    async with asyncio.timeout(60):
        while True:
            listed = await cli("jobs", "list", "-o", "json")
            if listed.json[0]["waiting_for"] != "a worker: none is running":
                break
            await asyncio.sleep(0.05)
    assert listed.json[0]["waiting_for"].startswith("a worker with credentials of twilio, account")
    assert own.account_sid in listed.err
    right = await spawn("worker", *options)  # every profile
    async with asyncio.timeout(60):
        assert (await cli("jobs", "watch", batch, "--interval", "0.1")).code == 0
    for process in (wrong, right):
        process.terminate()
        said = await ended(process)
        assert process.returncode == 0
        assert own.auth_token not in said
    assert posts(emulator) == 12


async def test_rejected_credentials_end_a_worker_with_code_4(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    options = ("--dispatch", "table")
    await cli("jobs", "submit", batch, *ACTIVE, *options)
    write_profile("outdated", EMULATOR_CREDENTIALS.account_sid, "no-longer-valid")
    process = await spawn("worker", *options, "--profile", "outdated")
    said = await ended(process, within=90.0)
    assert process.returncode == 4, said
    assert "no-longer-valid" not in said
    (listed,) = (await cli("jobs", "list", "-o", "json")).json
    assert (listed["state"], listed["at_target"]) == ("running", 0)
    assert listed["waiting_for"] == "a worker: none is running"  # one with good credentials


@DISPATCHES
@pytest.mark.parametrize("busy", [False, True])
async def test_a_worker_ends_while_the_database_is_away(
    cli: Cli,
    emulator: Emulator,
    batch: str,
    dispatch: str,
    postgres_cluster: Callable[..., Cluster],
    monkeypatch: pytest.MonkeyPatch,
    *,
    busy: bool,
) -> None:
    cluster = postgres_cluster()
    url = cluster.create_database("jobs")
    monkeypatch.setenv("ASYNCSIM_JOURNAL", url)
    assert (await cli("jobs", "migrate")).code == 0
    if busy:
        await cli("jobs", "submit", batch, *ACTIVE, "--dispatch", dispatch)
    worker = await spawn("worker", "--dispatch", dispatch)
    async with SharedJobs(url) as jobs, asyncio.timeout(60):
        while not await jobs.processes():  # noqa: ASYNC110  # no event announces it
            await asyncio.sleep(0.05)
    if busy:
        await wait_for_posts(emulator, 12)
    cluster.stop()
    worker.send_signal(signal.SIGTERM)
    rest = await ended(worker, within=60.0)  # before Kubernetes kills it
    assert worker.returncode == 0, rest

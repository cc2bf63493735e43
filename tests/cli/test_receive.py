"""`asyncsim receive`: a replica that only takes callbacks; emulator and database are real."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import psycopg
import pytest
from aiohttp.test_utils import unused_port

from asyncsim import CallbackReceiver, Client
from asyncsim.bulk import SharedJobs
from asyncsim.callbacks.receiver import Registration
from asyncsim.cli import receive, rereading
from asyncsim.cli.accounts import VendorName
from asyncsim.cli.app import execute
from asyncsim.emulator import Emulator
from asyncsim.vendors import EMULATOR_CREDENTIALS as OWN, KORE
from tests.callbacks import senders
from tests.callbacks.senders import SIM
from tests.cli.conftest import Cli
from tests.postgres.replicas import replica, until, until_it_returns

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def url(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The shared journal, named by the environment."""
    monkeypatch.setenv("ASYNCSIM_JOURNAL", migrated_url)
    return migrated_url


async def get(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


@asynccontextmanager
async def receiving(*arguments: str) -> AsyncIterator[str]:
    """Run the command in this loop until it is cancelled, as by SIGTERM; yields its URL."""
    port = unused_port()
    public_url = f"http://127.0.0.1:{port}"
    command = ["receive", "--listen", str(port), "--public-url", public_url, *arguments]
    running = asyncio.ensure_future(execute(command))
    try:
        async with asyncio.timeout(30):
            while not running.done():
                with suppress(aiohttp.ClientConnectorError):
                    assert await get(f"{public_url}/readyz") == 200
                    break
                await asyncio.sleep(0.01)
        assert not running.done(), "it has ended"
        yield public_url
    finally:
        running.cancel()
        assert await running == 0


def tickets(public_url: str, secret: str = "", account: str = OWN.client_id) -> Registration:
    """What another process would issue; `secret`: of a job, instead of the account's."""
    receiver = CallbackReceiver(public_url, port=None, ticket_secrets=[secret] if secret else [])
    client = Client.kore(account, OWN.client_secret)
    return receiver.register(
        KORE,
        account=client.context.account,
        signing_secrets=[OWN.webhook_secret],
        ticket_secrets=client.context.ticket_secrets,
    )


async def call(registration: Registration, secret: str = OWN.webhook_secret) -> int:
    return await senders.kore(registration.issue_url("supersim", SIM)[0], secret=secret).post()


def stored(url: str) -> list[bool]:
    """Whether each callback in the inbox was signed."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT (callback->>'signed')::boolean FROM asyncsim.inbox ORDER BY xid, place"
        ).fetchall()
    return [row[0] for row in found]


def add_job(connection: psycopg.Connection) -> None:
    """A job whose tickets have a secret of their own."""
    connection.execute(
        "INSERT INTO asyncsim.jobs (name, product, action, change, vendor, account, label,"
        " ticket_secret, state, created_at) VALUES ('batch', 'supersim', 'update', '{}',"
        " 'kore', %s, 'batch', 'of the job', 'running', now())",
        [OWN.client_id],
    )


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_it_takes_callbacks_for_waits_in_other_processes(
    emulator: Emulator, url: str, vendor: VendorName, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        receiving() as public_url,
        replica(emulator, url, public_url=public_url, vendor=vendor) as there,
        asyncio.timeout(30),
    ):
        (first, *_) = await there.client.supersim.sims.list()
        await there.client.supersim.sims.update_and_wait(first.sid, status="active")
        assert there.settled_by == ["callback"]
    said = capsys.readouterr().err
    assert "receiving callbacks of 2 accounts on 127.0.0.1:" in said
    assert "stopped: 1 accepted (0 duplicates), 0 rejected" in said


async def test_it_rejects_what_it_did_not_issue(emulator: Emulator, url: str) -> None:
    async with receiving() as public_url:
        registration = tickets(public_url)
        assert await call(registration) == 204
        assert await call(registration, secret="wrong") == 403
        assert await call(tickets(public_url, secret="of nobody")) == 403
    assert stored(url) == [True]


async def test_it_accepts_the_tickets_of_jobs_as_soon_as_they_are_in_the_journal(
    emulator: Emulator, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncsim.postgres.job_tickets._REFRESH_EVERY", 0.02)
    async with receiving() as public_url, asyncio.timeout(30):
        of_job = tickets(public_url, secret="of the job")
        assert await call(of_job) == 403
        with psycopg.connect(url, autocommit=True) as connection:
            add_job(connection)
            await until_it_returns(204, lambda: call(of_job))
            connection.execute("UPDATE asyncsim.jobs SET state = 'finished'")
            await until_it_returns(403, lambda: call(of_job))
    assert set(stored(url)) == {True}


async def test_the_first_callback_of_a_job_is_accepted(
    emulator: Emulator, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "SELECT ticket_secret FROM asyncsim.jobs, pg_sleep(0.5)"
    monkeypatch.setattr("asyncsim.postgres.job_tickets._SECRETS", slow)
    with psycopg.connect(url) as connection:
        add_job(connection)
    async with receiving() as public_url, asyncio.timeout(30):
        assert await call(tickets(public_url, secret="of the job")) == 204


async def test_it_is_listed_with_the_workers_until_it_ends(
    emulator: Emulator, url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SharedJobs(url) as jobs:
        async with receiving(), asyncio.timeout(30):
            while not (listed := await jobs.processes()):  # noqa: ASYNC110  # no event announces it
                await asyncio.sleep(0.02)
            counted = await cli("jobs", "list")
        (one,) = listed
        assert (one.kind, one.is_alive, one.pid) == ("receiver", True, os.getpid())
        assert any(OWN.client_id in account for account in one.accounts)
        assert "running: 0 workers, 1 receiver" in counted.err
        assert await jobs.processes() == []


async def test_it_stores_commands_for_loops_in_other_processes(
    emulator: Emulator, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as public_url:
        async with replica(emulator, url, public_url=public_url) as issuing:
            commands = issuing.receiver.commands_url("kore", "supersim")
        sent = senders.kore(commands, {"Payload": "temp=21"}, secret=OWN.webhook_secret)
        assert await sent.post() == 204  # while nobody asks for it
        async with replica(emulator, url, public_url=public_url) as handling, asyncio.timeout(30):
            assert (await anext(handling.receiver.commands())).payload == "temp=21"


def write_profiles(path: Path, secret: str = OWN.webhook_secret) -> None:
    """Two accounts of KORE, and one of Twilio."""
    lines = []
    for name in ("one", "two"):
        lines += [f"[profiles.{name}]", 'vendor = "kore"', f'client_id = "{name}"']
        lines += [f'client_secret = "secret of {name}"', f'webhook_secrets = ["{secret}"]']
    lines += ["[profiles.three]", 'vendor = "twilio"', f'account_sid = "{OWN.account_sid}"']
    lines += ['auth_token = "token"']
    path.write_text("\n".join(lines), "utf-8")
    path.chmod(0o600)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [((), 3), (("--profile", "one"), 1), (("--profile", "one", "--profile", "three"), 2)],
)
async def test_it_serves_every_profile_or_those_that_are_named(
    url: str, tmp_path: Path, arguments: tuple[str, ...], count: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write_profiles(tmp_path / "profiles.toml")
    async with receiving(*arguments):
        pass
    accounts = "account" if count == 1 else "accounts"
    assert f"receiving callbacks of {count} {accounts} on" in capsys.readouterr().err


async def test_a_rotated_webhook_secret_is_read_from_the_profile_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rereading, "_PAUSE", 0.0)
    monkeypatch.setattr(receive, "_REREAD_EVERY", 0.02)
    write_profiles(tmp_path / "profiles.toml")
    async with receiving() as public_url, asyncio.timeout(30):
        receiver = CallbackReceiver(public_url, port=None)
        client = Client.kore("one", "secret of one")
        registration = receiver.register(
            KORE,
            account="one",
            signing_secrets=["unused"],
            ticket_secrets=client.context.ticket_secrets,
        )
        assert await call(registration) == 204
        write_profiles(tmp_path / "profiles.toml", secret="the next one")
        await until_it_returns(204, lambda: call(registration, secret="the next one"))
        assert await call(registration) == 204  # signed before the rotation


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--profile", "four"), 2, "there is no profile 'four'"),
        (("--listen", "x"), 2, "--listen x: give PORT or HOST:PORT"),
        (("--journal", "file.db"), 2, "pass the URL of a shared journal"),
    ],
)
async def test_unusable_arguments_are_errors(
    cli: Cli, url: str, tmp_path: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    write_profiles(tmp_path / "profiles.toml")
    ended = await cli("receive", "--public-url", "https://x.example", *arguments)
    assert ended.code == code
    assert text in ended.err


async def test_without_an_account_it_says_what_to_set(cli: Cli, url: str) -> None:
    ended = await cli("receive", "--public-url", "https://x.example")
    assert ended.code == 4
    assert "asyncsim auth login" in ended.err


async def test_without_the_table_it_says_what_to_run(
    cli: Cli, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCSIM_JOURNAL", postgres_url)
    write_profiles(tmp_path / "profiles.toml")
    ended = await cli("receive", "--listen", "0", "--public-url", "https://x.example")
    assert ended.code == 2
    assert "asyncsim jobs migrate" in ended.err


async def test_other_commands_take_one_profile_only(cli: Cli, tmp_path: Path) -> None:
    write_profiles(tmp_path / "profiles.toml")
    ended = await cli("sims", "list", "--profile", "one", "--profile", "two")
    assert ended.code == 2
    assert "give --profile once" in ended.err


async def test_sigterm_stops_it_once_everything_is_stored(emulator: Emulator, url: str) -> None:
    port = unused_port()
    public_url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "asyncsim.cli", "receive"),
        *("--listen", str(port), "--public-url", public_url),
        cwd=ROOT,
        env={**os.environ},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        assert b"receiving callbacks" in await asyncio.wait_for(process.stderr.readline(), 60)
        registration = tickets(public_url)
        calls = [asyncio.ensure_future(call(registration)) for _ in range(20)]
        await until(lambda: stored(url))
        process.send_signal(signal.SIGTERM)
        statuses = await asyncio.gather(*calls, return_exceptions=True)
        rest = await asyncio.wait_for(process.stderr.read(), 30)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert b"stopped: " in rest
    assert statuses.count(204) == len(stored(url)) > 0

"""The options of `asyncsim worker`; its signals and processes are in `check_worker`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException

from asyncsim import Client, Throttle, bulk
from asyncsim.cli.worker import _in_one_line
from asyncsim.emulator import Emulator
from asyncsim.vendors import EMULATOR_CREDENTIALS
from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), Throttle()),
        (("--concurrency", "3"), Throttle(maximum=3)),
        (("--max-rps", "0.5"), Throttle(max_rps=0.5)),
    ],
)
async def test_the_requests_of_each_account_are_limited(
    cli: Cli,
    emulator: Emulator,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    expected: Throttle,
) -> None:
    limits: list[Throttle] = []

    async def work(url: str, clients: Sequence[Client], **_: Any) -> None:
        limits.extend(client.throttle for client in clients)

    monkeypatch.setenv("ASYNCSIM_JOURNAL", postgres_url)
    monkeypatch.setattr(bulk, "work", work)
    assert (await cli("jobs", "migrate")).code == 0
    assert (await cli("worker", *options)).code == 0
    twilio, kore = limits
    assert twilio is not kore  # the same object would be one limit for both
    fields = ("limit", "maximum", "max_rps")
    for one in limits:
        assert [getattr(one, name) for name in fields] == [
            getattr(expected, name) for name in fields
        ]


async def test_a_worker_without_privileges_does_not_start(
    cli: Cli, emulator: Emulator, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(migrated_url) as connection:
        connection.execute("REVOKE UPDATE ON asyncsim.chunks FROM CURRENT_USER")
    monkeypatch.setenv("ASYNCSIM_JOURNAL", migrated_url)
    refused = await cli("worker", "--dispatch", "table")
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused.err
    assert "the user lacks a privilege: have an administrator grant it" in refused.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--listen", "8080"), "run asyncsim receive, and pass its --public-url here"),
        (("--name", "batch.csv"), "--profile chooses the accounts"),
        (("--chunks", "0"), "--chunks"),
        (("--concurrency", "0"), "--concurrency"),
        *(
            (("--health", address, "--journal", "postgresql://127.0.0.1:1/x"), "give PORT or HOST")
            for address in ("x", "127.0.0.1", "0.0.0.0:65536", "8081/")
        ),
    ],
)
async def test_wrong_options_are_one_line(
    cli: Cli, emulator: Emulator, arguments: tuple[str, ...], expected: str
) -> None:
    ended = await cli("worker", *arguments)
    assert ended.code == 2
    assert expected in ended.err
    assert ended.err.count("\n") == 1


async def test_of_two_profiles_of_one_account_it_says_which_one_is_used(
    cli: Cli,
    emulator: Emulator,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    used: list[Client] = []

    async def work(url: str, clients: Sequence[Client], **_: Any) -> None:
        used.extend(clients)

    account = EMULATOR_CREDENTIALS
    file = tmp_path / "profiles.toml"
    file.touch(mode=0o600)
    for name, token in (("first", account.auth_token), ("second", "other")):
        with file.open("a") as stream:
            stream.write(
                f'[profiles.{name}]\nvendor = "twilio"\naccount_sid = "{account.account_sid}"\n'
                f'auth_token = "{token}"\n'
            )
    monkeypatch.setenv("ASYNCSIM_PROFILES_FILE", str(file))
    monkeypatch.setenv("ASYNCSIM_JOURNAL", postgres_url)
    monkeypatch.setattr(bulk, "work", work)
    assert (await cli("jobs", "migrate")).code == 0
    ended = await cli("worker", "--profile", "first", "--profile", "second")
    assert ended.code == 0, ended.err
    assert len(used) == 1
    said = "using the credentials of profile first, not those of profile second"
    assert ended.err.count(said) == 1
    ended = await cli("worker")
    assert "using the credentials of profile first, not those from the environment" in ended.err


def test_an_outage_that_the_queue_survives_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    queue = logging.getLogger("procrastinate.worker")
    queue.addFilter(_in_one_line)
    try:
        try:
            raise ConnectionError("terminating connection")
        except ConnectionError:
            queue.exception(
                "poll_jobs_to_abort error", extra={"action": "poll_jobs_to_abort_error"}
            )
            queue.exception("Task was not found", extra={"action": "task_not_found"})
        try:
            raise ConnectorException from ConnectionError("refused")
        except ConnectorException:
            queue.exception("listener error")
    finally:
        queue.removeFilter(_in_one_line)
    first, second, third = caplog.records
    assert (third.getMessage(), third.exc_info) == ("listener error: refused", None)
    assert first.getMessage() == "poll_jobs_to_abort error: terminating connection"
    assert first.exc_info is None
    assert second.exc_info is not None  # a bug keeps its traceback

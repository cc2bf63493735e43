"""The options of `asyncsim worker`; its signals and processes are in `check_worker`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from asyncsim import Client, Throttle, bulk
from asyncsim.emulator import Emulator
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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--listen", "8080"), "run asyncsim receive, and pass its --public-url here"),
        (("--name", "batch.csv"), "--profile chooses the accounts"),
        (("--chunks", "0"), "--chunks"),
        (("--concurrency", "0"), "--concurrency"),
        (("--health", "x", "--journal", "postgresql://127.0.0.1:1/x"), "cannot be reached"),
    ],
)
async def test_wrong_options_are_one_line(
    cli: Cli, emulator: Emulator, arguments: tuple[str, ...], expected: str
) -> None:
    ended = await cli("worker", *arguments)
    assert ended.code == 2
    assert expected in ended.err
    assert ended.err.count("\n") == 1

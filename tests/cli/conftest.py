"""The command line and the emulator, run in the test's own loop."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from asyncsim.cli.app import execute
from asyncsim.emulator import Emulator

VARIABLES = (
    "ASYNCSIM_CONFIRM_ABOVE",
    "ASYNCSIM_EMULATOR",
    "ASYNCSIM_EMULATOR_SPEED",
    "ASYNCSIM_JOURNAL",
    "ASYNCSIM_KORE_CLIENT_ID",
    "ASYNCSIM_KORE_CLIENT_SECRET",
    "ASYNCSIM_KORE_WEBHOOK_SECRET",
    "ASYNCSIM_PROFILE",
    "PGPASSFILE",
    "PGPASSWORD",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_API_KEY",
    "TWILIO_API_SECRET",
    "TWILIO_AUTH_TOKEN",
    "FORCE_COLOR",
)


@frozen
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        """Its output as CSV."""
        return list(csv.DictReader(io.StringIO(self.out)))

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)


Cli = Callable[..., Coroutine[Any, Any, Ended]]


async def wait_for_requests(emulator: Emulator, number: int) -> None:
    """Return once the emulator has received this many requests."""
    async with asyncio.timeout(60):
        while len(emulator.requests) < number:  # noqa: ASYNC110  # another process sends them
            await asyncio.sleep(0)


async def wait_for_posts(emulator: Emulator, number: int) -> None:
    """Return once the emulator has received this many POSTs."""
    async with asyncio.timeout(60):
        while posts(emulator) < number:  # noqa: ASYNC110  # another process sends them
            await asyncio.sleep(0)


def posts(emulator: Emulator) -> int:
    """The number of POSTs that the emulator has received."""
    return [request.method for request in emulator.requests].count("POST")


@pytest.fixture(scope="session", autouse=True)
def _signals_are_not_ignored() -> Iterator[None]:
    """Restore what nohup, or a shell's background, ignores: started commands would inherit it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    ignored = [number for number, handler in before.items() if handler is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove credentials from the environment, and hide the profiles of this machine."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASYNCSIM_PROFILES_FILE", str(tmp_path / "profiles.toml"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["asyncsim"])  # as if it had been typed


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command line: `await cli("sims", "list")`."""

    async def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = await execute([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ended(code, captured.out, captured.err)

    return run


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    """An emulator with 12 SIMs of each product, selected by the environment."""
    async with Emulator(sims=12, speed=1000, seed=7) as running:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", running.url)
        monkeypatch.setenv("ASYNCSIM_EMULATOR_SPEED", "1000")
        yield running

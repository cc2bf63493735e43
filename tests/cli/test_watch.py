"""`asyncsim sims list --watch`: reads again, shows what has changed, ends at Ctrl-C."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve

from asyncsim import RetryPolicy
from asyncsim.cli.listing import View
from asyncsim.cli.watch import Lines
from asyncsim.emulator import Emulator, Faults
from asyncsim.models.supersim.sims import Sim
from tests.cli.conftest import Cli, wait_for_requests
from tests.cli.test_terminal import _read, _take_terminal

WATCH = ("sims", "list", "--watch", "--interval", "0.05")


def put(emulator: Emulator, sid: str, **given: Any) -> None:
    store: Any = emulator.world("twilio").sims("supersim")
    store.put(evolve(store[sid], **given))


@asynccontextmanager
async def watching(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A watch whose output is a pipe; it is ended by Ctrl-C, and has to end with 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "asyncsim.cli", *WATCH, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        try:
            yield process
            process.send_signal(signal.SIGINT)
            _, err = await process.communicate()
            assert b"Traceback" not in err
            assert process.returncode == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().rstrip("\n")


async def test_a_pipe_gets_lines_of_what_has_changed(emulator: Emulator) -> None:
    first, *_ = emulator.world("twilio").sims("supersim")
    async with watching("--status", "new", "-o", "ndjson", "--columns", "sid,status") as process:
        listed = [json.loads(await line(process)) for _ in range(12)]
        assert {row["seen"] for row in listed} == {"listed"}
        assert list(listed[0]) == ["at", "seen", "sid", "status"]
        put(emulator, first, status="active")
        gone = json.loads(await line(process))
        assert (gone["seen"], gone["sid"], gone["status"]) == ("gone", first, "new")
        put(emulator, first, status="new")
        assert json.loads(await line(process))["seen"] == "listed"


async def test_a_read_that_fails_does_not_end_it(
    cli: Cli, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetryPolicy, "pause", lambda *_: 0.0)
    emulator.faults = Faults(server_errors=1.0)
    watch = asyncio.create_task(cli("sims", "list", "--watch", "--interval", "0.01"))
    await wait_for_requests(emulator, 6)  # all attempts of the first read
    emulator.faults = Faults()
    await wait_for_requests(emulator, 10)
    watch.cancel()  # as Ctrl-C does
    ended = await watch
    assert ended.code == 0
    assert ended.err.startswith("read failed: ")
    assert ended.out.count("  listed   ") == 12


async def test_rejected_credentials_end_it(
    cli: Cli, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "wrong")
    ended = await cli(*WATCH)
    assert (ended.code, ended.err.count("\n")) == (4, 1)


@pytest.mark.parametrize("output", ["table", "csv"])
def test_plain_lines_and_csv_name_the_change(
    output: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(View.of(Sim, output, "sid,status", ()))
    before = {"HS1": {"sid": "HS1", "status": "new"}, "HS2": {"sid": "HS2", "status": "new"}}
    lines.show(before)
    lines.show(before)
    lines.show({"HS1": {"sid": "HS1", "status": "active\x1b"}})
    printed = capsys.readouterr().out.splitlines()
    if output == "csv":
        assert printed.pop(0) == "at,seen,sid,status"
        assert [row[1:] for row in csv.reader(printed)] == [
            ["listed", "HS1", "new"],
            ["listed", "HS2", "new"],
            ["changed", "HS1", "active\x1b"],
            ["gone", "HS2", "new"],
        ]
        return
    assert [one.split(maxsplit=1)[1] for one in printed] == [
        "listed   HS1  new",
        "listed   HS2  new",
        r"changed  HS1  active\x1b",
        "gone     HS2  new",
    ]


async def test_a_terminal_is_redrawn_in_place(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals")
    (sid, *_) = emulator.world("twilio").sims("supersim")
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("TERM", "xterm-256color")
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "asyncsim.cli", *WATCH),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    screen = b""
    try:
        async with asyncio.timeout(60):
            while b"12 SIMs, 5 not shown; 0 changed" not in screen:
                screen += await asyncio.to_thread(_read, ours)
            put(emulator, sid, status="active")
            while b"1 changed" not in screen:
                screen += await asyncio.to_thread(_read, ours)
            os.write(ours, b"\x03")
            while chunk := await asyncio.to_thread(_read, ours):
                screen += chunk
            assert await process.wait() == 0
    finally:
        os.close(ours)
    assert b"\x1b[1A" in screen  # drawn over the last one
    assert b"Ctrl-C stops" in screen

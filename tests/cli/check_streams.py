"""Readers that leave, stall or are missing, and terminals that hang up."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import json
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from asyncsim.cli import output
from asyncsim.cli.ndjson import NdjsonWriter
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults
from tests.cli.check_process import PROGRAM, said_by, spawn
from tests.cli.conftest import Cli, wait_for_posts, wait_for_requests
from tests.cli.test_activate import fill, outcomes, statuses
from tests.cli.test_bulk import sids

pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals")
NAME = "a [/old] name [bold] :100: \x1b[31m\u202ered"
SHOWN = r"a [/old] name [bold] :100: \x1b[31m\u202ered"


@pytest.fixture
def batch(emulator: Emulator, tmp_path: Path) -> Path:
    path = tmp_path / "batch.csv"
    fill(path, sids(emulator), "sid")
    return path


@contextmanager
def full() -> Iterator[int]:
    """A device that is full."""
    number = os.open("/dev/full", os.O_WRONLY)
    yield number
    os.close(number)


@contextmanager
def left() -> Iterator[int]:
    """A pipe whose reader has left."""
    ours, number = os.pipe()
    os.close(ours)
    yield number
    os.close(number)


@contextmanager
def unread() -> Iterator[int]:
    """A file opened for reading only."""
    number = os.open(os.devnull, os.O_RDONLY)
    yield number
    os.close(number)


Way = Callable[[], AbstractContextManager[int]]


async def run(*arguments: str, out: int, err: int | None, closed: tuple[int, ...] = ()) -> int:
    """Run a command with its own streams; `closed`: those that it starts without."""

    def close() -> None:
        for number in closed:
            os.close(number)

    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, stdout=out, stderr=err, preexec_fn=close
    )
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.mark.parametrize("way", [full, left, unread], ids=lambda way: way.__name__)
async def test_a_job_continues_when_its_output_cannot_be_written(
    way: Way, emulator: Emulator, batch: Path
) -> None:
    with way() as out, way() as err:
        code = await run("activate", str(batch), "--json", out=out, err=err)
    assert code == 0
    assert outcomes(batch) == {"done"}
    assert statuses(emulator) == {"active"}


async def test_a_job_runs_without_any_of_the_three_streams(emulator: Emulator, batch: Path) -> None:
    null = subprocess.DEVNULL
    code = await run("activate", str(batch), "--json", out=null, err=null, closed=(0, 1, 2))
    assert code == 0
    assert outcomes(batch) == {"done"}


async def test_the_exit_code_does_not_depend_on_readers(
    emulator: Emulator, batch: Path, tmp_path: Path
) -> None:
    with left() as err:
        command = ("activate", str(batch), "--limit", "5")
        assert await run(*command, out=subprocess.DEVNULL, err=err) == 3
        (tmp_path / "taken").touch()
        command = ("activate", str(batch), "--results", str(tmp_path / "taken" / "in"))
        assert await run(*command, out=subprocess.DEVNULL, err=err) == 1
    assert statuses(emulator) == {"active"}


async def test_a_stalled_reader_does_not_delay_the_job(emulator: Emulator, batch: Path) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with suppress(BlockingIOError):
        while True:  # until it is full
            os.write(theirs, b"." * 1024)
    os.set_blocking(theirs, True)
    running = asyncio.create_task(run("activate", str(batch), out=subprocess.DEVNULL, err=theirs))
    summary = batch.with_name("batch-results") / "summary.json"
    async with asyncio.timeout(60):
        while not summary.exists():  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)
    os.close(theirs)
    read = asyncio.create_task(asyncio.to_thread(_all_of, ours))  # now it reads again
    assert await running == 0
    assert b"12, all at their target" in await read


def _all_of(number: int) -> bytes:
    with os.fdopen(number, "rb") as file:
        return file.read()


async def test_a_terminal_that_hangs_up_drains_the_job(emulator: Emulator, batch: Path) -> None:
    assert await _on_a_terminal_that_hangs_up(emulator, batch, signal.SIG_DFL, "2") == 3
    assert len(sids(emulator)) == 12


async def test_under_nohup_a_terminal_that_hangs_up_is_ignored(
    emulator: Emulator, batch: Path
) -> None:
    assert await _on_a_terminal_that_hangs_up(emulator, batch, signal.SIG_IGN, "20") == 0
    assert outcomes(batch) == {"done"}


async def _on_a_terminal_that_hangs_up(
    emulator: Emulator, batch: Path, hangup: signal.Handlers, speed: str
) -> int:
    import termios

    ours, theirs = pty.openpty()

    def begin() -> None:
        signal.signal(signal.SIGHUP, hangup)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "activate", str(batch), "--max-rps", speed,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=begin,
    )  # fmt: skip
    os.close(theirs)
    await wait_for_posts(emulator, 1)
    os.close(ours)
    async with asyncio.timeout(60):
        code = await process.wait()
    assert (batch.with_name("batch-results") / "results.csv").exists()
    return code


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (signal.SIGHUP, signal.SIGHUP),
        (signal.SIGINT, signal.SIGHUP),
        (signal.SIGHUP, signal.SIGTERM),
    ],
    ids=lambda sent: sent.name,
)
async def test_a_hangup_does_not_count_as_a_cancelling_signal(
    first: signal.Signals, later: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()  # never advances, so slow requests never end
    async with Emulator(sims=12, clock=clock) as emulator:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", emulator.url)
        path = tmp_path / "batch.csv"
        fill(path, sids(emulator), "sid")
        process = await spawn("activate", str(path))
        await wait_for_requests(emulator, 1)
        emulator.faults = Faults(slow=1.0, slow_seconds=30.0)
        await wait_for_posts(emulator, 12)
        process.send_signal(first)
        await said_by(process, b"stopping: ")
        process.send_signal(later)
        if first != later:
            process.send_signal(signal.SIGHUP)
        ending = asyncio.create_task(process.communicate())
        async with asyncio.timeout(60):
            while not ending.done():  # requests get responses whenever the signals arrive
                await clock.advance(30)
                await asyncio.wait([ending], timeout=0.1)
        _, err = await ending
    assert process.returncode == 3
    assert err.decode().splitlines()[-1].startswith("to resume: ")


_LATE = """
import os, signal, sys
from asyncsim.cli import main

class Late:  # goes when Python has brought all handlers back to the default
    def __del__(self, kill=os.kill, own=os.getpid(), hangup=signal.SIGHUP):
        kill(own, hangup)

late = Late()
sys.argv = ["asyncsim", "--version"]
signal.signal(signal.SIGHUP, signal.SIG_DFL)
main()
"""


async def test_a_hangup_after_the_end_does_not_change_the_exit_code() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _LATE, stdout=subprocess.DEVNULL
    )
    assert await process.wait() == 0


async def test_ctrl_c_in_a_pipeline_drains_even_though_it_kills_the_reader(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    log = batch.with_name("run.log")
    job = f"{' '.join(PROGRAM)} activate {batch} --max-rps 2"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{job} 2>&1 | tee {log}"),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    await wait_for_posts(emulator, 1)
    os.killpg(process.pid, signal.SIGINT)
    async with asyncio.timeout(60):
        await process.wait()
    status = (await cli("jobs", "status", str(batch.with_suffix(".db")), "-o", "json")).json
    assert status["run"].endswith(": drained")
    assert "ready" in outcomes(batch)


# Commands whose result is their output.


@pytest.mark.parametrize(("way", "code"), [(full, 1), (unread, 1), (left, 0)])
@pytest.mark.parametrize("output", ["table", "csv", "json"])
async def test_a_list_that_cannot_be_printed_ends_with_1_unless_the_reader_left(
    way: Way, code: int, output: str, emulator: Emulator
) -> None:
    with way() as out:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, "sims", "list", "-o", output, stdout=out, stderr=subprocess.PIPE
        )
        _, err = await process.communicate()
    assert process.returncode == code
    assert (err.decode().startswith("asyncsim: the output cannot be written: ")) is (code == 1)
    assert err.count(b"\n") == code


async def test_a_change_whose_output_cannot_be_written_says_that_it_was_sent(
    emulator: Emulator,
) -> None:
    (sid, *_) = emulator.world("twilio").sims("supersim")
    with full() as out:
        process = await asyncio.create_subprocess_exec(
            *(*PROGRAM, "sims", "update", sid, "--status", "active"),
            stdout=out,
            stderr=subprocess.PIPE,
        )
        _, err = await process.communicate()
    assert process.returncode == 1
    assert err.startswith(b"asyncsim: the change was sent, but the output cannot be written: ")


async def test_control_characters_in_log_messages_are_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = logging.makeLogRecord({"msg": "a [/b] \x1b[2J\nand more", "levelno": logging.WARNING})
    output.LogHandler().handle(record)
    assert capsys.readouterr().err == "a [/b] \\x1b[2J\nand more\n"


async def test_a_list_waits_for_its_reader_on_a_nonblocking_pipe(emulator: Emulator) -> None:
    for number in range(400):  # more than a pipe holds
        emulator.world("twilio").add_sim("supersim", unique_name=f"{number} {'x' * 200}")
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    running = asyncio.create_task(run("sims", "list", "-o", "csv", out=theirs, err=None))
    async with asyncio.timeout(60):
        while select.select([], [theirs], [], 0)[1]:  # noqa: ASYNC110  # another process fills it
            await asyncio.sleep(0.01)
    os.close(theirs)
    text = await asyncio.to_thread(_all_of, ours)
    assert await running == 0
    assert text.count(b"\n") == 413


async def test_a_reader_that_leaves_does_not_change_the_exit_code_of_a_report(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    assert (await cli("activate", str(batch), "--limit", "5")).code == 3
    with left() as out:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, "jobs", "report", str(batch.with_suffix(".db")), "-o", "csv",
            stdout=out, stderr=subprocess.PIPE,
        )  # fmt: skip
        _, err = await process.communicate()
    assert (process.returncode, err) == (3, b"")


async def test_the_emulator_serves_even_if_its_output_cannot_be_written() -> None:
    port = str(unused_port())
    with full() as out:
        process = await asyncio.create_subprocess_exec(
            *(*PROGRAM, "emulate", "--port", port, "--sims", "1"),
            stdout=out,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            while not await _serves(int(port)):  # noqa: ASYNC110  # another process does
                await asyncio.sleep(0.05)
        process.terminate()
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


async def _serves(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


# Windows event loops, which have no signal handlers.

_WINDOWS = """
import asyncio.unix_events as events
def no(self, *arguments): raise NotImplementedError
events._UnixSelectorEventLoop.add_signal_handler = no
events._UnixSelectorEventLoop.remove_signal_handler = no
"""


async def test_on_a_loop_without_signal_handlers_a_job_ends_and_ctrl_c_drains(
    emulator: Emulator, batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(_WINDOWS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    process = await spawn("activate", str(batch), "--max-rps", "2")
    await wait_for_posts(emulator, 1)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    assert process.returncode == 3, err
    assert "ready" in outcomes(batch)
    second = await spawn("activate", str(batch))
    async with asyncio.timeout(60):
        await second.communicate()
    assert second.returncode == 0
    assert outcomes(batch) == {"done"}


# Output, byte for byte.


@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1"])
async def test_names_are_printed_exactly_in_any_encoding(
    encoding: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    name = f"{NAME} Zähler\n\x85"
    sid = emulator.world("twilio").add_sim("supersim", unique_name=name).sid
    shown = await printed("sims", "get", sid)
    assert SHOWN.encode() in shown
    assert SHOWN.encode() in await printed("sims", "list")
    listed = (await printed("sims", "list", "-o", "csv")).decode("utf-8")
    assert {row["unique_name"] for row in csv.DictReader(listed.splitlines(True))} >= {name}


async def printed(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*PROGRAM, *arguments, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out


async def test_events_are_utf_8_lines_with_the_exact_text(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii:strict")
    name = "Z\u00e4hler \u202e [b] :100:"
    sim = emulator.world("twilio").add_sim("supersim", unique_name=name, status="active")
    batch = tmp_path / "batch.csv"
    batch.write_text(f"unique_name\n{name}\n", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(*PROGRAM, "bulk", "change", str(batch), "--status", "inactive", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    assert "Z\u00e4hler".encode() in out
    moved = [event for line in out.decode().splitlines() if "row" in (event := json.loads(line))]
    assert {(event["name"], event["sid"]) for event in moved if event["sid"]} == {(name, sim.sid)}


def test_no_text_of_a_vendor_breaks_the_line_of_an_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "Z\u00e4hler \u2028\x85\n\x1b[2J \ud800 end"
    with NdjsonWriter() as events:
        events.write("One", {"text": text})
        events.write("Two", {})
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"event": "One", "text": text}
    assert json.loads(second) == {"event": "Two"}
    assert "Z\u00e4hler" in first
    assert "\x1b" not in first

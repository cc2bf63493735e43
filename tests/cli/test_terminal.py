"""The command line on a terminal: prompts and drawn lines."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from asyncsim.cli.signals import ask
from asyncsim.emulator import Emulator, Faults
from tests.cli.test_activate import fill
from tests.cli.test_bulk import sids

pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    return tmp_path / "batch.csv"


@pytest.mark.parametrize(
    ("typed", "code"), [(b"12\n", 0), (b"11\n", 5), (b"\n", 5), (b"\x03", 5), (None, 5)]
)
async def test_on_a_terminal_the_count_is_prompted_for(
    typed: bytes | None, code: int, emulator: Emulator, batch: Path
) -> None:
    fill(batch, sids(emulator, "wireless"), "sid")
    status, screen = await on_a_terminal(typed, "bulk", "delete", str(batch))
    assert "will change   12" in screen
    assert "Type their number to continue (12): " in screen
    assert status == code
    assert len(sids(emulator, "wireless")) == (0 if code == 0 else 12)


def test_a_signal_right_before_the_read_ends_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    ended = threading.Event()

    def send() -> None:
        time.sleep(0.05)
        # Received by another thread, it does not interrupt a read either.
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        if not ended.wait(20):
            os.write(ours, b"12\n")

    sending = threading.Thread(target=send)
    with open(theirs) as terminal:  # noqa: PTH123  # a descriptor
        monkeypatch.setattr(sys, "stdin", terminal)
        sending.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            ask("Type their number: ")
        assert time.monotonic() - began < 20, "it ended only with the next line"
        ended.set()
        sending.join()
    os.close(ours)


async def test_on_a_terminal_the_count_of_billable_sims_is_prompted_for(
    emulator: Emulator, batch: Path
) -> None:
    fill(batch, sids(emulator), "sid")
    command = ("activate", str(batch), "--confirm-above", "11")
    status, screen = await on_a_terminal(b"11\n", *command)
    assert "billable     12  become active: a monthly fee starts" in screen
    assert "12 SIMs will become billable." in screen
    assert "Type their number to continue (12): " in screen
    assert status == 5


async def test_events_on_a_terminal_are_not_drawn_over(emulator: Emulator, batch: Path) -> None:
    fill(batch, sids(emulator), "sid")
    command = ("bulk", "change", str(batch), "--status", "active", "--json", "--listen", "0")
    status, screen = await on_a_terminal(b"", *command)
    assert status == 0
    printed = [line for line in screen.splitlines() if not line.startswith("{")]
    assert printed[0].startswith("job ")  # the report comes after all events


async def test_commands_are_whole_lines_on_the_narrowest_terminal(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    emulator.faults = Faults(failing_updates=1.0)
    batch = tmp_path / "a name with blanks and more than twenty characters.csv"
    fill(batch, sids(emulator), "sid")
    status, screen = await on_a_terminal(b"", "activate", str(batch), "--limit", "5")
    assert status == 3
    lines = screen.splitlines()
    assert lines[-1].startswith("to resume: ")
    assert lines[-1].endswith(f"-m asyncsim.cli activate '{batch}' --limit 5")
    (remedy,) = [line for line in lines if "jobs retry-failed" in line]
    assert f"`asyncsim jobs retry-failed '{batch.with_suffix('.db')}'`" in remedy


async def on_a_terminal(typed: bytes | None, *arguments: str) -> tuple[int, str]:
    """Run a command on its own terminal, and type into its prompt; None: send SIGTERM."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "asyncsim.cli", *arguments),
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
            while chunk := await asyncio.to_thread(_read, ours):
                screen += chunk
                if b"to continue (" in chunk and typed is None:
                    process.terminate()
                elif b"to continue (" in chunk and typed is not None:
                    os.write(ours, typed)
            return await process.wait(), re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", screen.decode())
    finally:
        if process.returncode is None:  # otherwise the thread would never stop reading
            process.kill()
            await process.wait()
        os.close(ours)


def _take_terminal() -> None:
    """Make stdin the controlling terminal of this process."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the other end is closed
        return b""

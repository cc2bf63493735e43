"""The command line in its own process: signals, pipes, missing packages."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asyncsim.client import Client
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults, Latency
from asyncsim.vendors import EMULATOR_CREDENTIALS, TWILIO, emulator_hosts
from tests.cli.conftest import Cli, posts, wait_for_posts, wait_for_requests

PROGRAM = (sys.executable, "-m", "asyncsim.cli")


async def spawn(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A test runner started in the background ignores SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.fixture
def batch(emulator: Emulator, tmp_path: Path) -> Path:
    """A file of SIMs that never settle."""
    emulator.latency = Latency(transition=1e6, longest=1e6)
    path = tmp_path / "all of them.csv"
    path.write_text("\n".join(emulator.world("twilio").sims("supersim")))
    return path


async def ended(process: asyncio.subprocess.Process) -> str:
    """Wait for it to end, and return its output."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert out == b""
    assert b"Traceback" not in err
    return err.decode()


async def test_results_never_replace_a_file_that_is_standard_input(
    emulator: Emulator, tmp_path: Path
) -> None:
    given = tmp_path / "failed.csv"
    given.write_text("\n".join(emulator.world("twilio").sims("supersim")))
    before = given.read_bytes()
    journal = str(tmp_path / "job.db")
    with given.open() as source:
        process = await asyncio.create_subprocess_exec(
            *(*PROGRAM, "activate", "-", "--journal", journal, "--results", str(tmp_path)),
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said = await ended(process)
    assert process.returncode == 2
    assert "would replace standard input" in said
    assert given.read_bytes() == before
    assert not [one for one in emulator.requests if one.method == "POST"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda sent: sent.name)
async def test_the_first_signal_drains_and_the_job_can_be_continued(
    sent: signal.Signals, emulator: Emulator, batch: Path
) -> None:
    process = await spawn("activate", str(batch), "--window", "5")
    await wait_for_posts(emulator, 5)
    process.send_signal(sent)
    said = await ended(process)
    assert process.returncode == 3
    assert "stopping: nothing new is sent" in said
    command = f"-m asyncsim.cli activate '{batch}' --window 5"
    assert said.splitlines()[-1].startswith("to resume: ")
    assert said.splitlines()[-1].endswith(command)
    assert posts(emulator) == 5
    second = await spawn("activate", str(batch), "--timeout", "0.05")
    await ended(second)
    assert second.returncode == 3
    sent_to = [request.path for request in emulator.requests if request.method == "POST"]
    assert len(sent_to) == len(set(sent_to)) == 12


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda sent: sent.name)
async def test_the_second_signal_cancels(
    sent: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()  # never advances, so slow requests never end
    async with Emulator(sims=12, clock=clock) as emulator:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", emulator.url)
        batch = tmp_path / "batch.csv"
        batch.write_text("\n".join(emulator.world("twilio").sims("supersim")))
        process = await spawn("activate", str(batch))
        await wait_for_requests(emulator, 1)
        emulator.faults = Faults(slow=1.0, slow_seconds=30.0)
        await wait_for_posts(emulator, 12)
        process.send_signal(sent)
        await said_by(process, b"stopping: ")
        process.send_signal(sent)
        said = await ended(process)
        await clock.advance(30)
    assert process.returncode == 130
    assert said.splitlines()[0].startswith("to resume: ")
    assert said.splitlines()[-1] == "asyncsim: cancelled"


async def said_by(process: asyncio.subprocess.Process, beginning: bytes) -> None:
    """Return once it has printed a line that starts with this."""
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while not (line := await process.stderr.readline()).startswith(beginning):
            assert line


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda sent: sent.name)
async def test_emulate_serves_until_a_signal(
    sent: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await spawn("emulate", "--port", "0", "--sims", "3", "--speed", "1000")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while not (line := (await process.stdout.readline()).decode()).startswith("export "):
            assert line
        name, _, url = line.removeprefix("export ").strip().partition("=")
        monkeypatch.setenv(name, url)
        async with Client.from_env() as client:
            assert len(await client.wireless.sims.list()) == 3
        process.send_signal(sent)
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


async def test_a_port_in_use_is_one_line_and_code_2(cli: Cli, emulator: Emulator) -> None:
    port = emulator.url.rpartition(":")[2]
    ended = await cli("emulate", "--port", port)
    assert ended.code == 2
    assert port in ended.err
    assert ended.err.count("\n") == 1


async def emulated(*options: str) -> int:
    """Start `asyncsim emulate`, count its SIMs, stop it."""
    process = await spawn("emulate", "--port", "0", *options)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while not (line := (await process.stdout.readline()).decode()).startswith("export "):
            assert line
        hosts = emulator_hosts(line.strip().partition("=")[2], TWILIO)
        own = EMULATOR_CREDENTIALS
        async with Client.twilio(own.account_sid, own.auth_token, hosts=hosts) as client:
            sims = await client.wireless.sims.list()
        process.terminate()
        await process.communicate()
    return len(sims)


async def test_a_state_file_keeps_its_sims_between_runs(tmp_path: Path) -> None:
    state = str(tmp_path / "emulator.db")
    assert await emulated("--sims", "2", "--state", state) == 2
    assert await emulated("--sims", "9", "--state", state) == 2


async def test_a_reader_that_leaves_early_is_no_error(emulator: Emulator) -> None:
    code = f"{sys.executable} -m asyncsim.cli sims list -o csv | head -1; exit ${{PIPESTATUS[0]}}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert out.startswith(b"sid,")
    assert err == b""


async def test_a_reader_of_events_that_leaves_does_not_stop_the_job(
    emulator: Emulator, tmp_path: Path
) -> None:
    batch = tmp_path / "batch.csv"
    batch.write_text("\n".join(emulator.world("twilio").sims("supersim")))
    code = f"{' '.join(PROGRAM)} activate {batch} --listen 0 --json --quiet | head -1"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{code}; exit ${{PIPESTATUS[0]}}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert out.startswith(b'{"event": ')
    assert (process.returncode, err) == (0, b"")
    assert {sim.status for sim in emulator.world("twilio").sims("supersim").values()} == {"active"}


@pytest.mark.parametrize("missing", ["cyclopts", "rich", "sqlalchemy", "filelock"])
def test_without_the_extra_an_error_says_how_to_install_it(missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
sys.argv = ["asyncsim", "activate", "batch.csv"]
from asyncsim.cli import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert 'pip install "asyncsim[cli]"' in ended.stderr


def without_postgres(missing: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"""
import sys
sys.modules[{missing!r}] = None
sys.argv = {["asyncsim", *arguments]!r}
from asyncsim.cli import main
main()
"""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("missing", ["psycopg", "procrastinate"])
def test_only_a_shared_journal_needs_the_extra_of_postgres(missing: str, tmp_path: Path) -> None:
    listed = without_postgres(missing, "jobs", "list", str(tmp_path), "-o", "json")
    assert (listed.returncode, listed.stderr) == (0, "")
    started = without_postgres(missing, "activate", str(tmp_path / "missing.csv"))
    assert started.returncode == 2
    assert started.stderr.endswith("missing.csv: there is no such file\n")


def test_without_the_extra_of_postgres_an_error_says_how_to_install_it() -> None:
    ended = without_postgres("psycopg", "jobs", "list", "--journal", "postgresql://host/name")
    assert ended.returncode == 2
    assert ended.stderr == (
        "asyncsim: a shared journal needs an extra; install it with:"
        ' pip install "asyncsim[postgres]"\n'
    )


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    code = "import sys; sys.modules['attrs'] = None; from asyncsim.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "asyncsim[cli]" not in ended.stderr

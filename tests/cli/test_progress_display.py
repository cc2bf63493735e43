"""The display of a running job: on narrow and wide terminals, and in a log."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from asyncsim.bulk.records import State
from asyncsim.cli.progress import JobProgress, ProgressView, display
from asyncsim.events import JobEnded
from tests.cli.test_job_progress import Stopwatch, finished, moved, progressed


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def job(stopwatch: Stopwatch) -> JobProgress:
    """A large running job with rows in every state."""
    job = JobProgress(stopwatch)
    job(progressed(0, 1_000_000))
    stopwatch.time += 10
    job(progressed(312_044, 1_000_000))
    for row, state in enumerate(State):
        job(moved(row, state))
    job(finished(429))
    return job


def drawn(job: JobProgress, width: int, *, colours: bool = True) -> str:
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard" if colours else None,
    )
    with console.capture() as captured:
        console.print(ProgressView(job, lambda: 96.4))
    return captured.get()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_display_fits_the_terminal(width: int, job: JobProgress) -> None:
    lines = drawn(job, width, colours=False).splitlines()
    assert len(lines) <= 4
    assert all(len(line.rstrip()) <= width for line in lines)
    assert lines[0].startswith("sending")
    assert "312,044/1,000,000" in lines[0]
    assert "31%" in lines[0]
    assert "/s" in lines[0]
    assert "left" in lines[0]
    said = " ".join(lines[1:]).replace("\N{NO-BREAK SPACE}", " ")
    assert all(item in said for item in ("done 1", "failed 1", "limit 96", "429s 1"))


def test_while_a_file_is_read_no_requests_are_shown(stopwatch: Stopwatch) -> None:
    job = JobProgress(stopwatch)
    job(progressed(1000, None, "reading"))
    assert drawn(job, 80, colours=False).split() == ["reading", "1,000"]


def test_the_bar_fills_the_width_and_is_never_indeterminate(job: JobProgress) -> None:
    bars = [drawn(job, width, colours=False).count("━") for width in (80, 100, 400)]
    assert bars[0] < bars[1] < bars[2] <= 60


def test_no_colour_sets_a_background_or_is_hard_to_read(job: JobProgress) -> None:
    text = drawn(job, 80)
    codes = {
        int(code) for codes in re.findall(r"\x1b\[([\d;]+)m", text) for code in codes.split(";")
    }
    # Bold, red, green, and the grey of the remaining part.
    assert codes <= {0, 1, 31, 32, 90}


def test_a_log_gets_a_line_every_few_seconds(
    stopwatch: Stopwatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = JobProgress(stopwatch)
    with display(job, lambda: 64, quiet=False) as shown:
        for done in range(0, 1001, 10):  # 40 per second
            for observer in (job, shown):
                observer(progressed(done, 1000))
            stopwatch.time += 0.25
        job(JobEnded(states={}, seconds=25))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[0] == "sending:  200/1,000  20%  40/s  0:00:20 left  limit 64  429s 0"
    assert lines[-1] == "sending: 1,000 SIMs in 25.2 s"


def test_quiet_prints_only_essential_messages(
    stopwatch: Stopwatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = JobProgress(stopwatch)
    with display(job, lambda: 64, quiet=True) as shown:
        for observer in (job, shown):
            observer(progressed(1, 1000))
        stopwatch.time += 60
        for observer in (job, shown):
            observer(progressed(500, 1000))
            observer(JobEnded(states={}, seconds=60))
        shown.say("stopping")
    assert capsys.readouterr().err == "stopping\n"

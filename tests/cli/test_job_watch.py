"""The tables of `asyncsim jobs watch`, as they are drawn on a terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from asyncsim.cli import job_watch
from asyncsim.cli.job_rows import ListedProcess, ListedSharedJob
from asyncsim.cli.job_watch import JobsLines, JobsScreen, Seen

START = datetime(2026, 1, 1, tzinfo=UTC)


def job(at_target: int, state: str = "running", **given: object) -> ListedSharedJob:
    values: dict[str, object] = {
        "name": "batch.csv", "state": state, "reason": None, "waiting_for": None,
        "job": "update of batch.csv", "change": "status=active", "product": "supersim",
        "vendor": "twilio", "account": "AC", "rows": 2000, "at_target": at_target, "failed": 3,
        "unfinished": 1997 - at_target, "queued": 1, "running": 2, "done": 3, "workers": 2,
        "created_at": START, "ended_at": None,
    }  # fmt: skip
    return ListedSharedJob(**{**values, **given})  # type: ignore[arg-type]


def process(name: str, state: str, seconds: float, kind: str = "worker") -> ListedProcess:
    return ListedProcess(
        process=name,
        kind=kind,
        state=state,
        chunks=1,
        rate=12.34,
        accounts=("twilio supersim AC",),
        started_at=START,
        heartbeat_at=datetime.now(UTC) - timedelta(seconds=seconds),
    )


def drawn(seen: Seen, monkeypatch: pytest.MonkeyPatch, width: int = 120) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system="standard")
    monkeypatch.setattr(job_watch, "stdout_console", lambda: console)
    screen = JobsScreen(2.0)
    with screen:
        screen.show(seen)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_screen_shows_rates_chunks_and_who_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = [
        process("a:1:x", "alive", 1.0),
        process("b:2:y", "dead", 40.0),
        process("c:3:z", "alive", 1.0, "receiver"),
    ]
    seen = Seen(jobs=[job(500)], processes=processes, rates={"batch.csv": 1234.5}, time=0.0)
    screen = drawn(seen, monkeypatch)
    assert "1,234.5" in screen
    assert "3 of 6, 2 running" in screen
    assert "12.3" in screen
    dead, *_ = [line for line in screen.splitlines() if "b:2:y" in line]
    assert "\x1b[31m" in dead  # red
    assert "40 s ago" in dead
    assert "every 2 s; Ctrl-C stops" in screen
    receiver, *_ = [line for line in screen.splitlines() if "c:3:z" in line]
    assert "receiver" in receiver
    assert "12.3" not in receiver  # it has no chunks


def test_a_narrow_screen_has_fewer_columns_and_cuts_no_word_without_a_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [job(500, name="x" * 300), job(500)]
    seen = Seen(jobs=jobs, processes=[process("a:1:x", "alive", 1)], rates={}, time=0.0)
    wide = drawn(seen, monkeypatch)
    assert "x" * 39 + "…" in wide
    assert "per_second" in wide
    seen = Seen(jobs=jobs[1:], processes=seen.processes, rates={}, time=0.0)
    narrow = drawn(seen, monkeypatch, 60)
    assert "chunks" not in narrow.split("process")[0]
    for word in ("batch.csv", "running", "unfinished", "1497", "worker", "alive", "1 s ago"):
        assert word in narrow
    narrower = drawn(seen, monkeypatch, 30)
    assert "…" in narrower


def test_a_screen_says_why_a_job_does_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [
        job(0, waiting_for="a worker: none is running", queued=6, running=0, done=0),
        job(0, "paused", name="other.csv", reason="breaker"),
    ]
    screen = drawn(Seen(jobs=jobs, processes=[], rates={}, time=0.0), monkeypatch)
    assert "other.csv is paused: breaker" in screen
    assert "batch.csv waits for a worker: none is running (6 chunks in the queue)" in screen


def test_lines_are_printed_when_something_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = JobsLines(as_json=False)
    with lines:
        for at_target, rates in ((500, {}), (500, {"batch.csv": 0.0}), (600, {"batch.csv": 50.0})):
            lines.show(Seen(jobs=[job(at_target)], processes=[], rates=rates, time=0.0))
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("500 of 2,000 at their target, 3 failed, 1,497 unfinished, 2 workers")
    assert second.endswith("1,397 unfinished, 2 workers, 50.0 per second")


def test_a_job_that_one_process_runs_has_no_workers(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [
        job(0, "planned", workers=1),
        job(0, "planned", name="interrupted", workers=0),
    ]
    lines = JobsLines(as_json=False)
    with lines:
        lines.show(Seen(jobs=jobs, processes=[], rates={}, time=0.0))
    held, interrupted = capsys.readouterr().out.splitlines()
    assert held.endswith("1,997 unfinished, in use by a process that submits or runs it")
    assert interrupted.endswith("1,997 unfinished, 0 workers")


def test_a_job_that_is_verified_shows_neither_progress_nor_a_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of its SIMs count as unfinished until the list scan has seen them."""
    verifying = job(0, queued=0, running=0, done=6, workers=1)
    finished = job(1997, "finished", queued=0, running=0, done=6)
    before = Seen(jobs=[job(1997)], processes=[], rates={}, time=0.0)
    assert job_watch._rates(before, [verifying], 2.0) == {}
    seen = Seen(jobs=[verifying], processes=[], rates={}, time=2.0)
    assert job_watch._rates(seen, [finished], 4.0) == {}
    lines = JobsLines(as_json=False)
    with lines:
        lines.show(seen)
    shown = capsys.readouterr().out
    assert shown.endswith(" batch.csv: verifying its 2,000 SIMs by a list scan, 1 worker\n")
    assert "verifying" in drawn(seen, monkeypatch)

from __future__ import annotations

import asyncio

import pytest

from asyncsim.bulk.progress import JobProgress
from asyncsim.bulk.records import State
from asyncsim.errors import JobError
from asyncsim.events import JobEnded, JobPlanned, JobProgressed, RowMoved
from tests.displays.works import FixedLoad, Stopwatch


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def job(stopwatch: Stopwatch) -> JobProgress:
    return JobProgress(FixedLoad(64, 3), "batch.db", stopwatch)


def moved(row: int, state: State) -> RowMoved:
    return RowMoved(row=row, name=f"sim {row}", sid=None, state=state)


def progressed(done: int, total: int | None = 100, phase: str = "sending") -> JobProgressed:
    return JobProgressed(phase=phase, done=done, total=total)


def counts(job: JobProgress) -> dict[str, float]:
    """The rows by state."""
    return {one.name: one.number for one in job.figures().counts if one.name in set(State)}


def test_a_row_is_counted_in_its_current_state_only(job: JobProgress) -> None:
    for state in (State.SENDING, State.ACCEPTED):
        job(moved(1, state))
        assert counts(job) == {state: 1}
    job(moved(1, State.DONE))
    job(moved(2, State.ALREADY))
    assert counts(job) == {State.DONE: 1, State.ALREADY: 1}


def test_a_retried_row_is_not_counted_twice(job: JobProgress) -> None:
    for state in (State.SENDING, State.NO_ANSWER, State.SENDING, State.DONE):
        job(moved(1, state))
    assert counts(job) == {State.DONE: 1}


def test_a_row_that_was_not_sent_is_not_counted(job: JobProgress) -> None:
    job(moved(1, State.SENDING))
    job(moved(1, State.READY))
    assert counts(job) == {}


def test_nothing_is_kept_of_finished_rows(job: JobProgress) -> None:
    for row in range(1000):
        job(moved(row, State.SENDING))
        job(moved(row, State.DONE))
    assert not job._open


def test_each_phase_ends_with_a_line(job: JobProgress, stopwatch: Stopwatch) -> None:
    printed: list[str] = []
    job.on_line(printed.append)
    job(progressed(1000, None, "reading"))
    stopwatch.time += 2.5
    job(progressed(0, 1000, "planning"))
    stopwatch.time += 1.0
    job(progressed(1000, 1000, "planning"))
    job(JobPlanned(rows=1000, verdicts={"will change": 990, "unknown SIM": 10}, requests=1))
    job(progressed(0, 990, "sending"))
    stopwatch.time += 1.0
    job(JobEnded(states={}, seconds=4.5))
    assert printed == [
        "reading: 1,000 SIMs in 2.5 s",
        "planning: 1,000 SIMs in 1.0 s: will change 990, unknown SIM 10",
        "sending: 0 SIMs in 1.0 s",
    ]


def test_the_limit_and_429s_are_the_clients_and_not_shown_while_a_file_is_read(
    job: JobProgress,
) -> None:
    job(progressed(1000, None, "reading"))
    assert job.figures().line() == "reading:  1,000"
    job(progressed(0, 1000, "planning"))
    assert job.figures().line() == "planning:  0/1,000  0%  limit 64  429s 0"


def test_the_end_counts_the_whole_job(job: JobProgress, stopwatch: Stopwatch) -> None:
    job(progressed(0, 1))
    job(moved(1, State.DONE))
    stopwatch.time += 3.0
    job(JobEnded(states={"done": 8, "already": 1, "failed": 1}, seconds=3.0))
    assert counts(job) == {"done": 8, "already": 1, "failed": 1}
    assert job.ending(None) == "ended after 3.0 s: 9 of 10 SIMs are at their target"


def test_an_early_end_says_why_and_how_the_job_goes_on(
    job: JobProgress, stopwatch: Stopwatch
) -> None:
    stopwatch.time += 3.0
    job(JobEnded(states={"done": 8, "ready": 2}, seconds=3.0, reason="deadline"))
    assert job.ending(None) == (
        "stopped early after 3.0 s (deadline): 8 of 10 SIMs are at their target;"
        " run it again with the journal batch.db to continue"
    )


@pytest.mark.parametrize("interrupt", [asyncio.CancelledError(), KeyboardInterrupt()])
def test_an_interrupt_leaves_the_bar_and_says_how_the_job_goes_on(
    interrupt: BaseException, job: JobProgress, stopwatch: Stopwatch
) -> None:
    job(progressed(31))
    stopwatch.time += 3.0
    assert job.ending(interrupt) == (
        "interrupted after 3.0 s: run it again with the journal batch.db to continue"
    )
    assert (job.figures().done, job.figures().total) == (31, 100)


def test_an_error_is_named(job: JobProgress) -> None:
    assert job.ending(JobError("no")) == "ended after 0.0 s by JobError"

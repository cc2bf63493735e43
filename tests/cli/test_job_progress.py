from __future__ import annotations

import pytest

from asyncsim.bulk.records import State
from asyncsim.cli.progress import JobProgress
from asyncsim.events import JobEnded, JobPlanned, JobProgressed, RequestFinished, RowMoved


class Stopwatch:
    """A manual clock."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def job(stopwatch: Stopwatch) -> JobProgress:
    return JobProgress(stopwatch)


def moved(row: int, state: State) -> RowMoved:
    return RowMoved(row=row, name=f"sim {row}", sid=None, state=state)


def progressed(done: int, total: int | None = 100, phase: str = "sending") -> JobProgressed:
    return JobProgressed(phase=phase, done=done, total=total)


def finished(status: int | None) -> RequestFinished:
    return RequestFinished(
        method="POST",
        product="supersim",
        path="/v1/Sims/HS1",
        status=status,
        seconds=0.1,
        attempt=1,
    )


def test_a_row_is_counted_in_its_current_state_only(job: JobProgress) -> None:
    for state in (State.SENDING, State.ACCEPTED):
        job(moved(1, state))
        assert dict(job.counts()) == {state: 1}
    job(moved(1, State.DONE))
    job(moved(2, State.ALREADY))
    assert dict(job.counts()) == {State.DONE: 1, State.ALREADY: 1}


def test_a_retried_row_is_not_counted_twice(job: JobProgress) -> None:
    for state in (State.SENDING, State.NO_ANSWER, State.SENDING, State.DONE):
        job(moved(1, state))
    assert dict(job.counts()) == {State.DONE: 1}


def test_a_row_that_was_not_sent_is_not_counted(job: JobProgress) -> None:
    job(moved(1, State.SENDING))
    job(moved(1, State.READY))
    assert dict(job.counts()) == {}


def test_nothing_is_kept_of_finished_rows(job: JobProgress) -> None:
    for row in range(1000):
        job(moved(row, State.SENDING))
        job(moved(row, State.DONE))
    assert not job._open


def test_the_rate_covers_the_last_seconds(job: JobProgress, stopwatch: Stopwatch) -> None:
    for done in range(0, 60_000, 1000):  # one a second
        job(progressed(done, 100_000))
        stopwatch.time += 1.0
    assert job.rate == pytest.approx(1000, rel=0.1)
    for done in range(60_000, 60_400, 10):
        job(progressed(done, 100_000))
        stopwatch.time += 1.0
    assert job.rate == pytest.approx(10, rel=0.1)
    assert job.seconds_left == pytest.approx(3960, rel=0.1)


def test_no_time_is_estimated_before_any_progress(job: JobProgress) -> None:
    assert (job.rate, job.seconds_left) == (0.0, None)
    job(progressed(0))
    assert (job.rate, job.seconds_left) == (0.0, None)


def test_rows_done_before_a_phase_do_not_count_in_the_rate(
    job: JobProgress, stopwatch: Stopwatch
) -> None:
    job(progressed(90))
    stopwatch.time += 10
    job(progressed(91))
    assert job.rate == pytest.approx(0.1)


def test_each_phase_ends_with_a_line(job: JobProgress, stopwatch: Stopwatch) -> None:
    printed: list[str] = []
    job.on_phase_end(printed.append)
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


def test_429s_are_counted(job: JobProgress) -> None:
    for status in (200, 429, None, 429):
        job(finished(status))
    assert job.throttled == 2

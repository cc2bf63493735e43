from __future__ import annotations

import pytest

from asyncsim.bulk.records import State
from asyncsim.cli.progress import JobProgress
from asyncsim.events import JobEnded, JobPlanned, JobProgressed, RequestFinished, RowMoved


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def job(watch: Watch) -> JobProgress:
    return JobProgress(watch)


def moved(row: int, state: State) -> RowMoved:
    return RowMoved(row=row, name=f"sim {row}", sid=None, state=state)


def progressed(done: int, total: int | None = 100, phase: str = "sending") -> JobProgressed:
    return JobProgressed(phase=phase, done=done, total=total)


def answered(status: int | None) -> RequestFinished:
    return RequestFinished(
        method="POST",
        product="supersim",
        path="/v1/Sims/HS1",
        status=status,
        seconds=0.1,
        attempt=1,
    )


def test_a_row_is_counted_where_it_is_and_nowhere_else(job: JobProgress) -> None:
    for state in (State.SENDING, State.ACCEPTED):
        job(moved(1, state))
        assert dict(job.counts()) == {state: 1}
    job(moved(1, State.DONE))
    job(moved(2, State.ALREADY))
    assert dict(job.counts()) == {State.DONE: 1, State.ALREADY: 1}


def test_a_row_that_is_tried_again_is_not_counted_twice(job: JobProgress) -> None:
    for state in (State.SENDING, State.NO_ANSWER, State.SENDING, State.DONE):
        job(moved(1, state))
    assert dict(job.counts()) == {State.DONE: 1}


def test_a_row_that_was_not_sent_after_all_is_not_counted(job: JobProgress) -> None:
    job(moved(1, State.SENDING))
    job(moved(1, State.READY))
    assert dict(job.counts()) == {}


def test_nothing_is_kept_of_rows_that_have_ended(job: JobProgress) -> None:
    for row in range(1000):
        job(moved(row, State.SENDING))
        job(moved(row, State.DONE))
    assert not job._open


def test_the_rate_is_that_of_the_last_seconds(job: JobProgress, watch: Watch) -> None:
    for done in range(0, 60_000, 1000):  # a second each
        job(progressed(done, 100_000))
        watch.time += 1.0
    assert job.rate == pytest.approx(1000, rel=0.1)
    for done in range(60_000, 60_400, 10):
        job(progressed(done, 100_000))
        watch.time += 1.0
    assert job.rate == pytest.approx(10, rel=0.1)
    assert job.seconds_left == pytest.approx(3960, rel=0.1)


def test_nobody_guesses_an_end_before_something_is_known(job: JobProgress) -> None:
    assert (job.rate, job.seconds_left) == (0.0, None)
    job(progressed(0))
    assert (job.rate, job.seconds_left) == (0.0, None)


def test_what_is_done_at_the_start_of_a_phase_is_no_speed(job: JobProgress, watch: Watch) -> None:
    job(progressed(90))
    watch.time += 10
    job(progressed(91))
    assert job.rate == pytest.approx(0.1)


def test_each_phase_ends_with_a_line(job: JobProgress, watch: Watch) -> None:
    told: list[str] = []
    job.on_phase_end(told.append)
    job(progressed(1000, None, "reading"))
    watch.time += 2.5
    job(progressed(0, 1000, "planning"))
    watch.time += 1.0
    job(progressed(1000, 1000, "planning"))
    job(JobPlanned(rows=1000, verdicts={"will change": 990, "unknown SIM": 10}, requests=1))
    job(progressed(0, 990, "sending"))
    watch.time += 1.0
    job(JobEnded(states={}, seconds=4.5))
    assert told == [
        "reading: 1,000 SIMs in 2.5 s",
        "planning: 1,000 SIMs in 1.0 s: will change 990, unknown SIM 10",
        "sending: 0 SIMs in 1.0 s",
    ]


def test_refusals_are_counted(job: JobProgress) -> None:
    for status in (200, 429, None, 429):
        job(answered(status))
    assert job.throttled == 2

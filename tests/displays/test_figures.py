from __future__ import annotations

import pytest

from asyncsim.displays import Count, Figures, Phase, load_counts
from tests.displays.works import SENDING, FixedLoad, Stopwatch


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


def test_the_rate_covers_the_last_seconds(stopwatch: Stopwatch) -> None:
    phase = Phase("sending", stopwatch)
    for done in range(0, 60_000, 1000):  # one a second
        phase.advance(done, 100_000)
        stopwatch.time += 1.0
    assert phase.rate == pytest.approx(1000, rel=0.1)
    for done in range(60_000, 60_400, 10):
        phase.advance(done, 100_000)
        stopwatch.time += 1.0
    assert phase.rate == pytest.approx(10, rel=0.1)
    assert phase.seconds_left == pytest.approx(3960, rel=0.1)


def test_no_time_is_estimated_before_any_progress(stopwatch: Stopwatch) -> None:
    phase = Phase("sending", stopwatch)
    assert (phase.rate, phase.seconds_left) == (0.0, None)
    phase.advance(0, 100)
    assert (phase.rate, phase.seconds_left) == (0.0, None)


def test_what_was_done_before_a_phase_does_not_count_in_its_rate(stopwatch: Stopwatch) -> None:
    phase = Phase("sending", stopwatch)
    phase.advance(90, 100)
    stopwatch.time += 10
    phase.advance(91, 100)
    assert phase.rate == pytest.approx(0.1)


def test_a_phase_never_keeps_more_than_a_few_samples(stopwatch: Stopwatch) -> None:
    phase = Phase("sending", stopwatch)
    for done in range(10_000):
        phase.advance(done, 10_000)
        stopwatch.time += 0.01
    assert len(phase._samples) <= 40


def test_a_line_has_all_figures() -> None:
    assert SENDING.line().startswith(
        "sending:  312,044/1,000,000  31%  31,204/s  0:00:22 left  sending 1  accepted 1"
    )
    assert Figures(phase=None, counts=(Count("done", 7),)).line() == "done 7"


def test_429s_are_marked_once_there_are_some_since_the_work_began() -> None:
    assert [one.tone for one in load_counts(FixedLoad(throttled=2), 2)] == ["plain", "plain"]
    assert [str(one) for one in load_counts(FixedLoad(64, 5), 2)] == ["limit 64", "429s 3"]
    assert load_counts(FixedLoad(throttled=3), 2)[1].tone == "bad"

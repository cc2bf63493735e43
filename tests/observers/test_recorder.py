from __future__ import annotations

import pytest

from asyncsim.events import LimitChanged
from asyncsim.observers import Recorder
from tests.displays.works import Stopwatch


def test_events_have_the_seconds_since_the_recording_began() -> None:
    stopwatch = Stopwatch()
    recorder = Recorder(now=stopwatch)
    for limit in (9.5, 9.0):
        stopwatch.time += 2.0
        recorder(LimitChanged(limit=limit, in_flight=10))
    assert [(seconds, event.limit) for seconds, event in recorder] == [(2.0, 9.5), (4.0, 9.0)]  # type: ignore[union-attr]  # all are LimitChanged
    recorder.clear()
    stopwatch.time += 1.0
    recorder(LimitChanged(limit=9.5, in_flight=10))
    assert [seconds for seconds, _ in recorder] == [1.0]


def test_it_keeps_the_latest_events_and_counts_the_others() -> None:
    recorder = Recorder(most=3)
    for number in range(5):
        recorder(LimitChanged(limit=float(number), in_flight=10))
    assert (len(recorder), recorder.dropped) == (3, 2)
    assert repr(recorder) == "<Recorder: 3 events, 2 dropped>"
    with pytest.raises(ValueError, match="most=0"):
        Recorder(most=0)

from __future__ import annotations

import pytest
from attrs import evolve

from asyncsim.displays import Figures
from asyncsim.displays.lines import LineDisplay
from tests.displays.works import SENDING, FixedWork, Stopwatch


def test_a_log_gets_a_line_every_few_seconds() -> None:
    written: list[str] = []
    work, stopwatch = FixedWork(), Stopwatch()
    display = LineDisplay(work, written.append, stopwatch)
    display.start()
    for done in range(0, 1001, 10):  # 40 per second
        work.now = evolve(SENDING, done=done, total=1000, rate=40.0, counts=())
        display.draw()
        stopwatch.time += 0.25
    display.stop()
    assert len(written) == 5
    assert written[0] == "sending:  200/1,000  20%  40/s  0:00:22 left"


def test_between_phases_there_is_nothing_to_say() -> None:
    written: list[str] = []
    work, stopwatch = FixedWork(Figures(phase=None)), Stopwatch()
    display = LineDisplay(work, written.append, stopwatch)
    stopwatch.time += 60
    display.draw()
    assert written == []


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    LineDisplay(FixedWork()).say("planning: 10 SIMs in 0.1 s")
    assert capsys.readouterr() == ("", "planning: 10 SIMs in 0.1 s\n")

from __future__ import annotations

import io
import re

import pytest
from attrs import evolve
from rich.console import Console

from asyncsim.displays import Figures
from asyncsim.displays.terminal import LiveDisplay, LiveView
from tests.displays.works import SENDING, FixedWork


def drawn(figures: Figures, width: int, *, colours: bool = True) -> str:
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard" if colours else None,
    )
    with console.capture() as captured:
        console.print(LiveView(FixedWork(figures)))
    return captured.get()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_display_fits_the_terminal(width: int) -> None:
    lines = drawn(SENDING, width, colours=False).splitlines()
    assert len(lines) <= 4
    assert all(len(line.rstrip()) <= width for line in lines)
    assert lines[0].startswith("sending")
    for figure in ("312,044/1,000,000", "31%", "31,204/s", "0:00:22 left"):
        assert figure in lines[0]
    said = " ".join(lines[1:]).replace("\N{NO-BREAK SPACE}", " ")
    assert all(item in said for item in ("done 312,039", "failed 1", "limit 96", "429s 1"))


def test_the_bar_fills_the_width_and_is_never_indeterminate() -> None:
    bars = [drawn(SENDING, width, colours=False).count("━") for width in (80, 100, 400)]
    assert bars[0] < bars[1] < bars[2] <= 60


def test_without_a_total_there_is_no_bar() -> None:
    figures = evolve(SENDING, total=None, seconds_left=None, rate=0.0, counts=())
    assert drawn(figures, 80, colours=False).split() == ["sending", "312,044"]


def test_no_colour_sets_a_background_or_is_hard_to_read() -> None:
    codes = {
        int(code)
        for codes in re.findall(r"\x1b\[([\d;]+)m", drawn(SENDING, 80))
        for code in codes.split(";")
    }
    # Bold, red, green, and the grey of the remaining part.
    assert codes <= {0, 1, 31, 32, 90}


def test_a_line_stays_above_the_live_ones_which_are_removed_at_the_end() -> None:
    written = io.StringIO()
    console = Console(file=written, width=80, force_terminal=True, color_system=None)
    display = LiveDisplay(FixedWork(), console)
    display.start()
    display.say("planning: 1,000 SIMs in 1.0 s [and] :more:")
    display.stop()
    assert "planning: 1,000 SIMs in 1.0 s" in written.getvalue()
    assert written.getvalue().endswith("\x1b[1A\x1b[2K")  # the last live line is erased

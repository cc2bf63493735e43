from __future__ import annotations

import asyncio
import logging

import pytest

from asyncsim.displays import show
from tests.displays.works import FixedWork


class ListDisplay:
    """Records what is asked of it."""

    def __init__(self, *, failing: str = "") -> None:
        self.calls: list[str] = []
        self.drawn = asyncio.Event()
        self._failing = failing

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self._failing:
            raise OSError("the front end is gone")

    def start(self) -> None:
        self._called("start")

    def draw(self) -> None:
        self.drawn.set()
        self._called("draw")

    def say(self, text: str) -> None:
        self._called(text)

    def stop(self) -> None:
        self._called("stop")


def display_tasks() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "asyncsim-display"]


async def test_it_is_drawn_while_the_work_runs_and_once_more_at_the_end() -> None:
    work, display = FixedWork(), ListDisplay()
    async with show(work, display):
        await asyncio.wait_for(display.drawn.wait(), 5)
        work.listeners[0]("planning ended")
    assert display.calls[:2] == ["start", "draw"]
    assert display.calls[-4:] == ["planning ended", "ended", "draw", "stop"]
    assert display_tasks() == []


async def test_an_interrupt_is_the_last_line_and_leaves_no_task() -> None:
    display = ListDisplay()

    async def run() -> None:
        async with show(FixedWork(), display):
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await asyncio.wait_for(display.drawn.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert display.calls[-3:] == ["ended by CancelledError", "draw", "stop"]
    assert display_tasks() == []


@pytest.mark.parametrize("failing", ["start", "draw", "ended"])
async def test_a_display_that_fails_is_logged_once_and_never_ends_the_work(
    failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    display = ListDisplay(failing=failing)
    with caplog.at_level(logging.ERROR, logger="asyncsim"):
        async with show(FixedWork(), display):
            pass
    assert [record.message for record in caplog.records] == [
        "progress can no longer be displayed; the work continues"
    ]
    assert display.calls[-1] == failing

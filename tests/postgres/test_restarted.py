"""Background tasks after a bug."""

from __future__ import annotations

import asyncio

import pytest

from asyncsim.clock import ManualClock
from asyncsim.postgres.restarted import restarted


async def test_a_task_begins_anew_after_longer_and_longer_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    began: list[float] = []

    async def work() -> None:
        began.append(clock.now())
        if len(began) == 9:
            await clock.sleep(100)  # it works for a while
        raise RecursionError

    task = asyncio.create_task(restarted(work, clock, "the reader"))
    await clock.advance(350)
    assert began == [0, 1, 3, 7, 15, 31, 63, 123, 183, 284, 286, 290, 298, 314, 346]
    assert "the reader failed; restarting it in 1 s" in caplog.text
    assert "RecursionError" in caplog.text
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_returns_has_ended() -> None:
    async def work() -> None:
        """Return at once."""

    await restarted(work, ManualClock(), "it")

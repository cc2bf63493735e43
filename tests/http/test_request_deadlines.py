"""One timer for many requests of equal length."""

from __future__ import annotations

import asyncio

import pytest

from asyncsim.http.transport import RequestDeadlines


async def hang(deadlines: RequestDeadlines) -> None:
    task = deadlines.begin()
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        if deadlines.end(task):
            raise TimeoutError from None
        raise


async def test_a_late_request_times_out_and_its_task_is_not_left_cancelled() -> None:
    deadlines = RequestDeadlines(0.01)
    task = asyncio.create_task(hang(deadlines))
    with pytest.raises(TimeoutError):
        await task
    assert task.cancelling() == 0


async def test_requests_that_started_together_all_time_out() -> None:
    deadlines = RequestDeadlines(0.01)
    ended = await asyncio.gather(*(hang(deadlines) for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in ended} == {TimeoutError}


async def test_a_cancellation_by_the_caller_stays_a_cancellation() -> None:
    deadlines = RequestDeadlines(60.0)
    task = asyncio.create_task(hang(deadlines))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    deadlines.close()


async def test_a_cancellation_while_the_time_runs_out_wins() -> None:
    deadlines = RequestDeadlines(0.0)
    task = asyncio.create_task(hang(deadlines))
    await asyncio.sleep(0)
    task.cancel()  # before the loop comes to the timer, which is due
    with pytest.raises(asyncio.CancelledError):
        await task
    deadlines.close()


async def test_a_request_in_time_leaves_no_timer() -> None:
    deadlines = RequestDeadlines(60.0)
    assert not deadlines.end(deadlines.begin())
    assert not deadlines._running
    deadlines.close()

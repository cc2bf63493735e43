"""Waits that end whatever a driver does with a cancellation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from asyncsim.clock import ManualClock
from asyncsim.postgres import bounded
from asyncsim.postgres.bounded import end, finish, within


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the time."""
    monkeypatch.setattr(bounded, "_AGAIN", 0.05)


class Driver:
    """Work that loses its first cancellations."""

    def __init__(self, loses: int = 0) -> None:
        self.loses = loses
        self.started, self.responded = asyncio.Event(), asyncio.Event()
        self.tasks: list[asyncio.Task[object]] = []

    async def work(self) -> str:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        self.started.set()
        while True:
            try:
                await self.responded.wait()
                return "done"
            except asyncio.CancelledError:
                self.loses -= 1
                if self.loses < 0:
                    raise

    def start(self) -> asyncio.Task[str]:
        return asyncio.create_task(self.work(), name="the driver's")


@pytest.fixture
def stubborn() -> Iterator[Driver]:
    """Loses all of them until the end of the test."""
    driver = Driver(loses=1000)
    yield driver
    for task in driver.tasks:
        assert task.done()


async def release(driver: Driver) -> None:
    driver.responded.set()
    await asyncio.gather(*driver.tasks, return_exceptions=True)


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    task = Driver(loses=2).start()
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()


async def test_a_task_that_does_not_end_is_left(
    stubborn: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    task = stubborn.start()
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end(task)
    assert not task.done()
    assert "the driver's does not end" in caplog.text
    await release(stubborn)


async def test_tasks_that_have_ended_are_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("of a statement")

    failed = asyncio.create_task(fail())
    await asyncio.wait([failed])
    with caplog.at_level(logging.WARNING):
        await end()
        await end(failed)
    assert caplog.messages == []


async def test_work_within_its_time_returns_what_it_does() -> None:
    driver = Driver()
    driver.responded.set()
    assert await within(5.0, driver.work()) == "done"


async def test_work_beyond_its_time_is_ended(stubborn: Driver) -> None:
    driver = Driver(loses=1)
    with pytest.raises(TimeoutError, match=r"not responded for 0\.01 s"):
        await within(0.01, driver.work())
    assert driver.tasks[0].cancelled()
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await within(0.01, stubborn.work())
    await release(stubborn)


async def test_a_cancellation_ends_the_work_too() -> None:
    driver = Driver(loses=1)
    task = asyncio.create_task(within(60.0, driver.work()))
    await driver.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert driver.tasks[0].cancelled()


@pytest.fixture
async def given_up() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_work_is_finished_despite_a_cancellation(given_up: asyncio.Future[None]) -> None:
    driver = Driver()
    task = asyncio.create_task(finish(driver.work(), given_up, seconds=60, if_cancelled=60))
    await driver.started.wait()
    task.cancel()
    await ManualClock().settle()  # it has noticed that, and does nothing
    assert not task.done()
    driver.responded.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert driver.tasks[0].result() == "done"


async def test_once_cancelled_the_work_has_little_time(
    given_up: asyncio.Future[None], stubborn: Driver
) -> None:
    task = asyncio.create_task(finish(stubborn.work(), given_up, seconds=60, if_cancelled=0.01))
    await stubborn.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    await release(stubborn)


async def test_work_that_takes_too_long_is_ended(given_up: asyncio.Future[None]) -> None:
    driver = Driver()
    with pytest.raises(TimeoutError, match="does not respond"):
        await finish(driver.work(), given_up, seconds=0.01, if_cancelled=60)
    assert driver.tasks[0].cancelled()


async def test_giving_up_ends_the_work_at_once_and_lets_none_begin(
    given_up: asyncio.Future[None],
) -> None:
    driver = Driver()
    task = asyncio.create_task(finish(driver.work(), given_up, seconds=60, if_cancelled=60))
    await driver.started.wait()
    given_up.set_result(None)
    with pytest.raises(TimeoutError):
        await task
    driver.responded.set()
    with pytest.raises(TimeoutError):
        await finish(driver.work(), given_up, seconds=60, if_cancelled=60)
    assert driver.tasks[0].cancelled()
    assert len(driver.tasks) == 1


async def test_errors_of_the_work_are_its_own(given_up: asyncio.Future[None]) -> None:
    async def fail() -> None:
        raise ValueError("of a statement")

    with pytest.raises(ValueError, match="of a statement"):
        await finish(fail(), given_up, seconds=60, if_cancelled=60)

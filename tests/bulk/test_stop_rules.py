"""Too many failures: of a run, and of a job that several workers have."""

from __future__ import annotations

import asyncio

import pytest

from asyncsim.bulk.records import Ending, State
from asyncsim.bulk.stop_rules import StopRules
from asyncsim.errors import JobError

FAILED = Ending(state=State.FAILED, error=JobError("refused"))
DONE = Ending(state=State.DONE)


class Job:
    """The failures of a job in its journal."""

    def __init__(self) -> None:
        self.failed = 0
        self.counts = 0

    async def count(self) -> int:
        self.counts += 1
        failed = self.failed
        await asyncio.sleep(0)
        return failed

    async def fail(self, rules: StopRules) -> bool:
        """Record a failure, as the journal does, before the rules hear of it."""
        self.failed += 1
        return await rules.too_many_failures(FAILED)


@pytest.mark.parametrize("state", [State.FAILED, State.UNKNOWN, State.NO_ANSWER])
async def test_a_run_stops_after_more_failures_than_it_allows(state: State) -> None:
    rules = StopRules(None, 2)
    ending = Ending(state=state)
    assert [await rules.too_many_failures(ending) for _ in range(3)] == [False, False, True]


async def test_only_failures_count() -> None:
    rules = StopRules(None, 0)
    assert not await rules.too_many_failures(DONE)
    assert not await StopRules(None, None).too_many_failures(FAILED)


async def test_failures_of_other_workers_count() -> None:
    job = Job()
    job.failed = 10
    rules = StopRules(None, 10, job.count)
    assert await job.fail(rules)


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("most", [0, 1, 7, 100, 1000])
async def test_a_job_stops_at_its_limit_however_many_workers_it_has(
    workers: int, most: int
) -> None:
    job = Job()
    several = [StopRules(None, most, job.count) for _ in range(workers)]
    while not any([await job.fail(rules) for rules in several]):
        pass
    assert most < job.failed <= most + workers


async def test_few_counts_suffice() -> None:
    job = Job()
    rules = StopRules(None, 10_000, job.count)
    while not await job.fail(rules):
        pass
    assert job.failed == 10_001
    assert job.counts < 80


async def test_without_failures_nothing_is_counted() -> None:
    job = Job()
    rules = StopRules(None, 5, job.count)
    for _ in range(100):
        await rules.too_many_failures(DONE)
    assert job.counts == 0


async def test_chunks_that_fail_at_the_same_time_count_once() -> None:
    job = Job()
    rules = StopRules(None, 100, job.count)
    await asyncio.gather(*(job.fail(rules) for _ in range(8)))
    assert job.counts == 1

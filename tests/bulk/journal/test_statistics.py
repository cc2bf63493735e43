"""Statistics for the report."""

from __future__ import annotations

import os
from typing import Any

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import Ending, FailureGroup, Planned, State, Verdict
from asyncsim.clock import ManualClock
from asyncsim.errors import BadRequest, NotFound
from tests.bulk.journal.samples import fill
from tests.bulk.places import Place


def done(**given: Any) -> Ending:
    parts: dict[str, Any] = {"settled_by": "sweep", "confirmed": True}
    return Ending(state=State.DONE, **parts | given)


async def test_an_empty_job_has_empty_statistics(journal: Journal) -> None:
    await fill(journal)
    found = await journal.statistics()
    assert (found.rows, found.states, found.failures, found.impossible) == (0, {}, {}, {})
    assert (found.p50, found.slowest, found.requests) == (None, None, 0)


async def test_rows_are_counted_by_state_verdict_and_settled_by(journal: Journal) -> None:
    await fill(journal, 7)
    impossible = {"state": State.IMPOSSIBLE}
    await journal.record_plan(
        [
            Planned(number=1, verdict=Verdict.UNKNOWN, **impossible),
            Planned(number=2, verdict=Verdict.TERMINAL, **impossible),
            Planned(number=3, verdict=Verdict.UNKNOWN, **impossible),
        ]
    )
    await journal.record_ending(4, done(settled_by="callback", confirmed=False, requests=1))
    await journal.record_ending(5, done(requests=2))
    await journal.record_ending(6, done(requests=3))
    await journal.record_ending(7, Ending(state=State.TIMED_OUT, requests=10))
    found = await journal.statistics()
    assert found.rows == 7
    assert found.states == {State.IMPOSSIBLE: 3, State.DONE: 3, State.TIMED_OUT: 1}
    assert found.states == await journal.counts()
    assert found.impossible == {Verdict.UNKNOWN: 2, Verdict.TERMINAL: 1}
    assert found.settled_by == {"callback": 1, "sweep": 2}
    assert (found.confirmed, found.unconfirmed) == (2, 1)
    assert (found.requests, found.requests_done) == (16, 6)


async def test_failures_are_grouped_by_class_with_the_first_as_sample(journal: Journal) -> None:
    await fill(journal, 4)
    for number in (2, 1, 3):
        rejected = BadRequest(400, 83007, f"fleet {number}")
        await journal.record_ending(number, Ending(state=State.FAILED, error=rejected))
    await journal.record_ending(4, Ending(state=State.FAILED, error=NotFound(404)))
    found = (await journal.statistics()).failures
    sample = "fleet 1 (HTTP 400, code 83007)"
    assert found["BadRequest"] == FailureGroup(error_type="BadRequest", rows=3, sample=sample)
    assert list(found) == ["BadRequest", "NotFound"]


async def test_percentiles_cover_the_rows_that_are_done(journal: Journal) -> None:
    await fill(journal, 101)
    for number in range(1, 101):
        await journal.record_ending(number, done(seconds=float(101 - number)))
    await journal.record_ending(101, Ending(state=State.TIMED_OUT, seconds=9999.0))
    found = await journal.statistics()
    assert (found.p50, found.p95, found.p99, found.slowest) == (50.0, 95.0, 99.0, 100.0)


async def test_a_single_row_gives_all_percentiles(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_ending(1, done(seconds=4.0))
    found = await journal.statistics()
    assert (found.p50, found.p95, found.p99, found.slowest) == (4.0,) * 4


async def test_results_of_some_states_come_in_input_order(journal: Journal) -> None:
    await fill(journal, 1100)
    for number in (1099, 3, 700):
        await journal.record_ending(number, done())
    numbers = [result.number async for result in journal.results({State.DONE})]
    assert numbers == [3, 700, 1099]
    assert [result.number async for result in journal.results()] == list(range(1, 1101))


async def test_runs_are_numbered_and_record_who_started_them(
    place: Place, clock: ManualClock
) -> None:
    async with place.journal(clock=clock) as journal:
        await fill(journal)
        await clock.advance(60)
        await journal.end_run("drained")
    async with place.journal(clock=clock) as journal:
        assert await journal.begin_run() == 2
        first, second = await journal.runs()
    assert (first.number, first.reason, first.pid) == (1, "drained", os.getpid())
    assert first.ended_at is not None
    assert (first.ended_at - first.started_at).total_seconds() == 60
    assert (second.ended_at, second.reason) == (None, None)

"""Steps of single rows: their order, their commits, and what adds up over runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asyncsim.bulk import failures
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.writer import TICK
from asyncsim.bulk.records import Ending, State
from asyncsim.clock import ManualClock
from asyncsim.errors import BadRequest, JournalError
from tests.bulk.journal.samples import change_by_hand, entry_of, fed, fill, query, states_in


@pytest.fixture
async def timed(path: Path, clock: ManualClock) -> AsyncIterator[Journal]:
    """A journal with ten rows, on a clock that stands still."""
    async with Journal.open(path, clock=clock) as journal:
        await fill(journal, 10)
        yield journal


async def test_an_intent_that_returned_is_in_the_file(journal: Journal, path: Path) -> None:
    await fill(journal, 200)

    async def intend(number: int) -> None:
        await journal.record_intent(number)
        assert query(path, f"SELECT state FROM rows WHERE number={number}") == [("sending",)]

    await asyncio.gather(*map(intend, range(1, 201)))


async def test_an_intent_waits_for_the_tick_that_writes_it(
    timed: Journal, clock: ManualClock, path: Path
) -> None:
    intents = [asyncio.create_task(timed.record_intent(number)) for number in (1, 2, 3)]
    await clock.advance(TICK / 2)
    assert not any(task.done() for task in intents)
    assert set(states_in(path).values()) == {"read"}
    await clock.advance(TICK / 2)
    await asyncio.gather(*intents)
    assert list(states_in(path).values())[:4] == ["sending", "sending", "sending", "read"]


async def test_what_is_buffered_is_written_by_the_next_tick(
    timed: Journal, clock: ManualClock, path: Path
) -> None:
    await timed.record_accepted(1)
    assert states_in(path)[1] == "read"
    await clock.advance(TICK)
    assert states_in(path)[1] == "accepted"


async def test_flushing_needs_no_time_to_pass(timed: Journal, path: Path) -> None:
    await timed.record_accepted(4)
    await timed.flush()
    assert states_in(path)[4] == "accepted"
    await timed.flush()


async def test_closing_writes_what_was_buffered(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 2)
        await journal.record_ending(2, Ending(state=State.FAILED))
    assert states_in(path) == {1: "read", 2: "failed"}


async def test_reading_sees_what_was_buffered_before(timed: Journal) -> None:
    await timed.record_accepted(1)
    assert await fed(timed, State.ACCEPTED) == [1]
    await timed.record_ending(1, Ending(state=State.DONE))
    assert (await timed.counts())[State.DONE] == 1
    await timed.record_unsent(1)
    assert await fed(timed, State.READY) == [1]


async def test_moves_of_a_row_within_one_tick_keep_their_order(timed: Journal) -> None:
    await timed.record_unsent(1)
    await timed.record_accepted(1)
    await timed.record_ending(1, Ending(state=State.TIMED_OUT))
    await timed.record_ending(2, Ending(state=State.DONE))
    await timed.record_accepted(2)
    await timed.record_unsent(3)
    await timed.record_ending(3, Ending(state=State.FAILED))
    await timed.record_unsent(3)
    counts = await timed.counts()
    assert await fed(timed, State.TIMED_OUT) == [1]
    assert await fed(timed, State.ACCEPTED) == [2]
    assert await fed(timed, State.READY) == [3]
    assert counts[State.READ] == 7


async def test_a_row_that_was_not_sent_after_all_is_ready(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_intent(1)
    await journal.record_unsent(1)
    assert await fed(journal, State.READY) == [1]


async def test_requests_add_up_over_runs_and_the_rest_is_the_latest(journal: Journal) -> None:
    await fill(journal, 1)
    refused = BadRequest(400, 83007, "no such fleet", asked="POST /v1/Sims/HS1")
    await journal.record_ending(
        1, Ending(state=State.FAILED, error=refused, status="new", requests=2)
    )
    await journal.record_ending(
        1, Ending(state=State.DONE, settled_by="read", confirmed=True, requests=3, sid="HS1")
    )
    [result] = [result async for result in journal.results()]
    assert (result.requests, result.status, result.sid) == (5, "new", "HS1")
    assert (result.error, result.error_type, result.error_parts) == (None, None, None)
    assert (result.settled_by, result.confirmed) == ("read", True)


async def test_an_error_comes_back_typed(journal: Journal) -> None:
    await fill(journal, 1)
    refused = BadRequest(400, 83007, "no such fleet", asked="POST /v1/Sims/HS1")
    await journal.record_ending(1, Ending(state=State.FAILED, error=refused))
    [result] = [result async for result in journal.results()]
    assert (result.error_type, result.error) == ("BadRequest", str(refused))
    assert result.error_parts is not None
    loaded = failures.load(result.error_parts)
    assert isinstance(loaded, BadRequest)
    assert (loaded.code, str(loaded)) == (83007, str(refused))


async def test_an_error_text_that_no_database_takes_is_kept_nearly(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_ending(
        1, Ending(state=State.FAILED, error=ValueError("half \ud800 a pair"))
    )
    [result] = [result async for result in journal.results()]
    assert result.error == "half ? a pair"


async def test_times_are_kept_in_utc(timed: Journal, clock: ManualClock, path: Path) -> None:
    await clock.advance(90)
    await timed.record_accepted(1)
    await clock.advance(30)
    await timed.record_ending(1, Ending(state=State.DONE))
    await timed.record_ending(2, Ending(state=State.TIMED_OUT))
    results = [result async for result in timed.results()]
    assert results[0].accepted_at == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    assert results[0].ended_at == datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
    assert results[1].ended_at is None
    stored = query(path, "SELECT ended_at FROM rows WHERE number = 1")
    assert stored == [("2026-01-01T00:02:00.000000Z",)]


async def test_a_second_sending_forgets_what_the_first_was_answered(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_accepted(1, reference="HC1")
    await journal.record_intent(1)
    entry = await entry_of(journal, 1)
    assert (entry.accepted_at, entry.reference) == (None, None)


async def test_a_feed_gives_each_row_once_though_states_change(journal: Journal) -> None:
    await fill(journal, 1200)
    given: list[int] = []
    async for entry in journal.entries({State.READ, State.ACCEPTED}):
        given.append(entry.number)
        await journal.record_accepted(entry.number)
    assert given == list(range(1, 1201))
    assert await journal.counts() == {State.ACCEPTED: 1200}


async def test_a_full_buffer_makes_the_next_one_wait(path: Path, clock: ManualClock) -> None:
    async with Journal.open(path, clock=clock) as journal:
        await fill(journal, 3)
        journal._writer._largest_batch = 2
        for number in (1, 2, 3):  # the third gets room without time passing
            await journal.record_accepted(number)
        assert list(states_in(path).values()) == ["accepted", "accepted", "read"]


async def test_a_cancelled_intent_leaves_the_journal_in_order(
    timed: Journal, clock: ManualClock
) -> None:
    intents = [asyncio.create_task(timed.record_intent(number)) for number in (1, 2)]
    await clock.advance(0)
    intents[0].cancel()
    await clock.advance(TICK)
    await intents[1]
    assert await fed(timed, State.SENDING) == [1, 2]


async def test_a_row_that_is_not_there_cannot_be_sent(journal: Journal, path: Path) -> None:
    await fill(journal, 2)
    change_by_hand(path, "DELETE FROM rows WHERE number = 2")
    with pytest.raises(JournalError, match="another program has changed the file"):
        await journal.record_intent(2)


async def test_cancelling_any_work_leaves_the_journal_usable(journal: Journal) -> None:
    await fill(journal, 50)
    for turns in range(12):
        work = asyncio.create_task(journal.statistics())
        writing = asyncio.create_task(journal.begin_run())
        for _ in range(turns):
            await asyncio.sleep(0)
        work.cancel()
        writing.cancel()
        await asyncio.gather(work, writing, return_exceptions=True)
    await journal.record_intent(1)
    assert (await journal.counts())[State.SENDING] == 1

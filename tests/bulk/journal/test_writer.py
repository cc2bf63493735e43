"""Group commit of single-row steps: order, commits, and totals across runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from asyncsim.bulk import failures
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.writer import TICK
from asyncsim.bulk.records import Ending, State
from asyncsim.clock import ManualClock
from asyncsim.errors import BadRequest, JournalError
from tests.bulk.journal.samples import entry_of, fill, next_rows
from tests.bulk.places import Place


@pytest.fixture
async def timed(place: Place, clock: ManualClock) -> AsyncIterator[Journal]:
    """A journal with ten rows and a manual clock."""
    async with place.journal(clock=clock) as journal:
        await fill(journal, 10)
        yield journal


async def test_an_intent_that_returned_is_durable(journal: Journal, place: Place) -> None:
    await fill(journal, 60)

    async def intend(number: int) -> None:
        await journal.record_intent(number)
        assert place.query(f"SELECT state FROM rows WHERE number={number}") == [("sending",)]

    await asyncio.gather(*map(intend, range(1, 61)))


async def test_an_intent_returns_only_once_committed(
    timed: Journal, clock: ManualClock, place: Place
) -> None:
    intents = [asyncio.create_task(timed.record_intent(number)) for number in (1, 2, 3)]
    await clock.advance(TICK / 2)
    assert not any(task.done() for task in intents)
    assert set(place.states().values()) == {"read"}
    await clock.advance(TICK / 2)
    await asyncio.gather(*intents)
    assert list(place.states().values())[:4] == ["sending", "sending", "sending", "read"]


async def test_a_thousand_rows_whose_intents_are_committed_do_not_go_on_in_one_turn(
    journal: Journal,
) -> None:
    await fill(journal, 1000)
    went_on = 0
    in_one_turn = [0]

    async def count_turns() -> None:
        before = 0
        while True:
            await asyncio.sleep(0)
            in_one_turn.append(went_on - before)
            before = went_on

    async def intend(number: int) -> None:
        nonlocal went_on
        await journal.record_intent(number)
        went_on += 1

    counting = asyncio.create_task(count_turns())
    await asyncio.gather(*map(intend, range(1, 1001)))
    counting.cancel()
    assert max(in_one_turn) <= 128
    assert (await journal.counts())[State.SENDING] == 1000


async def test_buffered_steps_are_written_by_the_next_commit(
    timed: Journal, clock: ManualClock, place: Place
) -> None:
    await timed.record_accepted(1)
    assert place.states()[1] == "read"
    await clock.advance(TICK)
    assert place.states()[1] == "accepted"


async def test_flushing_does_not_wait_for_the_clock(timed: Journal, place: Place) -> None:
    await timed.record_accepted(4)
    await timed.flush()
    assert place.states()[4] == "accepted"
    await timed.flush()


async def test_closing_writes_buffered_steps(place: Place) -> None:
    async with place.journal() as journal:
        await fill(journal, 2)
        await journal.record_ending(2, Ending(state=State.FAILED))
    assert place.states() == {1: "read", 2: "failed"}


async def test_reading_sees_buffered_steps(timed: Journal) -> None:
    await timed.record_accepted(1)
    assert await next_rows(timed, State.ACCEPTED) == [1]
    await timed.record_ending(1, Ending(state=State.DONE))
    assert (await timed.counts())[State.DONE] == 1
    await timed.record_unsent(1)
    assert await next_rows(timed, State.READY) == [1]


async def test_steps_of_a_row_within_one_commit_keep_their_order(timed: Journal) -> None:
    await timed.record_unsent(1)
    await timed.record_accepted(1)
    await timed.record_ending(1, Ending(state=State.TIMED_OUT))
    await timed.record_ending(2, Ending(state=State.DONE))
    await timed.record_accepted(2)
    await timed.record_unsent(3)
    await timed.record_ending(3, Ending(state=State.FAILED))
    await timed.record_unsent(3)
    counts = await timed.counts()
    assert await next_rows(timed, State.TIMED_OUT) == [1]
    assert await next_rows(timed, State.ACCEPTED) == [2]
    assert await next_rows(timed, State.READY) == [3]
    assert counts[State.READ] == 7


async def test_a_row_that_was_not_sent_after_all_becomes_ready(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_intent(1)
    await journal.record_unsent(1)
    assert await next_rows(journal, State.READY) == [1]


async def test_requests_are_summed_across_runs_and_other_values_are_the_latest(
    journal: Journal,
) -> None:
    await fill(journal, 1)
    rejected = BadRequest(400, 83007, "no such fleet", asked="POST /v1/Sims/HS1")
    await journal.record_ending(
        1, Ending(state=State.FAILED, error=rejected, status="new", requests=2)
    )
    await journal.record_ending(
        1, Ending(state=State.DONE, settled_by="read", confirmed=True, requests=3, sid="HS1")
    )
    [result] = [result async for result in journal.results()]
    assert (result.requests, result.status, result.sid) == (5, "new", "HS1")
    assert (result.error, result.error_type, result.error_parts) == (None, None, None)
    assert (result.settled_by, result.confirmed) == ("read", True)


async def test_an_error_is_restored_with_its_type(journal: Journal) -> None:
    await fill(journal, 1)
    rejected = BadRequest(400, 83007, "no such fleet", asked="POST /v1/Sims/HS1")
    await journal.record_ending(1, Ending(state=State.FAILED, error=rejected))
    [result] = [result async for result in journal.results()]
    assert (result.error_type, result.error) == ("BadRequest", str(rejected))
    assert result.error_parts is not None
    loaded = failures.load(result.error_parts)
    assert isinstance(loaded, BadRequest)
    assert (loaded.code, str(loaded)) == (83007, str(rejected))


async def test_an_error_text_that_cannot_be_stored_is_kept_escaped(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_ending(
        1, Ending(state=State.FAILED, error=ValueError("half \ud800 a pair"))
    )
    [result] = [result async for result in journal.results()]
    assert result.error == "half ? a pair"


async def test_times_are_kept_in_utc(timed: Journal, clock: ManualClock, place: Place) -> None:
    await clock.advance(90)
    await timed.record_accepted(1)
    await clock.advance(30)
    await timed.record_ending(1, Ending(state=State.DONE))
    await timed.record_ending(2, Ending(state=State.TIMED_OUT))
    results = [result async for result in timed.results()]
    assert results[0].accepted_at == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    assert results[0].ended_at == datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
    assert results[1].ended_at is None
    [(stored,)] = place.query("SELECT ended_at FROM rows WHERE number = 1")
    if isinstance(stored, str):  # SQLite has no type for it
        assert stored == "2026-01-01T00:02:00.000000Z"
        stored = datetime.fromisoformat(stored)
    assert stored == datetime(2026, 1, 1, 0, 2, tzinfo=UTC)


async def test_resending_clears_the_response_to_the_first_attempt(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_accepted(1, reference="HC1")
    await journal.record_intent(1)
    entry = await entry_of(journal, 1)
    assert (entry.accepted_at, entry.reference) == (None, None)


async def test_reading_ready_rows_yields_each_once_while_states_change(journal: Journal) -> None:
    await fill(journal, 1200)
    given: list[int] = []
    async for entry in journal.entries({State.READ, State.ACCEPTED}):
        given.append(entry.number)
        await journal.record_accepted(entry.number)
    assert given == list(range(1, 1201))
    assert await journal.counts() == {State.ACCEPTED: 1200}


async def test_a_full_buffer_blocks_the_next_step(place: Place, clock: ManualClock) -> None:
    async with place.journal(clock=clock) as journal:
        await fill(journal, 3)
        journal._writer._largest_batch = 2
        for number in (1, 2, 3):  # the third gets a slot without the clock moving
            await journal.record_accepted(number)
        assert list(place.states().values()) == ["accepted", "accepted", "read"]


async def test_a_cancelled_intent_leaves_the_journal_consistent(
    timed: Journal, clock: ManualClock
) -> None:
    intents = [asyncio.create_task(timed.record_intent(number)) for number in (1, 2)]
    await clock.advance(0)
    intents[0].cancel()
    await clock.advance(TICK)
    await intents[1]
    assert await next_rows(timed, State.SENDING) == [1, 2]


async def test_an_unknown_row_cannot_be_sent(journal: Journal, place: Place) -> None:
    await fill(journal, 2)
    place.change("DELETE FROM rows WHERE number = 2")
    with pytest.raises(JournalError, match="another program has changed it"):
        await journal.record_intent(2)


async def test_cancelling_any_call_leaves_the_journal_usable(journal: Journal) -> None:
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

"""What planning passes write: which rows are still to judge, and what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import OPEN, Ending, Planned, State, Verdict
from asyncsim.errors import JournalError, NotFound
from tests.bulk.journal.samples import entry_of, fed, fill, ready, row


async def test_rows_are_matched_by_name_or_sid_and_only_once(journal: Journal) -> None:
    await fill(journal, 4)
    assert [entry.number for entry in await journal.match_unplanned(["893", "891", "none"])] == [
        1,
        3,
    ]
    await journal.record_plan([ready(1, sid="HS1"), ready(3, sid="HS3", before="new")])
    assert await journal.match_unplanned(["891", "893"]) == []
    assert await journal.begin_plan(OPEN) == 4
    [third] = await journal.match_unplanned(["893", "HS3"])
    assert (third.sid, third.before, third.state) == ("HS3", "new", State.READY)
    assert third.verdict is Verdict.CHANGE


async def test_three_thousand_names_are_matched_at_once(journal: Journal) -> None:
    await fill(journal, 3000)
    names = [f"89{number}" for number in range(3000, 0, -1)]
    assert [e.number for e in await journal.match_unplanned(names)] == list(range(1, 3001))


async def test_rows_may_be_planned_while_the_rest_is_walked(journal: Journal) -> None:
    await fill(journal, 7)
    await journal.record_plan([ready(2), ready(5)])
    seen: list[list[int]] = []
    async for entries in journal.unplanned(chunk=2):
        seen.append([entry.number for entry in entries])
        await journal.record_plan([ready(entry.number) for entry in entries])
    assert seen == [[1, 3], [4, 6], [7]]
    assert await journal.count_unplanned() == 0


async def test_a_look_leaves_out_what_is_in_other_states(journal: Journal) -> None:
    await fill(journal, 3)
    await journal.record_ending(2, Ending(state=State.DONE, confirmed=True))
    assert await journal.begin_plan(OPEN) == 2
    assert [e.number for e in await journal.match_unplanned(["891", "892", "893"])] == [1, 3]


async def test_looks_are_counted_on_in_the_next_process(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 2)
        await journal.record_plan([ready(1), ready(2)])
        assert await journal.count_unplanned() == 0
    async with Journal.open(path) as journal:
        assert await journal.begin_plan(OPEN) == 2


async def test_a_plan_is_written_whole_or_not_at_all(journal: Journal) -> None:
    await fill(journal, 2)
    with pytest.raises(JournalError, match="surrogates not allowed"):
        await journal.record_plan([ready(1), ready(2, sid="\ud800")])
    assert await journal.count_unplanned() == 2


async def test_a_look_keeps_what_it_does_not_know_better(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_plan([ready(1, sid="HS1", before="new")])
    await journal.record_intent(1)
    await journal.record_accepted(1, reference="HC1")
    await journal.begin_plan(OPEN)
    await journal.record_plan([Planned(number=1, verdict=Verdict.BUSY, state=State.ACCEPTED)])
    entry = await entry_of(journal, 1)
    assert (entry.sid, entry.before, entry.reference) == ("HS1", "new", "HC1")
    assert entry.accepted_at is not None


async def test_why_a_row_is_impossible_stands_in_its_result(journal: Journal) -> None:
    await fill(journal, 2)
    hopeless = {"verdict": Verdict.UNKNOWN, "state": State.IMPOSSIBLE}
    await journal.record_plan(
        [ready(1, note="odd"), ready(2, note="not in this account", **hopeless)]
    )
    results = [result async for result in journal.results()]
    assert [result.error for result in results] == [None, "not in this account"]
    assert results[1].ended_at is not None
    await journal.begin_plan(OPEN)
    await journal.record_plan([ready(2)])
    [again] = [result async for result in journal.results({State.READY}) if result.number == 2]
    assert (again.error, again.ended_at) == (None, None)


async def test_what_was_agreed_to_is_kept_with_the_rows_that_were_to_change(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 3)
        await journal.record_plan([ready(1), ready(2)])
        await journal.record_intent(2)
        await journal.approve()
    async with Journal.open(path) as journal:
        agreed = {entry.number async for entry in journal.entries(OPEN) if entry.approved}
        assert agreed == {1, 2}


async def test_different_rows_that_are_one_sim_are_told(journal: Journal) -> None:
    await fill(journal, 0, row(1), row(2, change={"fleet": "x"}), row(3))
    await journal.record_plan([ready(1, sid="HSa"), ready(2, sid="HSa"), ready(3, sid="HSb")])
    [found] = await journal.duplicate_sims()
    assert (found.name, found.lines, found.conflicting) == ("HSa", (2, 3), True)


async def test_what_only_a_callback_told_is_looked_at_and_then_certain(journal: Journal) -> None:
    await fill(journal, 3)
    told = Ending(state=State.DONE, settled_by="callback", seconds=2.0)
    await journal.record_ending(1, told)
    await journal.record_ending(2, Ending(state=State.DONE, settled_by="read", confirmed=True))
    assert await journal.reopen_unconfirmed() == 1
    assert await fed(journal, State.ACCEPTED) == [1]
    await journal.begin_plan({State.ACCEPTED})
    await journal.record_plan([Planned(number=1, verdict=Verdict.ALREADY, state=State.DONE)])
    [result, _] = [result async for result in journal.results({State.DONE})]
    assert (result.settled_by, result.confirmed, result.seconds) == ("callback", True, 2.0)
    assert await journal.reopen_unconfirmed() == 0


async def test_what_a_crash_has_hidden_is_done_by_what_the_list_shows(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_intent(1)
    await journal.begin_plan(OPEN)
    await journal.record_plan([Planned(number=1, verdict=Verdict.ALREADY, state=State.DONE)])
    [result] = [result async for result in journal.results()]
    assert (result.settled_by, result.confirmed) == ("sweep", True)
    assert result.ended_at is not None


async def test_a_failed_row_is_given_to_a_run_that_retries_and_keeps_its_error_until_it_is_sent(
    journal: Journal,
) -> None:
    await fill(journal, 2)
    await journal.record_intent(1)
    await journal.record_accepted(1, reference="HC1")
    failure = NotFound(404, 20404, "gone")
    await journal.record_ending(1, Ending(state=State.FAILED, error=failure, requests=3, seconds=9))
    await journal.record_ending(2, Ending(state=State.DONE, confirmed=True))
    await journal.begin_run()
    assert [one async for one in journal.entries({State.FAILED})] == []
    await journal.begin_run(retry_failed=True)
    assert await journal.count_retries() == 1
    await journal.begin_plan(OPEN | {State.FAILED})
    await journal.record_plan(
        [Planned(number=1, verdict=Verdict.CHANGE, state=State.FAILED, sid="HS1")]
    )
    [result] = [result async for result in journal.results({State.FAILED})]
    assert (result.sid, result.requests, result.seconds) == ("HS1", 3, 9)
    assert (result.error_type, result.verdict) == ("NotFound", Verdict.CHANGE)
    [entry] = [entry async for entry in journal.entries({State.FAILED})]
    await journal.record_intent(entry.number)
    await journal.record_unsent(entry.number)  # not sent after all
    assert [one.error_type async for one in journal.results({State.FAILED})] == ["NotFound"]
    await journal.record_intent(entry.number)
    await journal.record_accepted(entry.number)
    [result] = [result async for result in journal.results({State.ACCEPTED})]
    assert (result.error, result.error_type, result.error_parts) == (None, None, None)
    assert await journal.count_retries() == 0


async def test_what_was_perhaps_sent_once_is_remembered_when_a_look_calls_it_ready_again(
    journal: Journal,
) -> None:
    await fill(journal, 2)
    await journal.record_plan([ready(1), ready(2)])
    await journal.record_intent(1)
    await journal.begin_plan(OPEN)
    await journal.record_plan([ready(1), ready(2)])
    await journal.begin_plan(OPEN)
    await journal.record_plan([ready(1), ready(2)])
    assert [(await entry_of(journal, number)).sent for number in (1, 2)] == [True, False]

"""Planning passes: the rows still to plan, and what a pass keeps."""

from __future__ import annotations

import pytest

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import OPEN, Ending, Planned, State, Verdict
from asyncsim.errors import JournalError, NotFound
from tests.bulk.journal.samples import entry_of, fill, next_rows, planned_row, row
from tests.bulk.places import Place


async def test_rows_are_matched_by_name_or_sid_and_only_once(journal: Journal) -> None:
    await fill(journal, 4)
    assert [entry.number for entry in await journal.match_unplanned(["893", "891", "none"])] == [
        1,
        3,
    ]
    await journal.record_plan([planned_row(1, sid="HS1"), planned_row(3, sid="HS3", before="new")])
    assert await journal.match_unplanned(["891", "893"]) == []
    assert await journal.begin_plan(OPEN) == 4
    [third] = await journal.match_unplanned(["893", "HS3"])
    assert (third.sid, third.before, third.state) == ("HS3", "new", State.READY)
    assert third.verdict is Verdict.CHANGE


async def test_three_thousand_names_are_matched_at_once(journal: Journal) -> None:
    await fill(journal, 3000)
    names = [f"89{number}" for number in range(3000, 0, -1)]
    assert [e.number for e in await journal.match_unplanned(names)] == list(range(1, 3001))


async def test_rows_may_be_planned_while_the_list_is_still_scanned(journal: Journal) -> None:
    await fill(journal, 7)
    await journal.record_plan([planned_row(2), planned_row(5)])
    seen: list[list[int]] = []
    async for entries in journal.unplanned(chunk=2):
        seen.append([entry.number for entry in entries])
        await journal.record_plan([planned_row(entry.number) for entry in entries])
    assert seen == [[1, 3], [4, 6], [7]]
    assert await journal.count_unplanned() == 0


async def test_a_planning_pass_skips_rows_in_other_states(journal: Journal) -> None:
    await fill(journal, 3)
    await journal.record_ending(2, Ending(state=State.DONE, confirmed=True))
    assert await journal.begin_plan(OPEN) == 2
    assert [e.number for e in await journal.match_unplanned(["891", "892", "893"])] == [1, 3]


async def test_planning_passes_are_counted_across_processes(place: Place) -> None:
    async with place.journal() as journal:
        await fill(journal, 2)
        await journal.record_plan([planned_row(1), planned_row(2)])
        assert await journal.count_unplanned() == 0
    async with place.journal() as journal:
        assert await journal.begin_plan(OPEN) == 2


async def test_a_plan_is_written_atomically(journal: Journal) -> None:
    await fill(journal, 2)
    with pytest.raises(JournalError, match="surrogates not allowed"):
        await journal.record_plan([planned_row(1), planned_row(2, sid="\ud800")])
    assert await journal.count_unplanned() == 2


async def test_a_planning_pass_keeps_values_it_has_no_newer_ones_for(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_plan([planned_row(1, sid="HS1", before="new")])
    await journal.record_intent(1)
    await journal.record_accepted(1, reference="HC1")
    await journal.begin_plan(OPEN)
    await journal.record_plan([Planned(number=1, verdict=Verdict.BUSY, state=State.ACCEPTED)])
    entry = await entry_of(journal, 1)
    assert (entry.sid, entry.before, entry.reference) == ("HS1", "new", "HC1")
    assert entry.accepted_at is not None


async def test_the_result_says_why_a_row_is_impossible(journal: Journal) -> None:
    await fill(journal, 2)
    impossible = {"verdict": Verdict.UNKNOWN, "state": State.IMPOSSIBLE}
    await journal.record_plan(
        [planned_row(1, note="a note"), planned_row(2, note="not in this account", **impossible)]
    )
    results = [result async for result in journal.results()]
    assert [result.error for result in results] == [None, "not in this account"]
    assert results[1].ended_at is not None
    await journal.begin_plan(OPEN)
    await journal.record_plan([planned_row(2)])
    [next_pass] = [result async for result in journal.results({State.READY}) if result.number == 2]
    assert (next_pass.error, next_pass.ended_at) == (None, None)


async def test_the_confirmation_is_kept_with_the_rows_to_change(place: Place) -> None:
    async with place.journal() as journal:
        await fill(journal, 3)
        await journal.record_plan([planned_row(1), planned_row(2)])
        await journal.record_intent(2)
        await journal.approve()
    async with place.journal() as journal:
        confirmed = {entry.number async for entry in journal.entries(OPEN) if entry.approved}
        assert confirmed == {1, 2}


async def test_different_rows_for_one_sim_are_reported(journal: Journal) -> None:
    await fill(journal, 0, row(1), row(2, change={"fleet": "x"}), row(3))
    await journal.record_plan(
        [planned_row(1, sid="HSa"), planned_row(2, sid="HSa"), planned_row(3, sid="HSb")]
    )
    [found] = await journal.duplicate_sims()
    assert (found.name, found.lines, found.conflicting) == ("HSa", (2, 3), True)


async def test_a_row_settled_by_callback_is_verified_by_the_next_planning_pass(
    journal: Journal,
) -> None:
    await fill(journal, 3)
    ending = Ending(state=State.DONE, settled_by="callback", seconds=2.0)
    await journal.record_ending(1, ending)
    await journal.record_ending(2, Ending(state=State.DONE, settled_by="read", confirmed=True))
    assert await journal.reopen_unconfirmed() == 1
    assert await next_rows(journal, State.ACCEPTED) == [1]
    await journal.begin_plan({State.ACCEPTED})
    await journal.record_plan([Planned(number=1, verdict=Verdict.ALREADY, state=State.DONE)])
    [result, _] = [result async for result in journal.results({State.DONE})]
    assert (result.settled_by, result.confirmed, result.seconds) == ("callback", True, 2.0)
    assert await journal.reopen_unconfirmed() == 0


async def test_a_row_left_unknown_by_a_crash_is_settled_by_the_list(journal: Journal) -> None:
    await fill(journal, 1)
    await journal.record_intent(1)
    await journal.begin_plan(OPEN)
    await journal.record_plan([Planned(number=1, verdict=Verdict.ALREADY, state=State.DONE)])
    [result] = [result async for result in journal.results()]
    assert (result.settled_by, result.confirmed) == ("sweep", True)
    assert result.ended_at is not None


async def test_a_failed_row_keeps_its_error_until_its_retry_is_sent(
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
    await journal.record_unsent(entry.number)  # it was not sent after all
    assert [one.error_type async for one in journal.results({State.FAILED})] == ["NotFound"]
    assert await journal.count_retries() == 1
    await journal.record_intent(entry.number)
    await journal.record_accepted(entry.number)
    [result] = [result async for result in journal.results({State.ACCEPTED})]
    assert (result.error, result.error_type, result.error_parts) == (None, None, None)
    assert await journal.count_retries() == 0


async def test_a_row_that_may_have_been_sent_stays_marked_when_a_pass_makes_it_ready_again(
    journal: Journal,
) -> None:
    await fill(journal, 2)
    await journal.record_plan([planned_row(1), planned_row(2)])
    await journal.record_intent(1)
    await journal.begin_plan(OPEN)
    await journal.record_plan([planned_row(1), planned_row(2)])
    await journal.begin_plan(OPEN)
    await journal.record_plan([planned_row(1), planned_row(2)])
    assert [(await entry_of(journal, number)).sent for number in (1, 2)] == [True, False]

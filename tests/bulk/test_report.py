from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asyncsim import errors
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.plan import Plan
from asyncsim.bulk.records import SUCCEEDED, Ending, State, Verdict
from asyncsim.bulk.report import Report, report_on
from tests.bulk.journals import (
    CUT,
    LATE,
    LOST,
    NO_FLEET,
    SENDING,
    Fate,
    done,
    failed,
    fill,
    planned,
    sid,
    target,
)

THERE = planned("there", Verdict.ALREADY, State.ALREADY, before="active")
ABSENT = planned("absent", Verdict.UNKNOWN, State.IMPOSSIBLE)
GONE = planned("gone", Verdict.TERMINAL, State.IMPOSSIBLE, before="canceled")
STUCK = planned("stuck", Verdict.ILLEGAL, State.IMPOSSIBLE, before="new", change={"fleet": "blue"})
UNREAD = Fate(name="unread", verdict=None)
UNSENT = Fate(name="unsent", sent=False)
ON_ITS_WAY = Fate(name="on its way")
TAKEN = Fate(name="taken", reference="")
REFUSED = failed("refused", NO_FLEET)
TOO_LATE = failed("late", LATE, State.TIMED_OUT)
SILENT = failed("silent", CUT, State.NO_ANSWER)
UNCLEAR = failed("unclear", LOST, State.UNKNOWN)

PLAN = Plan(rows=4, verdicts={Verdict.CHANGE: 4}, samples={}, irreversible=0, requests=2)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal.open(target(tmp_path)) as opened:
        yield opened


def failures_of(report: Report) -> ExceptionGroup[Exception]:
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_failures()
    return caught.value


def by_reason(report: Report) -> dict[str, int]:
    return {one.reason: one.rows for one in report.shortfalls}


async def test_a_job_whose_sims_are_all_at_their_goal_is_ok(journal: Journal) -> None:
    await fill(journal, [done("a"), THERE])
    report = await report_on(journal)
    assert (report.ok, report.finished, report.rows) == (True, True, 2)
    assert report.states == {State.DONE: 1, State.ALREADY: 1}
    assert (report.errors, report.shortfalls) == ((), ())
    report.raise_for_failures()


@pytest.mark.parametrize("fate", [REFUSED, ABSENT, GONE, STUCK, UNCLEAR], ids=lambda f: f.name)
async def test_what_no_other_run_would_mend_leaves_a_job_finished_and_not_ok(
    journal: Journal, fate: Fate
) -> None:
    await fill(journal, [fate])
    report = await report_on(journal)
    assert (report.ok, report.finished) == (False, True)
    assert len(failures_of(report).exceptions) == 1


@pytest.mark.parametrize(
    "fate",
    [UNREAD, UNSENT, ON_ITS_WAY, TAKEN, TOO_LATE, SILENT],
    ids=lambda fate: fate.name,
)
async def test_what_another_run_goes_on_with_leaves_a_job_unfinished(
    journal: Journal, fate: Fate
) -> None:
    await fill(journal, [fate])
    report = await report_on(journal)
    assert (report.ok, report.finished) == (False, False)
    assert len(failures_of(report).exceptions) == 1


async def test_every_row_that_is_not_at_its_goal_is_in_exactly_one_group(
    journal: Journal,
) -> None:
    fates = [done("a"), THERE, ABSENT, GONE, STUCK, UNREAD, UNSENT, ON_ITS_WAY, TAKEN]
    # A killed run leaves rows whose outcome is unknown and that have no error.
    torn = planned("torn", Verdict.BUSY, State.UNKNOWN)
    await fill(journal, [*fates, REFUSED, TOO_LATE, SILENT, UNCLEAR, torn])
    report = await report_on(journal)
    assert by_reason(report) == {
        "unknown outcome": 2,
        "refused (BadRequest)": 1,
        "timed out (TransitionTimeout)": 1,
        "no answer (ConnectionFailed)": 1,
        "unknown SIM": 1,
        "illegal transition": 1,
        "terminal": 1,
        "not looked up yet": 1,
        "not sent yet": 1,
        "perhaps sent": 1,
        "accepted, not settled": 1,
    }
    reached = sum(count for state, count in report.states.items() if state in SUCCEEDED)
    assert sum(one.rows for one in report.shortfalls) == report.rows - reached


async def test_each_group_shows_one_of_its_rows_and_the_way_out(journal: Journal) -> None:
    await fill(journal, [UNCLEAR, REFUSED, TOO_LATE, SILENT, ABSENT, STUCK])
    report = await report_on(journal)
    said = {one.reason: (one.sample, one.remedy) for one in report.shortfalls}
    sample, remedy = said["refused (BadRequest)"]
    assert (sample, "jobs retry-failed" in remedy) == (str(NO_FLEET), True)
    assert journal.target in remedy
    sample, remedy = said["unknown outcome"]
    assert (sample, "supersim.sms_commands.list(sim=...)" in remedy) == (str(LOST), True)
    assert "goes on waiting" in said["timed out (TransitionTimeout)"][1]
    assert "reads what became of them" in said["no answer (ConnectionFailed)"][1]
    assert "absent (line 6 of batch.csv)" in said["unknown SIM"][0]
    assert "check the name" in said["unknown SIM"][1]
    assert "from 'new'" in said["illegal transition"][0]


async def test_a_journal_with_spaces_in_its_path_is_quoted_for_the_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my jobs"
    folder.mkdir()
    async with Journal.open(target(folder)) as journal:
        await fill(journal, [REFUSED])
        report = await report_on(journal)
    assert f"retry-failed '{journal.target}'`" in report.shortfalls[0].remedy


async def test_the_errors_raised_are_typed_and_say_where_in_the_input_they_are(
    journal: Journal,
) -> None:
    await fill(journal, [done("a"), REFUSED, TOO_LATE, ABSENT, GONE, STUCK, UNCLEAR])
    group = failures_of(await report_on(journal))
    refused, late, absent, gone, stuck, unclear = group.exceptions
    assert (type(refused), vars(refused)["code"]) == (errors.BadRequest, 83007)
    assert isinstance(late, errors.TransitionTimeout)
    assert late.last == LATE.last
    assert isinstance(absent, errors.JobError)
    assert isinstance(gone, errors.UnreachableStatus)
    assert (gone.sid, gone.start) == (sid(5), "canceled")
    assert isinstance(stuck, errors.UnreachableStatus)
    assert stuck.requested == {"status": "active", "fleet": "blue"}
    assert isinstance(unclear, errors.OutcomeUnknown)
    assert refused.__notes__ == ["batch.csv, line 3: refused"]
    assert group.message == (
        "6 of 7 SIMs are not at their goal: 1 unknown outcome, 1 refused (BadRequest),"
        " 1 timed out (TransitionTimeout), 1 illegal transition, 1 terminal, 1 unknown SIM"
    )


async def test_a_text_that_a_killed_run_may_have_sent_is_an_unknown_outcome(
    journal: Journal,
) -> None:
    await fill(journal, [planned("torn", Verdict.BUSY, State.UNKNOWN)], head=SENDING)
    [error] = failures_of(await report_on(journal)).exceptions
    assert isinstance(error, errors.OutcomeUnknown)
    assert sid(1) in str(error)


async def test_rows_that_no_error_tells_of_are_one_error_that_says_how_to_go_on(
    journal: Journal,
) -> None:
    await fill(journal, [done("a"), UNSENT, ON_ITS_WAY, TAKEN, REFUSED])
    report = await report_on(journal, stopped="drained")
    refused, rest = failures_of(report).exceptions
    assert isinstance(refused, errors.BadRequest)
    assert type(rest) is errors.AsyncSimError
    assert str(rest) == (
        "3 SIMs are unfinished (the run ended early: drained); run the job again with the journal"
        f" {journal.target}: it goes on where it stopped"
    )


async def test_a_thousand_errors_are_enough_but_all_are_counted(journal: Journal) -> None:
    await fill(journal, [ABSENT] * 1001)
    report = await report_on(journal)
    group = failures_of(report)
    assert len(group.exceptions) == len(report.errors) == 1000
    assert "1,001 of 1,001 SIMs" in group.message
    assert group.message.endswith("(the first 1,000 are here)")
    assert by_reason(report) == {"unknown SIM": 1001}


async def test_requests_are_told_for_the_run_and_for_each_sim_it_looked_at(
    journal: Journal,
) -> None:
    await fill(journal, [done("a"), done("b"), done("c"), done("d", requests=3)])
    report = await report_on(journal, plan=PLAN, seconds=1.23456, requests=10)
    assert report.requests_per_sim == 2.5
    assert report.summary()["requests"] == {
        "run": 10,
        "run_per_sim": 2.5,
        "single": 6,
        "single_done": 6,
    }


async def test_a_run_that_had_nothing_to_look_at_has_no_requests_per_sim(
    journal: Journal,
) -> None:
    await fill(journal, [THERE])
    nothing = Plan(rows=0, verdicts={}, samples={}, irreversible=0, requests=0)
    assert (await report_on(journal, plan=nothing, requests=0)).requests_per_sim is None


async def test_the_summary_is_plain_json(journal: Journal) -> None:
    await fill(journal, [done("a"), REFUSED, ABSENT])
    report = await report_on(journal, plan=PLAN, stopped="limit", seconds=1.23456, requests=10)
    summary = report.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["job"]["change"] == {"status": "active"}
    assert summary["states"] == {"done": 1, "failed": 1, "impossible": 1}
    assert summary["seconds"] == dict.fromkeys(("p50", "p95", "p99", "slowest"), 2.5) | {
        "run": 1.235
    }
    assert summary["plan"]["verdicts"] == {"will change": 4}
    assert (summary["ok"], summary["finished"], summary["stopped"]) == (False, True, "limit")


async def test_an_error_that_is_not_ours_is_told_by_its_text(journal: Journal) -> None:
    await fill(journal, [failed("odd", ValueError("no such thing"))])
    report = await report_on(journal)
    assert by_reason(report) == {"failed (ValueError)": 1}
    [error] = report.errors
    assert (type(error), str(error)) == (errors.AsyncSimError, "no such thing")


async def test_a_row_that_failed_without_saying_why_is_told_by_its_name(journal: Journal) -> None:
    await fill(journal, [Fate(name="mute", ending=Ending(state=State.FAILED))])
    assert [str(error) for error in (await report_on(journal)).errors] == [f"{sid(1)}: failed"]


async def test_a_repr_does_not_spill_a_thousand_errors(journal: Journal) -> None:
    await fill(journal, [REFUSED])
    assert "BadRequest(" not in repr(await report_on(journal))


async def test_a_journal_without_a_job_has_no_report(journal: Journal) -> None:
    with pytest.raises(errors.JournalError, match="holds no job: run one"):
        await report_on(journal)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.RequestTimeout("GET", "late"), "no answer (RequestTimeout)"),
        (errors.QueueTimeout("POST", 3), "no answer (QueueTimeout)"),
        (errors.ServerError(503), "no answer (ServerError)"),
        (errors.PermissionDenied(403), "not allowed (PermissionDenied)"),
        (errors.Conflict(409), "busy (Conflict)"),
        (errors.NotFound(404), "refused (NotFound)"),
        (errors.TransitionFailed("HS1", {}, None), "settled elsewhere (TransitionFailed)"),
        (errors.DecodeError("Sim", "odd"), "failed (DecodeError)"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_a_group_says_in_words_what_its_error_means(
    journal: Journal, error: Exception, reason: str
) -> None:
    await fill(journal, [failed("a", error)])
    assert list(by_reason(await report_on(journal))) == [reason]

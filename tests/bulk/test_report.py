from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve

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
    RowSpec,
    done,
    failed,
    fill,
    planned,
    sid,
    target,
)
from tests.bulk.places import Place

THERE = planned("there", Verdict.ALREADY, State.ALREADY, before="active")
ABSENT = planned("absent", Verdict.UNKNOWN, State.IMPOSSIBLE)
GONE = planned("gone", Verdict.TERMINAL, State.IMPOSSIBLE, before="canceled")
STUCK = planned("stuck", Verdict.ILLEGAL, State.IMPOSSIBLE, before="new", change={"fleet": "blue"})
UNREAD = RowSpec(name="unread", verdict=None)
UNSENT = RowSpec(name="unsent", sent=False)
IN_FLIGHT = RowSpec(name="on its way")
TAKEN = RowSpec(name="taken", reference="")
REJECTED = failed("refused", NO_FLEET)
TOO_LATE = failed("late", LATE, State.TIMED_OUT)
SILENT = failed("silent", CUT, State.NO_ANSWER)
UNCLEAR = failed("unclear", LOST, State.UNKNOWN)

PLAN = Plan(rows=4, verdicts={Verdict.CHANGE: 4}, samples={}, irreversible=0, requests=2)


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    async with place.journal() as journal:
        yield journal


def failures_of(report: Report) -> ExceptionGroup[Exception]:
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_failures()
    return caught.value


def by_reason(report: Report) -> dict[str, int]:
    return {one.reason: one.rows for one in report.shortfalls}


async def test_a_job_with_all_sims_at_their_target_is_ok(journal: Journal) -> None:
    await fill(journal, [done("a"), THERE])
    report = await report_on(journal)
    assert (report.ok, report.finished, report.rows) == (True, True, 2)
    assert report.states == {State.DONE: 1, State.ALREADY: 1}
    assert (report.errors, report.shortfalls) == ((), ())
    report.raise_for_failures()


@pytest.mark.parametrize("spec", [REJECTED, ABSENT, GONE, STUCK, UNCLEAR], ids=lambda f: f.name)
async def test_permanent_failures_leave_a_job_finished_and_not_ok(
    journal: Journal, spec: RowSpec
) -> None:
    await fill(journal, [spec])
    report = await report_on(journal)
    assert (report.ok, report.finished) == (False, True)
    assert len(failures_of(report).exceptions) == 1


@pytest.mark.parametrize(
    "spec",
    [UNREAD, UNSENT, IN_FLIGHT, TAKEN, TOO_LATE, SILENT],
    ids=lambda spec: spec.name,
)
async def test_resumable_rows_leave_a_job_unfinished(journal: Journal, spec: RowSpec) -> None:
    await fill(journal, [spec])
    report = await report_on(journal)
    assert (report.ok, report.finished) == (False, False)
    assert len(failures_of(report).exceptions) == 1


async def test_every_row_off_target_is_in_exactly_one_group(
    journal: Journal,
) -> None:
    specs = [done("a"), THERE, ABSENT, GONE, STUCK, UNREAD, UNSENT, IN_FLIGHT, TAKEN]
    # A killed run leaves rows with an unknown outcome and no error.
    torn = planned("torn", Verdict.BUSY, State.UNKNOWN)
    await fill(journal, [*specs, REJECTED, TOO_LATE, SILENT, UNCLEAR, torn])
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


async def test_each_group_shows_a_sample_row_and_the_remedy(journal: Journal) -> None:
    await fill(journal, [UNCLEAR, REJECTED, TOO_LATE, SILENT, ABSENT, STUCK])
    report = await report_on(journal)
    shortfalls = {one.reason: (one.sample, one.remedy) for one in report.shortfalls}
    sample, remedy = shortfalls["refused (BadRequest)"]
    assert (sample, "jobs retry-failed" in remedy) == (str(NO_FLEET), True)
    assert journal.target in remedy
    sample, remedy = shortfalls["unknown outcome"]
    assert (sample, "supersim.sms_commands.list(sim=...)" in remedy) == (str(LOST), True)
    assert "continues to wait" in shortfalls["timed out (TransitionTimeout)"][1]
    assert "reads their outcome" in shortfalls["no answer (ConnectionFailed)"][1]
    assert "absent (line 6 of batch.csv)" in shortfalls["unknown SIM"][0]
    assert "check the name" in shortfalls["unknown SIM"][1]
    assert "from 'new'" in shortfalls["illegal transition"][0]


async def test_a_journal_with_spaces_in_its_path_is_quoted_for_the_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my jobs"
    folder.mkdir()
    async with Journal.open(target(folder)) as journal:
        await fill(journal, [REJECTED])
        report = await report_on(journal)
    assert f"retry-failed '{journal.target}'`" in report.shortfalls[0].remedy


async def test_errors_are_typed_and_name_their_input_line(
    journal: Journal,
) -> None:
    await fill(journal, [done("a"), REJECTED, TOO_LATE, ABSENT, GONE, STUCK, UNCLEAR])
    group = failures_of(await report_on(journal))
    rejected, late, absent, gone, stuck, unclear = group.exceptions
    assert (type(rejected), vars(rejected)["code"]) == (errors.BadRequest, 83007)
    assert isinstance(late, errors.TransitionTimeout)
    assert late.last == LATE.last
    assert isinstance(absent, errors.JobError)
    assert isinstance(gone, errors.UnreachableStatus)
    assert (gone.sid, gone.start) == (sid(5), "canceled")
    assert isinstance(stuck, errors.UnreachableStatus)
    assert stuck.requested == {"status": "active", "fleet": "blue"}
    assert isinstance(unclear, errors.OutcomeUnknown)
    assert rejected.__notes__ == ["batch.csv, line 3: refused"]
    assert group.message == (
        "6 of 7 SIMs have not reached their target: 1 unknown outcome, 1 refused (BadRequest),"
        " 1 timed out (TransitionTimeout), 1 illegal transition, 1 terminal, 1 unknown SIM"
    )


async def test_a_text_that_a_killed_run_may_have_sent_is_an_unknown_outcome(
    journal: Journal,
) -> None:
    await fill(journal, [planned("torn", Verdict.BUSY, State.UNKNOWN)], head=SENDING)
    [error] = failures_of(await report_on(journal)).exceptions
    assert isinstance(error, errors.OutcomeUnknown)
    assert sid(1) in str(error)


async def test_rows_without_an_error_raise_one_error_that_says_how_to_resume(
    journal: Journal,
) -> None:
    await fill(journal, [done("a"), UNSENT, IN_FLIGHT, TAKEN, REJECTED])
    report = await report_on(journal, stopped="drained")
    rejected, rest = failures_of(report).exceptions
    assert isinstance(rejected, errors.BadRequest)
    assert type(rest) is errors.AsyncSimError
    assert str(rest) == (
        "3 SIMs are unfinished (the run ended early: drained); run the job again with the journal"
        f" {journal.target}: it resumes where it stopped"
    )


async def test_at_most_a_thousand_errors_are_raised_and_all_are_counted(journal: Journal) -> None:
    await fill(journal, [ABSENT] * 1001)
    report = await report_on(journal)
    group = failures_of(report)
    assert len(group.exceptions) == len(report.errors) == 1000
    assert "1,001 of 1,001 SIMs" in group.message
    assert group.message.endswith("(only the first 1,000 are included)")
    assert by_reason(report) == {"unknown SIM": 1001}


async def test_requests_are_reported_per_run_and_per_sim(
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


async def test_a_run_without_rows_has_no_requests_per_sim(
    journal: Journal,
) -> None:
    await fill(journal, [THERE])
    nothing = Plan(rows=0, verdicts={}, samples={}, irreversible=0, requests=0)
    assert (await report_on(journal, plan=nothing, requests=0)).requests_per_sim is None


async def test_the_summary_is_plain_json(journal: Journal) -> None:
    await fill(journal, [done("a"), REJECTED, ABSENT])
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


async def test_a_foreign_error_is_reported_by_its_text(journal: Journal) -> None:
    await fill(journal, [failed("malformed", ValueError("no such thing"))])
    report = await report_on(journal)
    assert by_reason(report) == {"failed (ValueError)": 1}
    [error] = report.errors
    assert (type(error), str(error)) == (errors.AsyncSimError, "no such thing")


async def test_a_failed_row_without_an_error_is_reported_by_name(journal: Journal) -> None:
    await fill(journal, [RowSpec(name="mute", ending=Ending(state=State.FAILED))])
    assert [str(error) for error in (await report_on(journal)).errors] == [f"{sid(1)}: failed"]


async def test_a_repr_does_not_list_a_thousand_errors(journal: Journal) -> None:
    await fill(journal, [REJECTED])
    assert "BadRequest(" not in repr(await report_on(journal))


async def test_a_journal_without_a_job_has_no_report(journal: Journal) -> None:
    with pytest.raises(errors.JournalError, match="contains no job: run one"):
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
        (errors.DecodeError("Sim", "malformed"), "failed (DecodeError)"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_a_group_explains_its_error(journal: Journal, error: Exception, reason: str) -> None:
    await fill(journal, [failed("a", error)])
    assert list(by_reason(await report_on(journal))) == [reason]


# What a notebook shows, and the rows as a table.


async def test_a_report_shows_its_rows_by_state(journal: Journal) -> None:
    await fill(journal, [done("a"), THERE, REJECTED])
    report = await report_on(journal, stopped="deadline")
    label = repr(report.head.label)
    assert repr(report).startswith(f"<Report of {label}, 3 rows: ")
    assert "1 failed" in repr(report)
    assert repr(report).endswith("; ended early: 'deadline'>")


async def test_a_report_as_html_is_escaped_and_names_the_remedies(journal: Journal) -> None:
    await fill(journal, [done("a"), REJECTED, UNSENT])
    report = await report_on(journal)
    hostile = evolve(report, head=evolve(report.head, label="<script>" + "x" * 100_000))
    assert len(repr(hostile)) < 300
    html = hostile._repr_html_()
    assert "<script>" not in html
    assert len(html) < 10_000
    for words in ("1 done", "1 failed", "refused (BadRequest)", "asyncsim jobs retry-failed"):
        assert words in html


async def test_the_rows_of_a_report_are_dictionaries(journal: Journal) -> None:
    await fill(journal, [done("a"), REJECTED])
    report = await report_on(journal)
    rows = await report.to_dicts()  # while the journal is open for writing
    assert [(row["number"], row["state"], row["error_type"]) for row in rows] == [
        (1, State.DONE, None),
        (2, State.FAILED, "BadRequest"),
    ]
    assert "cells" not in rows[0]
    assert "error_parts" not in rows[0]

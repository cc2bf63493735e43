"""The file that undoes a job."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from asyncsim import JobError, JournalError, bulk
from asyncsim.bulk.records import Head, State, Verdict
from tests.bulk.journal.samples import files_in
from tests.bulk.journals import (
    HEAD,
    LATE,
    NO_FLEET,
    SENDING,
    RowSpec,
    failed,
    fill,
    planned,
    sid,
)
from tests.bulk.places import Place

WIRELESS = evolve(HEAD, product="wireless")
DEACTIVATING = evolve(WIRELESS, change={"status": "deactivated"})


async def undone(
    place: Place, *specs: RowSpec, head: Head = HEAD
) -> tuple[bulk.WrittenUndo, list[str]]:
    file = place.folder / "undo.csv"
    async with place.journal() as journal:
        await fill(journal, specs, head=head)
        written = await bulk.write_undo(journal, file)
    header, *rows = file.read_text(encoding="utf-8").splitlines()  # a few bytes
    assert header == "sid,status"
    assert written.file == file
    assert written.rows == len(rows)
    return written, rows


async def test_it_names_the_sims_that_the_job_changed_with_their_status_before(
    place: Place,
) -> None:
    written, rows = await undone(
        place,
        RowSpec(name="1", before="inactive"),
        planned("2", Verdict.ALREADY, State.ALREADY, before="active"),
        failed("3", NO_FLEET),
        failed("4", LATE, State.TIMED_OUT),
        planned("5", Verdict.CHANGE, State.READY),
        planned("6", Verdict.UNKNOWN, State.IMPOSSIBLE),
    )
    assert rows == [f"{sid(1)},inactive", f"{sid(4)},inactive"]
    assert written.left_out == {}


@pytest.mark.parametrize(
    ("head", "before", "why"),
    [
        (HEAD, "new", "no request leads from active back to new"),
        (HEAD, "ready", "no request leads from active back to ready"),
        (HEAD, "scheduled", "the status before the job is not known"),
        (HEAD, None, "the status before the job is not known"),
        (WIRELESS, "new", "no request leads from active back to new"),
        (WIRELESS, "deactivated", "deactivated is irreversible"),
        (DEACTIVATING, "active", "deactivated is irreversible"),
    ],
)
async def test_what_cannot_be_undone_is_left_out_and_said(
    head: Head, before: Any, why: str, place: Place
) -> None:
    written, rows = await undone(place, RowSpec(name="1", before=before), head=head)
    assert rows == []
    assert written.left_out == {why: 1}


async def test_a_row_whose_own_change_leaves_the_status_is_not_named(place: Place) -> None:
    rows = [
        RowSpec(name="1", before="inactive", change={"status": "inactive", "fleet": "f"}),
        RowSpec(name="2", before="inactive"),
    ]
    written, lines = await undone(place, *rows)
    assert lines == [f"{sid(2)},inactive"]
    assert written.left_out == {}


@pytest.mark.parametrize("head", [SENDING, evolve(HEAD, change={"fleet": "f"})])
async def test_a_job_that_changes_no_status_has_nothing_to_undo(head: Head, place: Place) -> None:
    with pytest.raises(JobError, match="changes no status"):
        await undone(place, RowSpec(name="1"), head=head)
    assert not (place.folder / "undo.csv").exists()


async def test_a_journal_without_a_job_has_nothing_to_undo(place: Place) -> None:
    async with place.journal() as journal:
        with pytest.raises(JournalError, match="contains no job"):
            await bulk.write_undo(journal, place.folder / "undo.csv")


async def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(place: Place) -> None:
    async with place.journal() as journal:
        await fill(journal, [RowSpec(name="1")])
        for file in (place.folder / "missing" / "undo.csv", place.folder):
            with pytest.raises(OSError, match="cannot be written"):
                await bulk.write_undo(journal, file)
    assert not any(name.endswith(".tmp") for name in files_in(place.folder))

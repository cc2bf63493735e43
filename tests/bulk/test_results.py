from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import Ending, Head, Row, State, Verdict
from asyncsim.bulk.report import report_on
from asyncsim.bulk.results import WrittenResults, write_results
from asyncsim.errors import BadRequest
from tests.bulk.journals import (
    CUT,
    HEAD,
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
)
from tests.bulk.places import Place

ICCIDS = [f"8988307000000000{number:03}" for number in range(20)]
HEADER = ("ICCID", "Customer, of ours", "fleet")


def cells(number: int) -> tuple[str, ...]:
    return ICCIDS[number], f"Müller; {number}", "blue"


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    async with place.journal() as journal:
        yield journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "batch" / "results"


async def written(
    journal: Journal,
    folder: Path,
    specs: Sequence[RowSpec],
    *,
    head: Head = HEAD,
    header: tuple[str, ...] | None = None,
) -> WrittenResults:
    await fill(journal, specs, head=head, header=header)
    return await write_results(journal, folder, await report_on(journal))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def heading(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def rows_of(path: Path, **given: Any) -> list[Row]:
    """Rows that the same command reads from a file."""
    reading = Job.from_csv(path, product="supersim", **given).read()
    rows = [row async for batch in reading.batches() for row in batch]
    assert list(reading.problems) == []
    return rows


async def test_results_begin_with_the_input_columns_in_input_order(
    journal: Journal, folder: Path
) -> None:
    specs = [
        failed(ICCIDS[0], NO_FLEET, cells=cells(0)),
        done(ICCIDS[1], settled_by="callback"),
        planned(ICCIDS[2], Verdict.ALREADY, State.ALREADY, before="active", cells=cells(2)),
    ]
    specs[1] = RowSpec(name=ICCIDS[1], cells=cells(1), ending=specs[1].ending)
    files = await written(journal, folder, specs, header=HEADER)
    assert heading(files.results)[:3] == list(HEADER)
    assert all(one.startswith("asyncsim_") for one in heading(files.results)[3:])
    rows = table(files.results)
    assert [tuple(row[name] for name in HEADER) for row in rows] == [cells(n) for n in range(3)]
    assert [row["asyncsim_result"] for row in rows] == ["failed", "done", "already"]
    assert files.rows == 3


async def test_a_result_has_all_details_of_its_row(journal: Journal, folder: Path) -> None:
    files = await written(journal, folder, [done("a"), failed("b", NO_FLEET)])
    good, bad = table(files.results)
    ended = [row.pop("asyncsim_ended_at") for row in (good, bad)]
    assert all(moment.endswith("+00:00") for moment in ended)
    assert good == {
        "iccid": "a",
        "asyncsim_result": "done",
        "asyncsim_sid": sid(1),
        "asyncsim_status_before": "inactive",
        "asyncsim_status": "active",
        "asyncsim_error": "",
        "asyncsim_message": "",
        "asyncsim_settled_by": "sweep",
        "asyncsim_confirmed": "yes",
        "asyncsim_requests": "1",
        "asyncsim_seconds": "2.500",
        "asyncsim_line": "2",
    }
    assert (bad["asyncsim_error"], bad["asyncsim_message"]) == ("BadRequest", str(NO_FLEET))
    assert (bad["asyncsim_status"], bad["asyncsim_confirmed"]) == ("inactive", "no")


@pytest.mark.parametrize(
    ("verdict", "before", "message"),
    [
        (Verdict.UNKNOWN, None, "unknown SIM: not in this account and product"),
        (Verdict.ILLEGAL, "new", "illegal transition: no request leads there from 'new'"),
        (Verdict.TERMINAL, "canceled", "terminal: no request leads out of 'canceled'"),
    ],
)
async def test_the_result_of_a_row_that_was_never_sent_says_why(
    journal: Journal, folder: Path, verdict: Verdict, before: str | None, message: str
) -> None:
    spec = planned("a", verdict, State.IMPOSSIBLE, before=before)
    files = await written(journal, folder, [spec])
    assert [row["asyncsim_message"] for row in table(files.results)] == [message]
    assert [row["asyncsim_reason"] for row in table(files.failed)] == [message]


async def test_the_file_of_failed_rows_is_valid_input(journal: Journal, folder: Path) -> None:
    specs = [
        RowSpec(name=ICCIDS[0], cells=cells(0), ending=done("").ending),
        failed(ICCIDS[1], NO_FLEET, cells=cells(1)),
        failed(ICCIDS[2], LATE, State.TIMED_OUT, cells=cells(2)),
        failed(ICCIDS[3], CUT, State.NO_ANSWER, cells=cells(3)),
        planned(ICCIDS[4], Verdict.UNKNOWN, State.IMPOSSIBLE, cells=cells(4)),
        planned(ICCIDS[5], Verdict.ALREADY, State.ALREADY, cells=cells(5)),
        RowSpec(name=ICCIDS[6], cells=cells(6)),
    ]
    files = await written(journal, folder, specs, header=HEADER)
    assert (files.failed_rows, files.unknown) == (4, None)
    with_status = await rows_of(files.failed, change={"status": "active"})
    assert [row.name for row in with_status] == ICCIDS[1:5]
    assert {row.change is None for row in with_status} == {True}
    by_columns = await rows_of(files.failed)
    assert [row.change for row in by_columns] == [{"fleet": "blue"}] * 4


async def test_rerun_results_keep_their_columns_next_to_the_new_ones(
    journal: Journal, folder: Path
) -> None:
    header = ("iccid", "asyncsim_result", " ASYNCSIM_Reason")
    spec = failed(ICCIDS[0], NO_FLEET, cells=(ICCIDS[0], "timed out", "of yesterday"))
    files = await written(journal, folder, [spec], header=header)
    assert heading(files.failed) == [*header, "asyncsim_result_2", "asyncsim_reason_2"]
    [row] = table(files.failed)
    assert (row["asyncsim_result"], row["asyncsim_result_2"]) == ("timed out", "failed")


@pytest.mark.parametrize("name", ["results", "failed"])
async def test_columns_that_a_job_adds_are_ignored_by_the_next_job(
    journal: Journal, folder: Path, name: str
) -> None:
    files = await written(journal, folder, [failed(ICCIDS[0], NO_FLEET)])
    [row] = await rows_of(getattr(files, name), change={"status": "ready"})
    assert (row.name, row.naming, row.change) == (ICCIDS[0], "iccid", None)


async def test_texts_that_may_have_been_sent_have_a_separate_file(
    journal: Journal, folder: Path
) -> None:
    specs = [
        failed("refused", NO_FLEET),
        failed("unclear", LOST, State.UNKNOWN),
        failed("late", LATE, State.TIMED_OUT, reference="HC1"),
        failed("never sent", CUT, State.NO_ANSWER),
        failed("created", CUT, State.NO_ANSWER, reference="HC2"),
        RowSpec(name="in flight"),
        RowSpec(name="taken", reference="HC3"),
        planned("torn", Verdict.BUSY, State.UNKNOWN),
        RowSpec(name="unsent", sent=False),
        done("arrived", reference="HC4"),
    ]
    files = await written(journal, folder, specs, head=SENDING)
    assert [row["iccid"] for row in table(files.failed)] == ["refused", "never sent"]
    assert files.unknown is not None
    unknown = {row["iccid"]: row["asyncsim_reason"] for row in table(files.unknown)}
    assert list(unknown) == ["unclear", "late", "created", "in flight", "taken", "torn"]
    assert unknown["unclear"] == str(LOST)
    assert all(unknown.values())
    assert unknown["torn"] == "may have been sent: the run ended before a response came"
    assert (files.failed_rows, files.unknown_rows) == (2, 6)
    created = [row["asyncsim_created"] for row in table(files.results)]
    assert created == ["", "", "HC1", "", "HC2", "", "HC3", "", "", "HC4"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
async def test_a_vendors_message_is_escaped_against_formulas(
    journal: Journal, folder: Path, start: str
) -> None:
    text = f'{start}HYPERLINK("http://localhost")'
    ending = Ending(state=State.FAILED, error=ValueError(text), status=text)
    files = await written(journal, folder, [RowSpec(name="a", ending=ending)])
    [row] = table(files.results)
    assert (row["asyncsim_message"], row["asyncsim_status"]) == (f"'{text}", f"'{text}")
    assert table(files.failed)[0]["asyncsim_reason"] == f"'{text}"


async def test_input_cells_are_written_unchanged(journal: Journal, folder: Path) -> None:
    special = ("=A1+1", ' two\r\nlines "quoted" ', "'0012", "", "\U0001f4e1;,\t")
    header = ("iccid", "two\nlines", "", "x", "x")
    files = await written(journal, folder, [failed("a", NO_FLEET, cells=special)], header=header)
    for path in (files.results, files.failed):
        with path.open(encoding="utf-8", newline="") as file:
            first, second = csv.reader(file, strict=True)
        assert (tuple(first[:5]), tuple(second[:5])) == (header, special)


async def test_bare_names_get_a_heading_of_their_type(journal: Journal, folder: Path) -> None:
    files = await written(journal, folder, [failed(ICCIDS[0], NO_FLEET)])
    assert heading(files.failed)[0] == "iccid"


async def test_bare_names_of_several_types_get_a_column_each(
    journal: Journal, folder: Path
) -> None:
    specs = [
        failed("pump", NO_FLEET, naming="unique_name"),
        failed(ICCIDS[1], NO_FLEET, naming="iccid"),
        failed(sid(3), NO_FLEET, naming="sid"),
    ]
    files = await written(journal, folder, specs)
    assert heading(files.failed)[:3] == ["sid", "iccid", "unique_name"]
    rows = await rows_of(files.failed, change={"status": "ready"})
    assert [(row.name, row.naming) for row in rows] == [(f.name, f.naming) for f in specs]


async def test_a_list_without_a_header_keeps_its_other_cells(
    journal: Journal, folder: Path
) -> None:
    specs = [
        failed(ICCIDS[0], NO_FLEET),
        failed(ICCIDS[1], NO_FLEET, cells=(ICCIDS[1], "north", "7")),
        failed(sid(3), NO_FLEET, naming="sid", cells=(sid(3), "south")),
    ]
    files = await written(journal, folder, specs)
    assert heading(files.failed)[:4] == ["sid", "iccid", "column_2", "column_3"]
    assert [list(row.values())[:4] for row in table(files.failed)] == [
        ["", ICCIDS[0], "", ""],
        ["", ICCIDS[1], "north", "7"],
        [sid(3), "", "south", ""],
    ]


async def test_a_job_without_failures_has_an_empty_failures_file(
    journal: Journal, folder: Path
) -> None:
    put(folder / "failed.csv", "of the first run")
    files = await written(journal, folder, [done("a")])
    assert files.failed_rows == 0
    assert files.failed.read_text() == "iccid,asyncsim_result,asyncsim_reason\n"


async def test_the_summary_file_is_the_reports_summary(journal: Journal, folder: Path) -> None:
    await fill(journal, [done("a"), failed("b", BadRequest(400, 1, "Größe"))])
    report = await report_on(journal, stopped="deadline", seconds=3.0, requests=7)
    files = await write_results(journal, folder, report)
    text = files.summary.read_text(encoding="utf-8")
    assert json.loads(text) == report.summary()
    assert "Größe" in text


async def test_only_complete_files_are_ever_visible(journal: Journal, folder: Path) -> None:
    await written(journal, folder, [done("a")])
    assert names_in(folder) == ["failed.csv", "results.csv", "summary.json"]


async def test_more_rows_than_a_batch_are_all_written_once(journal: Journal, folder: Path) -> None:
    absent = [planned(f"{n}", Verdict.UNKNOWN, State.IMPOSSIBLE) for n in range(2500)]
    files = await written(journal, folder, absent)
    assert [row["iccid"] for row in table(files.results)] == [spec.name for spec in absent]
    assert (files.rows, files.failed_rows) == (2500, 2500)


# Files that cannot be written.


async def test_a_folder_that_is_a_file_is_reported(journal: Journal, folder: Path) -> None:
    put(folder, "mine")
    with pytest.raises(NotADirectoryError, match="it is a file, not a folder; fix that or give"):
        await written(journal, folder, [done("a")])
    assert names_in(folder.parent) == [folder.name]


async def test_a_result_that_cannot_be_moved_into_place_leaves_no_file(
    journal: Journal, folder: Path
) -> None:
    put(folder / "results.csv" / "mine", "a folder of that name")
    with pytest.raises(OSError, match="nothing is lost, the journal"):
        await written(journal, folder, [done("a")])
    assert names_in(folder) == ["results.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
async def test_a_full_disk_keeps_the_previous_files(
    journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(journal, folder, [done("a")])
    before = (folder / "results.csv").read_text()
    real = Path.open

    def onto_a_full_disk(self: Path, *given: Any, **named: Any) -> Any:
        return real(Path("/dev/full"), "w", **named) if self.suffix == ".tmp" else real(self)

    monkeypatch.setattr(Path, "open", onto_a_full_disk)
    with pytest.raises(OSError, match="No space left on device; fix that") as caught:
        await write_results(journal, folder, await report_on(journal))
    assert caught.value.errno == 28
    assert (folder / "results.csv").read_text() == before


async def test_a_cancelled_write_keeps_the_previous_files(journal: Journal, folder: Path) -> None:
    await written(journal, folder, [done("a")])
    before = (folder / "results.csv").read_text()
    report = await report_on(journal)
    for turns in range(12):
        writing = asyncio.create_task(write_results(journal, folder, report))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert names_in(folder) == ["failed.csv", "results.csv", "summary.json"]
    assert (folder / "results.csv").read_text() == before

"""CSV files and standard input."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncsim.bulk.job import Job
from asyncsim.errors import JobError
from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, SID, read, read_csv, write


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("heading", ["iccid", "ICCID", " Sim-ICCID ", "icc id", '"Iccid"', "IccID"])
async def test_a_column_is_found_by_its_heading(heading: str, delimiter: str, path: Path) -> None:
    content = f"note{delimiter}{heading}\nx{delimiter}{ICCID}\ny{delimiter}{OTHER}\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert found.names == [(2, "iccid", ICCID), (3, "iccid", OTHER)]
    assert found.problems == []


@pytest.mark.parametrize(
    "content",
    [
        f"{ICCID}\n{SID}",
        f"{ICCID},a\n{SID},b",
        f"{ICCID};a,c;d\n{SID};b",
        f'\'{ICCID}\n"{SID}"\n',
        f"8988 3070 0000 1234 564\r{SID}\r",
    ],
)
async def test_a_bare_list_needs_no_header(content: str, path: Path) -> None:
    found = await read_csv(path, content, change=ACTIVE)
    assert found.names == [(1, "iccid", ICCID), (2, "sid", SID)]
    assert found.reading.header is None
    assert found.problems == []


async def test_blank_lines_are_skipped_and_counted_as_lines(path: Path) -> None:
    found = await read_csv(path, f"\n  \niccid,x\n\n{ICCID},\n,\n ,\t\n{OTHER},1", change=ACTIVE)
    assert found.names == [(5, "iccid", ICCID), (8, "iccid", OTHER)]
    assert [row.number for row in found.rows] == [1, 2]


async def test_a_bare_list_has_cells_only_next_to_the_name(path: Path) -> None:
    assert (await read_csv(path, ICCID, change=ACTIVE)).rows[0].cells is None
    assert (await read_csv(path, f"{ICCID},a", change=ACTIVE)).rows[0].cells == (ICCID, "a")


async def test_a_list_of_unique_names_needs_a_header(path: Path) -> None:
    found = await read_csv(path, f"{ICCID}\nvan 7\n", change=ACTIVE)
    (problem,) = found.problems
    assert problem.startswith("line 2: 'van 7' is neither an ICCID nor a SID")
    assert (await read_csv(path, "unique name\nvan 7\n", change=ACTIVE)).names == [
        (2, "unique_name", "van 7")
    ]


async def test_a_row_falls_back_from_its_sid_to_its_iccid_to_its_name(path: Path) -> None:
    content = f"unique_name,iccid,sid\na,{ICCID},{SID}\nb,{ICCID},\nvan 7,,\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert found.names == [(2, "sid", SID), (3, "iccid", ICCID), (4, "unique_name", "van 7")]


async def test_cells_are_carried_along_unchanged(path: Path) -> None:
    content = f'iccid,note,"two\nlines"\n\'{ICCID}," a, ""b"" ",\n{OTHER}\n'
    found = await read_csv(path, content, change=ACTIVE)
    assert found.reading.header == ("iccid", "note", "two\nlines")
    assert [row.cells for row in found.rows] == [(f"'{ICCID}", ' a, "b" ', ""), (OTHER, "", "")]
    assert found.names == [(3, "iccid", ICCID), (4, "iccid", OTHER)]


async def test_a_records_line_is_where_it_begins(path: Path) -> None:
    content = f'iccid,note\n{ICCID},"a\n\rb"\n1,"c\r\nd"\n2,\n'
    assert (await read_csv(path, content, change=ACTIVE)).problems == [
        "line 5: '1' is not an ICCID: 1 digits, not 18 to 22",
        "line 7: '2' is not an ICCID: 1 digits, not 18 to 22",
    ]


async def test_a_delimiter_inside_header_quotes_is_ignored(path: Path) -> None:
    found = await read_csv(path, f'"note, a, b, c";iccid\nx;{ICCID}\n', change=ACTIVE)
    assert found.names == [(2, "iccid", ICCID)]


async def test_a_first_line_may_declare_the_delimiter(path: Path) -> None:
    found = await read_csv(path, f"sep=|\r\niccid|status\r\n{ICCID}|active\r\n")
    assert found.rows[0].line == 3
    assert found.changes == [ACTIVE]


async def test_cells_beyond_the_header_are_rejected_unless_empty(path: Path) -> None:
    content = f"iccid,note\n{ICCID},a,,\n{OTHER},8,99\n{OTHER}\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert found.problems == [
        "line 3: 3 cells under a header of 2; is a delimiter not quoted?",
    ]
    assert [row.cells for row in found.rows] == [(ICCID, "a"), (OTHER, "")]


@pytest.mark.parametrize("cell", ["8.99E+19", "8,99E+19", "8.98831E+19", "9E+19"])
@pytest.mark.parametrize("header", ["iccid;x\n", ""])
async def test_an_iccid_rounded_by_a_spreadsheet_is_rejected(
    header: str, cell: str, path: Path
) -> None:
    found = await read_csv(path, f"{header}{cell};1\n{ICCID};2\n{cell};3\n", change=ACTIVE)
    first, second = found.problems
    assert [first[:7], second[:7]] == (["line 2:", "line 4:"] if header else ["line 1:", "line 3:"])
    assert "rounded" in first
    assert "as text" in first


async def test_a_rounded_iccid_alone_on_its_line_is_one_cell(path: Path) -> None:
    found = await read_csv(path, "8,99E+19\n8,99E+19\n", change=ACTIVE)
    assert [text[:18] for text in found.problems] == ["line 1: '8,99E+19'", "line 2: '8,99E+19'"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "batch.csv names no SIM"),
        ("iccid\n", "batch.csv names no SIM"),
        ("\n \n", "batch.csv names no SIM"),
        ("sep=;\n", "batch.csv names no SIM"),
        (
            "phone,name\n1,2\n",
            "no column is called sid, iccid or unique_name, and the first line does not begin"
            " with an ICCID or a SID (found: phone, name)",
        ),
        ("sid,note\n,forgotten\n", "line 2: names no SIM"),
        (
            f"iccid,note,ICC-ID\n{ICCID},,\n",
            "the columns 'iccid' and 'ICC-ID' mean the same; remove or rename all but one",
        ),
        (
            f"iccid,status,Target Status\n{ICCID},active,active\n",
            "the columns 'status' and 'Target Status' mean the same; remove or rename all but one",
        ),
        (f'iccid,x\n{ICCID},"a\n{OTHER},\n', "line 2: a quote opened here is never closed"),
    ],
)
async def test_each_problem_of_a_file_is_reported(content: str, message: str, path: Path) -> None:
    expected = {} if "Target" in content else {"change": ACTIVE}
    assert (await read_csv(path, content, **expected)).problems == [message]


async def test_a_misplaced_quote_does_not_hide_lines(path: Path) -> None:
    content = f'iccid,note\n{ICCID},"open\n{OTHER},x\n{SID},"closed"\n1,\n'
    first, second = (await read_csv(path, content, change=ACTIVE)).problems
    assert first.startswith("line 2: misplaced quotes")
    assert second.startswith("line 5: ")


async def test_an_oversized_cell_ends_the_reading(path: Path) -> None:
    content = f'iccid,note\n{ICCID},"' + ("x" * 999 + "\n") * 200 + f'"\n{OTHER},\n'
    (problem,) = (await read_csv(path, content, change=ACTIVE)).problems
    assert problem.startswith("line 2: a cell of more than 131,072 characters")


async def test_a_long_header_is_truncated_in_messages(path: Path) -> None:
    (problem,) = (await read_csv(path, ",".join(["phone"] * 100), change=ACTIVE)).problems
    assert len(problem) < 320


async def test_all_problems_are_reported_together_in_line_order(path: Path) -> None:
    content = f"iccid,status\nx,actve\n{ICCID},\n{ICCID},a,b\n,active\n{OTHER},active\n"
    found = await read_csv(path, content)
    assert [text.partition(":")[0] for text in found.problems] == [
        "line 2", "line 2", "line 3", "line 4", "line 5",
    ]  # fmt: skip
    assert found.names == [(6, "iccid", OTHER)]


async def test_the_first_thousand_problems_are_kept_and_all_are_counted(path: Path) -> None:
    found = await read_csv(path, "iccid\n" + "x\n" * 2500, change=ACTIVE)
    assert len(found.problems) == 1001
    assert found.problems[-1] == "and 1,500 more"
    assert len(found.reading.problems) == 2500


# Text and its encodings.


TABLE = f"iccid,status,note\r\n{ICCID},active,Z\u00fcrich\r\n{OTHER},ready,\u4e2d\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
async def test_a_byte_order_mark_sets_the_encoding(encoding: str, path: Path) -> None:
    found = await read_csv(path, TABLE.encode(encoding))
    assert found.problems == []
    assert [row.cells for row in found.rows] == [
        (ICCID, "active", "Z\u00fcrich"),
        (OTHER, "ready", "\u4e2d"),
    ]


async def test_big_endian_utf_16_is_read(path: Path) -> None:
    found = await read_csv(path, b"\xfe\xff" + TABLE.encode("utf-16-be"))
    assert (len(found.rows), found.problems) == (2, [])


async def test_another_encoding_is_guessed_and_reported_with_its_lines(path: Path) -> None:
    content = f"iccid,note\n{ICCID},ok\n{OTHER},caf\u00e9 au lait\nx,\n".encode("cp1252")
    assert (await read_csv(path, content, change=ACTIVE)).problems == [
        "line 3: not UTF-8 (in Windows-1252 it has 'caf\u00e9'); save the file again as CSV UTF-8",
        "line 4: 'x' is not an ICCID: an ICCID has only digits",
    ]


async def test_rows_passed_on_despite_a_problem_can_be_stored(path: Path) -> None:
    content = f"iccid,note\n{ICCID},caf".encode() + b"\xe9\0\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert [row.cells for row in found.rows] == [(ICCID, "caf\u00e9")]


async def test_nul_bytes_are_reported_with_their_line(path: Path) -> None:
    content = f"iccid\n{ICCID}\n{'x' * 5000}\n\0\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert "line 4: a NUL byte; save the file again as CSV UTF-8" in found.problems


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04...", "is a workbook"),
        (b"\xd0\xcf\x11\xe0....", "is an old Excel workbook"),
        (b"\x1f\x8b\x08", "is compressed"),
        ("iccid\n1\n".encode("utf-16-le"), "looks like UTF-16 without a byte order mark"),
    ],
)
async def test_binary_content_is_reported(content: bytes, message: str, path: Path) -> None:
    (problem,) = (await read_csv(path, content, change=ACTIVE)).problems
    assert problem.startswith(f"batch.csv {message}")


async def test_a_damaged_utf_16_file_is_reported(path: Path) -> None:
    found = await read_csv(path, f"{ICCID}\n{SID}\n".encode("utf-16") + b"x", change=ACTIVE)
    assert "line 3: damaged text; save the file again as CSV UTF-8" in found.problems


async def test_an_endless_line_does_not_fill_memory(path: Path) -> None:
    found = await read_csv(path, f"{ICCID}\n" + "x" * 1_000_001, change=ACTIVE)
    assert found.problems == ["line 2: longer than 1,000,000 characters; is this a text file?"]


async def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    job = Job.from_csv(tmp_path / "none.csv", product="supersim", change=ACTIVE)
    assert (await read(job)).problems == ["none.csv: No such file or directory"]


async def test_a_folder_is_reported(tmp_path: Path) -> None:
    job = Job.from_csv(tmp_path, product="supersim", change=ACTIVE)
    (problem,) = (await read(job)).problems
    assert problem.endswith(": Is a directory")


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(range(64)),
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
        b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e" * 50,
        bytes((7 * number) % 256 for number in range(4096)),
    ],
    ids=["png", "pdf", "program", "noise"],
)
async def test_a_binary_file_is_one_problem(content: bytes, path: Path) -> None:
    found = await read_csv(path, content)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(path.name)


# Standard input.


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The write end of standard input."""
    reader, writer = os.pipe()
    with open(reader) as stdin:  # noqa: PTH123  # a file descriptor, not a path
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writer
        assert not stdin.closed
        os.fstat(reader)  # still open
    os.close(writer)


def end(pipe: int) -> None:
    """Close a pipe, keeping its descriptor number in use until the fixture closes it."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, pipe)
    os.close(nothing)


async def test_standard_input_is_read_completely_and_only_once(pipe: int) -> None:
    os.write(pipe, f"\ufeffsid;status\n{SID};active\n".encode())
    end(pipe)
    job = Job.from_csv("-", product="supersim")
    found = await read(job)
    assert found.names == [(2, "sid", SID)]
    with pytest.raises(JobError, match="only once"):
        job.read()


async def test_a_reader_of_standard_input_can_be_cancelled(pipe: int) -> None:
    os.write(pipe, f"{ICCID}\n".encode())
    reading = asyncio.create_task(read(Job.from_csv("-", product="supersim", change=ACTIVE)))
    for _ in range(20):  # its thread waits for more input
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_standard_input_may_be_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{ICCID}\n".encode())))
    found = await read(Job.from_csv("-", product="supersim", change=ACTIVE))
    assert found.names == [(1, "iccid", ICCID)]


async def test_a_closed_standard_input_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    found = await read(Job.from_csv("-", product="supersim", change=ACTIVE))
    assert found.problems == ["standard input: this process has no standard input"]


async def test_the_event_loop_runs_while_a_file_is_read(path: Path) -> None:
    write(path, f"{ICCID}\n" * 20_000)
    iterations = 0

    async def other() -> None:
        nonlocal iterations
        while True:
            iterations += 1
            await asyncio.sleep(0)

    neighbour = asyncio.create_task(other())
    found = await read(Job.from_csv(path, product="supersim", change=ACTIVE))
    neighbour.cancel()
    assert len(found.rows) == 20_000
    assert iterations > 20  # at least between the batches
    with pytest.raises(asyncio.CancelledError):
        await neighbour

from __future__ import annotations

from pathlib import Path

import pytest

from asyncsim.cli.batch import Entry, line_numbers, read
from asyncsim.cli.exits import CommandError

ICCID = "89883070000012345678"
OTHER = "8988307000001234567"
SID = "HS" + "0a" * 16


def names(path: Path, content: str | bytes) -> list[tuple[int, str]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(entry.line, entry.name) for entry in read(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "batch.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["iccid", "ICCID", " Sim-ICCID ", "icc id"])
def test_a_column_is_found_by_its_header(header: str, delimiter: str, path: Path) -> None:
    content = f"note{delimiter}{header}\nx{delimiter}{ICCID}\ny{delimiter}{OTHER}\n"
    assert names(path, content) == [(2, ICCID), (3, OTHER)]


@pytest.mark.parametrize(
    "content", [f"{ICCID}\n{SID}", f"\n{ICCID}\n\n{SID}\n", f"{ICCID},a\n{SID},b"]
)
def test_a_bare_list_needs_no_header(content: str, path: Path) -> None:
    assert [name for _, name in names(path, content)] == [ICCID, SID]


def test_the_byte_order_mark_of_spreadsheets_is_no_part_of_the_header(path: Path) -> None:
    assert names(path, b"\xef\xbb\xbfsid,iccid\r\n" + SID.encode() + b",\r\n") == [(2, SID)]


def test_a_row_without_a_sid_falls_back_to_its_iccid_then_its_name(path: Path) -> None:
    content = f"unique_name,iccid,sid\na,{ICCID},{SID}\nb,{ICCID},\nvan 7,,\n"
    assert [name for _, name in names(path, content)] == [SID, ICCID, "van 7"]


def test_leading_zeros_and_long_numbers_stay_text(path: Path) -> None:
    assert names(path, "iccid\n00883070000012345678\n'89883070000012345678\n") == [
        (2, "00883070000012345678"),
        (3, ICCID),
    ]


def test_quoted_cells_may_hold_the_delimiter(path: Path) -> None:
    assert names(path, f'note,iccid\n"a, b",{ICCID}\n') == [(2, ICCID)]


@pytest.mark.parametrize("cell", ["8.99E+19", "8,99E+19", "8.98831E+19", "9E+19"])
@pytest.mark.parametrize("header", ["iccid\n", ""])
def test_an_iccid_that_a_spreadsheet_rounded_is_refused(header: str, cell: str, path: Path) -> None:
    delimited = f"{header.strip()};x\n" if header else ""
    with pytest.raises(CommandError, match=r"rounded.*as text") as caught:
        names(path, f"{delimited}{cell};1\n{ICCID};2\n{cell};3\n")
    assert ("lines 2, 4" if header else "lines 1, 3") in str(caught.value)


def test_a_rounded_iccid_alone_on_its_line_is_one_cell(path: Path) -> None:
    with pytest.raises(CommandError, match="lines 1, 2: '8,99E"):
        names(path, "8,99E+19\n8,99E+19\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "names no SIM"),
        (b"iccid\n", "names no SIM"),
        (b"\n \n", "names no SIM"),
        (b"phone,name\n1,2\n", "no column is called sid, iccid or unique_name"),
        (b"sid,note\n,forgotten\n", "line 2: this row names no SIM"),
        ("iccid\n1\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(content: bytes, said: str, path: Path) -> None:
    with pytest.raises(CommandError, match=said) as caught:
        names(path, content)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        read(tmp_path / "none.csv")


def test_many_line_numbers_are_cut_short() -> None:
    assert line_numbers([Entry(7, "a")]) == "line 7"
    assert line_numbers([Entry(line, "a") for line in range(1, 9)]) == (
        "lines 1, 2, 3, 4, 5 and 3 more"
    )

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, SID, read_csv


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


async def test_blank_lines_are_no_rows_and_count_as_lines(path: Path) -> None:
    found = await read_csv(path, f"\n  \niccid,x\n\n{ICCID},\n,\n ,\t\n{OTHER},1", change=ACTIVE)
    assert found.names == [(5, "iccid", ICCID), (8, "iccid", OTHER)]
    assert [row.number for row in found.rows] == [1, 2]


async def test_a_bare_list_has_cells_only_where_there_is_more_than_the_name(path: Path) -> None:
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


async def test_cells_are_carried_along_as_they_came(path: Path) -> None:
    content = f'iccid,note,"two\nlines"\n\'{ICCID}," a, ""b"" ",\n{OTHER}\n'
    found = await read_csv(path, content, change=ACTIVE)
    assert found.reading.header == ("iccid", "note", "two\nlines")
    assert [row.cells for row in found.rows] == [(f"'{ICCID}", ' a, "b" ', ""), (OTHER, "", "")]
    assert found.names == [(3, "iccid", ICCID), (4, "iccid", OTHER)]


async def test_a_record_is_where_it_begins(path: Path) -> None:
    content = f'iccid,note\n{ICCID},"a\n\rb"\n1,"c\r\nd"\n2,\n'
    assert (await read_csv(path, content, change=ACTIVE)).problems == [
        "line 5: '1' is no ICCID: 1 digits, not 18 to 22",
        "line 7: '2' is no ICCID: 1 digits, not 18 to 22",
    ]


async def test_a_delimiter_inside_quotes_of_the_header_is_not_taken_for_it(path: Path) -> None:
    found = await read_csv(path, f'"note, a, b, c";iccid\nx;{ICCID}\n', change=ACTIVE)
    assert found.names == [(2, "iccid", ICCID)]


async def test_a_first_line_may_declare_the_delimiter(path: Path) -> None:
    found = await read_csv(path, f"sep=|\r\niccid|status\r\n{ICCID}|active\r\n")
    assert found.rows[0].line == 3
    assert found.changes == [ACTIVE]


async def test_cells_beyond_the_header_are_refused_unless_they_are_empty(path: Path) -> None:
    content = f"iccid,note\n{ICCID},a,,\n{OTHER},8,99\n{OTHER}\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert found.problems == [
        "line 3: 3 cells under a header of 2; is a delimiter not in quotes?",
    ]
    assert [row.cells for row in found.rows] == [(ICCID, "a"), (OTHER, "")]


@pytest.mark.parametrize("cell", ["8.99E+19", "8,99E+19", "8.98831E+19", "9E+19"])
@pytest.mark.parametrize("header", ["iccid;x\n", ""])
async def test_an_iccid_that_a_spreadsheet_rounded_is_refused(
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
    ("content", "said"),
    [
        ("", "batch.csv names no SIM"),
        ("iccid\n", "batch.csv names no SIM"),
        ("\n \n", "batch.csv names no SIM"),
        ("sep=;\n", "batch.csv names no SIM"),
        (
            "phone,name\n1,2\n",
            "no column is called sid, iccid or unique_name, and it does not begin with an ICCID or"
            " a SID (found: phone, name)",
        ),
        ("sid,note\n,forgotten\n", "line 2: names no SIM"),
        (
            f"iccid,note,ICC-ID\n{ICCID},,\n",
            "the columns 'iccid' and 'ICC-ID' mean the same; leave one of them or rename it",
        ),
        (
            f"iccid,status,Target Status\n{ICCID},active,active\n",
            "the columns 'status' and 'Target Status' mean the same; leave one of them or rename"
            " it",
        ),
        (f'iccid,x\n{ICCID},"a\n{OTHER},\n', "line 2: a quote that is opened here is never closed"),
    ],
)
async def test_what_is_wrong_with_a_file_is_said(content: str, said: str, path: Path) -> None:
    wanted = {} if "Target" in content else {"change": ACTIVE}
    assert (await read_csv(path, content, **wanted)).problems == [said]


async def test_a_quote_in_the_wrong_place_swallows_no_lines(path: Path) -> None:
    content = f'iccid,note\n{ICCID},"open\n{OTHER},x\n{SID},"closed"\n1,\n'
    first, second = (await read_csv(path, content, change=ACTIVE)).problems
    assert first.startswith("line 2: quotes that do not fit")
    assert second.startswith("line 5: ")


async def test_a_giant_cell_ends_the_reading(path: Path) -> None:
    content = f'iccid,note\n{ICCID},"' + ("x" * 999 + "\n") * 200 + f'"\n{OTHER},\n'
    (problem,) = (await read_csv(path, content, change=ACTIVE)).problems
    assert problem.startswith("line 2: a cell of more than 131,072 characters")


async def test_a_long_header_is_shown_cut_short(path: Path) -> None:
    (problem,) = (await read_csv(path, ",".join(["phone"] * 100), change=ACTIVE)).problems
    assert len(problem) < 320


async def test_all_problems_are_found_at_once_in_the_order_of_lines(path: Path) -> None:
    content = f"iccid,status\nx,actve\n{ICCID},\n{ICCID},a,b\n,active\n{OTHER},active\n"
    found = await read_csv(path, content)
    assert [text.partition(":")[0] for text in found.problems] == [
        "line 2", "line 2", "line 3", "line 4", "line 5",
    ]  # fmt: skip
    assert found.names == [(6, "iccid", OTHER)]


async def test_of_many_problems_a_thousand_are_kept_and_all_counted(path: Path) -> None:
    found = await read_csv(path, "iccid\n" + "x\n" * 2500, change=ACTIVE)
    assert len(found.problems) == 1001
    assert found.problems[-1] == "and 1,500 more"
    assert len(found.reading.problems) == 2500

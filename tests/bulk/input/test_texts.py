from __future__ import annotations

from pathlib import Path

import pytest

from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, SID, read, read_csv

TABLE = f"iccid,status,note\r\n{ICCID},active,Z\u00fcrich\r\n{OTHER},ready,\u4e2d\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
async def test_a_byte_order_mark_says_the_encoding(encoding: str, path: Path) -> None:
    found = await read_csv(path, TABLE.encode(encoding))
    assert found.problems == []
    assert [row.cells for row in found.rows] == [
        (ICCID, "active", "Z\u00fcrich"),
        (OTHER, "ready", "\u4e2d"),
    ]


async def test_big_endian_is_read_too(path: Path) -> None:
    found = await read_csv(path, b"\xfe\xff" + TABLE.encode("utf-16-be"))
    assert (len(found.rows), found.problems) == (2, [])


async def test_another_encoding_is_guessed_with_its_lines(path: Path) -> None:
    content = f"iccid,note\n{ICCID},ok\n{OTHER},caf\u00e9 au lait\nx,\n".encode("cp1252")
    assert (await read_csv(path, content, change=ACTIVE)).problems == [
        "line 3: not UTF-8 (in Windows-1252 it has 'caf\u00e9'); save the file again as CSV UTF-8",
        "line 4: 'x' is no ICCID: those have digits only",
    ]


async def test_what_is_given_on_in_spite_of_a_problem_can_be_stored(path: Path) -> None:
    content = f"iccid,note\n{ICCID},caf".encode() + b"\xe9\0\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert [row.cells for row in found.rows] == [(ICCID, "caf\u00e9")]


async def test_nul_bytes_are_said_with_their_line(path: Path) -> None:
    content = f"iccid\n{ICCID}\n{'x' * 5000}\n\0\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert "line 4: a NUL byte; save the file again as CSV UTF-8" in found.problems


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04...", "is a workbook"),
        (b"\xd0\xcf\x11\xe0....", "is an old Excel workbook"),
        (b"\x1f\x8b\x08", "is compressed"),
        ("iccid\n1\n".encode("utf-16-le"), "looks like UTF-16 without a byte order mark"),
    ],
)
async def test_what_is_no_text_is_said(content: bytes, said: str, path: Path) -> None:
    (problem,) = (await read_csv(path, content, change=ACTIVE)).problems
    assert problem.startswith(f"batch.csv {said}")


async def test_a_damaged_utf_16_file_is_said(path: Path) -> None:
    found = await read_csv(path, f"{ICCID}\n{SID}\n".encode("utf-16") + b"x", change=ACTIVE)
    assert "line 3: damaged text; save the file again as CSV UTF-8" in found.problems


async def test_a_line_without_end_does_not_fill_the_memory(path: Path) -> None:
    found = await read_csv(path, f"{ICCID}\n" + "x" * 1_000_001, change=ACTIVE)
    assert found.problems == ["line 2: longer than 1,000,000 characters; is this a text file?"]


async def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    from asyncsim.bulk.job import Job

    job = Job.from_csv(tmp_path / "none.csv", product="supersim", change=ACTIVE)
    assert (await read(job)).problems == ["none.csv: No such file or directory"]


async def test_a_folder_is_said(tmp_path: Path) -> None:
    from asyncsim.bulk.job import Job

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
async def test_a_file_that_is_no_text_is_one_problem(content: bytes, path: Path) -> None:
    found = await read_csv(path, content)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(path.name)

"""Facts about all rows of a reading, and readings that end early."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

from asyncsim.bulk.job import Job
from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, read_csv, read_rows, write


async def test_the_digest_depends_on_every_row(path: Path) -> None:
    contents = [
        f"iccid,status,note\n{ICCID},active,a\n",
        f"iccid,status,note\n{ICCID},active,b\n",
        f"iccid,status,note\n{ICCID},ready,a\n",
        f"iccid,status,note\n{OTHER},active,a\n",
        f"iccid,status,note\n{ICCID},active,a\n{ICCID},active,a\n",
    ]
    digests = [(await read_csv(path, content)).reading.digest for content in contents]
    assert len(set(digests)) == len(contents)
    assert (await read_csv(path, contents[0])).reading.digest == digests[0]


async def test_the_digest_is_independent_of_the_file_format(path: Path) -> None:
    rows = [f"{ICCID},a", f'"{OTHER}",b']
    reference = await read_csv(path, "\n".join(["iccid,note", *rows]), change=ACTIVE)
    other = await read_csv(path, "\r\n\r\n".join(["\ufefficcid,note", *rows]), change=ACTIVE)
    assert reference.reading.digest == other.reading.digest


async def test_wrong_check_digits_are_only_noted(path: Path) -> None:
    wrong = ICCID[:-1] + "0"
    found = await read_csv(path, f"iccid\n{ICCID}\n{wrong}\n89883070000012300000\n", change=ACTIVE)
    assert found.problems == []
    assert len(found.rows) == 3
    assert found.reading.notes == (
        "2 ICCIDs with a wrong check digit, lines 3, 4; 1 of them end in zeros, as rounded numbers"
        " do; they are looked up unchanged",
    )


async def test_an_unusable_header_ends_the_reading() -> None:
    first_batch = []

    def rows() -> Iterator[dict[str, str]]:
        for number in range(100_000):
            first_batch.append(number)
            yield {"phone": "1"}

    found = await read_rows(rows(), change=ACTIVE)
    assert len(found.problems) == 1
    assert len(first_batch) == 1000


async def test_leaving_a_reading_closes_its_file(path: Path) -> None:
    write(path, f"{ICCID}\n" * 5000)
    reading = Job.from_csv(path, product="supersim", change=ACTIVE).read()
    async with aclosing(reading.batches()) as batches:
        assert len(await anext(batches)) == 1000
    assert reading.rows == 1000

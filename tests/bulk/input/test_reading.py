"""What a reading tells of all rows, and how it is cut short."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from asyncsim.bulk.job import Job
from asyncsim.errors import JobError
from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, SID, read, read_csv, read_rows, write


async def test_the_digest_knows_every_row(path: Path) -> None:
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


async def test_the_digest_does_not_depend_on_how_the_file_is_written(path: Path) -> None:
    rows = [f"{ICCID},a", f'"{OTHER}",b']
    plain = await read_csv(path, "\n".join(["iccid,note", *rows]), change=ACTIVE)
    other = await read_csv(path, "\r\n\r\n".join(["\ufefficcid,note", *rows]), change=ACTIVE)
    assert plain.reading.digest == other.reading.digest


async def test_wrong_check_digits_are_noted_and_nothing_else(path: Path) -> None:
    wrong = ICCID[:-1] + "0"
    found = await read_csv(path, f"iccid\n{ICCID}\n{wrong}\n89883070000012300000\n", change=ACTIVE)
    assert found.problems == []
    assert len(found.rows) == 3
    assert found.reading.notes == (
        "2 ICCIDs with a wrong check digit, lines 3, 4; 1 of them end in zeros, as rounded numbers"
        " do; they are looked for as they are",
    )


async def test_an_unusable_header_ends_the_reading() -> None:
    taken = []

    def rows() -> Iterator[dict[str, str]]:
        for number in range(100_000):
            taken.append(number)
            yield {"phone": "1"}

    found = await read_rows(rows(), change=ACTIVE)
    assert len(found.problems) == 1
    assert len(taken) == 1000


async def test_a_reading_that_is_left_closes_its_file(path: Path) -> None:
    write(path, f"{ICCID}\n" * 5000)
    reading = Job.from_csv(path, product="supersim", change=ACTIVE).read()
    async with aclosing(reading.batches()) as batches:
        assert len(await anext(batches)) == 1000
    assert reading.rows == 1000


# Standard input.


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give standard input's other end."""
    reader, writer = os.pipe()
    with open(reader) as stdin:  # noqa: PTH123  # a descriptor, no path
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writer
        assert not stdin.closed
        os.fstat(reader)  # still open
    os.close(writer)


def end(pipe: int) -> None:
    """Close a pipe, and keep its number busy until the fixture closes that."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, pipe)
    os.close(nothing)


async def test_standard_input_is_read_to_its_end_and_only_once(pipe: int) -> None:
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
    for _ in range(20):  # its thread waits for more
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_standard_input_may_be_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{ICCID}\n".encode())))
    found = await read(Job.from_csv("-", product="supersim", change=ACTIVE))
    assert found.names == [(1, "iccid", ICCID)]


async def test_a_process_without_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    found = await read(Job.from_csv("-", product="supersim", change=ACTIVE))
    assert found.problems == ["standard input: this process has no standard input"]


async def test_the_loop_goes_on_while_a_file_is_read(path: Path) -> None:
    write(path, f"{ICCID}\n" * 20_000)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    neighbour = asyncio.create_task(other())
    found = await read(Job.from_csv(path, product="supersim", change=ACTIVE))
    neighbour.cancel()
    assert len(found.rows) == 20_000
    assert turns > 20  # at least between the batches
    with pytest.raises(asyncio.CancelledError):
        await neighbour

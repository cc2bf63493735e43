"""Helpers shared by the tests of `bulk.input`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from asyncsim.bulk.input.rows import RowReader
from asyncsim.bulk.job import Job
from asyncsim.bulk.records import Row

ICCID = "8988307000001234564"
OTHER = "89883070000012345672"
SID = "HS" + "0a" * 16
ACTIVE = {"status": "active"}


@frozen
class Read:
    """An input, read completely."""

    rows: list[Row]
    reading: RowReader

    @property
    def names(self) -> list[tuple[int, str, str]]:
        return [(row.line, row.naming, row.name) for row in self.rows]

    @property
    def changes(self) -> list[Any]:
        return [row.change for row in self.rows]

    @property
    def problems(self) -> list[str]:
        return list(self.reading.problems)


async def read(job: Job) -> Read:
    reading = job.read()
    return Read([row async for batch in reading.batches() for row in batch], reading)


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


async def read_csv(path: Path, content: str | bytes, **wanted: Any) -> Read:
    write(path, content)
    return await read(Job.from_csv(path, **{"product": "supersim", **wanted}))


async def read_rows(rows: Any, **wanted: Any) -> Read:
    return await read(Job.from_rows(rows, **{"product": "supersim", **wanted}))

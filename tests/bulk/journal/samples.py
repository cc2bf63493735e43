"""Sample journals and rows for the tests of `bulk.journal`."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import OPEN, Entry, Planned, Row, State, Verdict
from tests.bulk.journals import HEAD


def row(number: int, **given: Any) -> Row:
    parts: dict[str, Any] = {"line": number + 1, "name": f"89{number}", "naming": "iccid"}
    return Row(number=number, **parts | given)


async def fill(journal: Journal, count: int = 0, *rows: Row) -> None:
    """Add a job with `rows` rows, or these rows, read completely."""
    await journal.begin_job(HEAD)
    await journal.add_rows(rows or [row(number) for number in range(1, count + 1)])
    await journal.complete_input(header=None, applied=(), digest="d1", notes=())
    await journal.begin_run()
    await journal.begin_plan(OPEN)


def planned_row(number: int, **given: Any) -> Planned:
    parts: dict[str, Any] = {"verdict": Verdict.CHANGE, "state": State.READY}
    return Planned(number=number, **parts | given)


async def next_rows(journal: Journal, *states: State) -> list[int]:
    return [entry.number async for entry in journal.entries(states)]


async def entry_of(
    journal: Journal, number: int, states: Collection[State] = tuple(State)
) -> Entry:
    found = [entry async for entry in journal.entries(states) if entry.number == number]
    return found[0]


def query(path: Path, sql: str) -> list[Any]:
    """Query the file as another program would."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def change_by_hand(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def states_in(path: Path) -> dict[int, str]:
    return dict(query(path, "SELECT number, state FROM rows ORDER BY number"))


def exists(path: Path) -> bool:
    return path.exists()


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write_format_1(path: Path) -> None:
    """Write a journal of the first releases."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("format_1.sql").read_text())

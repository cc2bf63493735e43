"""Crashes, full disks and killed processes: a journal never states what is not true."""

# ruff: noqa: ASYNC240 - small local files, and nothing else runs in the loop

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.sqlite import SqliteDatabase
from asyncsim.bulk.journal.writer import TICK
from asyncsim.bulk.records import Ending, State
from asyncsim.clock import ManualClock
from asyncsim.errors import JournalError
from tests.bulk.journal.processes import grow, intend, open_and_die, read_endlessly, start
from tests.bulk.journal.samples import fill, query, row, states_in, write_format_1
from tests.bulk.journals import HEAD


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """The folder of a journal whose process was killed, and the rows whose intents it had told."""
    folder = tmp_path_factory.mktemp("killed")
    return folder, start(intend, folder / "batch.db").kill(after=5)


@pytest.fixture
def killed_path(path: Path, killed: tuple[Path, list[int]]) -> Path:
    """The path of a copy of that journal."""
    shutil.copytree(killed[0], path.parent, dirs_exist_ok=True)
    return path


@pytest.mark.parametrize("after", [1, 40])
async def test_every_intent_that_returned_before_a_kill_is_durable(path: Path, after: int) -> None:
    printed = start(intend, path).kill(after=after)
    async with Journal.open(path) as journal:  # the process held the lock, so it is free again
        assert not await journal.begin_job(HEAD)
        sending = {entry.number async for entry in journal.entries({State.SENDING})}
        assert set(printed) <= sending
        counts = await journal.counts()
    assert sum(counts.values()) == 5000
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


async def test_after_a_kill_during_reading_the_input_is_read_again(path: Path) -> None:
    start(read_endlessly, path).kill(after=5)
    assert query(path, "SELECT count(*) > 400 FROM rows") == [(1,)]
    async with Journal.open(path) as journal:
        assert await journal.begin_job(HEAD)
        await journal.add_rows([row(1)])
        await journal.complete_input(header=None, applied=(), digest="d", notes=())
        assert await journal.counts() == {State.READ: 1}


async def test_a_killed_job_can_be_opened_read_only_before_it_is_resumed(
    killed_path: Path,
) -> None:
    async with Journal.open(killed_path, read_only=True) as journal:
        assert sum((await journal.counts()).values()) == 5000
        [run] = await journal.runs()
        assert run.ended_at is None


async def test_when_files_cannot_grow_unwritten_rows_do_not_count_as_written(path: Path) -> None:
    process = start(grow, path)
    *told, complaint = process.rest()
    assert process.end() == 0
    assert "run the same command again: what was recorded is kept" in complaint
    sent = {number for number, state in states_in(path).items() if state == "sending"}
    assert 0 < len(told) < 2000
    assert set(told) <= sent
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


async def fill_the_disk(journal: Journal) -> None:
    """Keep the file from growing by even one page."""
    database = journal._database
    assert isinstance(database, SqliteDatabase)
    async with database.engine.connect() as connection:
        await connection.execute(text("PRAGMA max_page_count=1"))


@pytest.fixture
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Route all of the journal's work through the connection with the page limit."""

    def single(url: URL, **options: Any) -> AsyncEngine:
        return create_async_engine(url, **options | {"pool_size": 1, "max_overflow": 0})

    monkeypatch.setattr("asyncsim.bulk.journal.sqlite.create_async_engine", single)


LONG = Ending(state=State.FAILED, error=ValueError("x" * 9000))


async def lose_a_row(path: Path, error: Exception | None = None) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 5)
        await fill_the_disk(journal)
        await journal.record_ending(1, LONG)
        if error is not None:
            raise error


@pytest.mark.usefixtures("one_connection")
async def test_a_full_disk_raises_in_all_pending_and_later_calls(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 20)
        await journal.record_intent(1)
        await fill_the_disk(journal)
        await journal.record_ending(2, LONG)
        waiting = await asyncio.gather(
            *(journal.record_intent(number) for number in (3, 4)), return_exceptions=True
        )
        assert [type(one) for one in waiting] == [JournalError, JournalError]
        for late in (
            journal.record_intent(5),
            journal.record_accepted(6),
            journal.flush(),
            journal.counts(),
        ):
            with pytest.raises(JournalError, match="the disk is full: free space, then run"):
                await late
    sending = [number for number, state in states_in(path).items() if state == "sending"]
    assert sending == [1]
    async with Journal.open(path) as journal:
        await journal.record_intent(3)
        assert (await journal.counts())[State.SENDING] == 2


@pytest.mark.usefixtures("one_connection")
async def test_a_full_disk_not_yet_raised_is_raised_at_close(path: Path) -> None:
    with pytest.raises(JournalError, match="the disk is full"):
        await lose_a_row(path)


@pytest.mark.usefixtures("one_connection")
async def test_a_full_disk_does_not_hide_an_earlier_error(path: Path) -> None:
    with pytest.raises(KeyError) as caught:
        await lose_a_row(path, KeyError("first"))
    assert "the disk is full" in caught.value.__notes__[0]


async def test_a_journal_whose_close_is_cancelled_is_closed(path: Path) -> None:
    async def use() -> None:
        async with Journal.open(path) as journal:
            await fill(journal, 3)
            await journal.record_ending(2, Ending(state=State.DONE))

    for turns in range(0, 200, 9):
        task = asyncio.create_task(use())
        while not path.exists():  # noqa: ASYNC110 - it is opened within milliseconds
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with Journal.open(path) as journal:
            await journal.begin_job(HEAD)
            await journal.discard_job()
        path.unlink(missing_ok=True)


async def test_a_cancelled_writer_raises_in_all_pending_calls(
    path: Path, clock: ManualClock
) -> None:
    async with Journal.open(path, clock=clock) as journal:
        await fill(journal, 2)
        waiting = asyncio.create_task(journal.record_intent(1))
        await clock.advance(TICK / 2)
        journal._writer._task.cancel()
        with pytest.raises(JournalError, match="interrupted; run the same command again"):
            await waiting
        with pytest.raises(JournalError, match="interrupted; run the same") as again:
            await journal.record_intent(2)
        assert again.value.message == "writing the journal was interrupted"


@pytest.mark.parametrize("read_only", [False, True], ids=["read-write", "read-only"])
async def test_a_journal_without_its_wal_is_rejected_and_unchanged(
    killed_path: Path, read_only: bool
) -> None:
    path = killed_path
    wal = path.with_name("batch.db-wal")
    kept = wal.rename(path.with_name("elsewhere"))
    before = path.read_bytes()  # small
    with pytest.raises(JournalError, match=r"batch\.db-wal.* is missing"):
        async with Journal.open(path, read_only=read_only):
            pass
    assert path.read_bytes() == before
    kept.rename(wal)
    async with Journal.open(path) as journal:
        assert (await journal.counts())[State.SENDING] >= 5


@pytest.mark.parametrize("read_only", [False, True], ids=["read-write", "read-only"])
@pytest.mark.parametrize("rest", ["nothing", "an empty file"])
async def test_a_wal_without_its_journal_is_rejected_and_unchanged(
    killed_path: Path, read_only: bool, rest: str
) -> None:
    path = killed_path
    wal = path.with_name("batch.db-wal")
    before = wal.read_bytes()  # small
    kept = path.rename(path.with_name("elsewhere"))
    if rest != "nothing":
        path.touch()
    with pytest.raises(JournalError, match=r"is missing, but batch\.db-wal"):
        async with Journal.open(path, read_only=read_only):
            pass
    assert wal.read_bytes() == before
    kept.replace(path)
    async with Journal.open(path) as journal:
        assert (await journal.counts())[State.SENDING] >= 5


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE", "opened_by_process", "journal_mode=WAL", "needs_wal", "wal_check"]
)
async def test_a_journal_whose_opening_process_died_can_be_opened(
    path: Path, statement: str
) -> None:
    for _ in range(2):  # a new journal, and an existing one
        code = start(open_and_die, path, statement).end()
        async with Journal.open(path) as journal:
            assert code == 9 or statement == "CREATE TABLE"
            if await journal.head() is None:
                await fill(journal, 3)


@pytest.mark.parametrize("statement", ["CREATE TABLE jobs", "DROP TABLE", "ALTER TABLE runs"])
async def test_an_upgrade_that_is_killed_leaves_the_older_journal(
    path: Path, statement: str
) -> None:
    write_format_1(path)
    assert start(open_and_die, path, statement).end() == 9
    assert query(path, "SELECT format FROM journal") == [(1,)]
    assert query(path, "SELECT count(*) FROM job") == [(1,)]
    async with Journal.open(path) as journal:
        assert sum((await journal.counts()).values()) == 4


async def test_a_killed_job_that_another_program_has_opened_can_be_resumed(
    killed_path: Path, killed: tuple[Path, list[int]]
) -> None:
    path, (_, told) = killed_path, killed
    query(path, "SELECT * FROM progress")  # recovers the file and checkpoints its WAL
    assert not path.with_name("batch.db-wal").exists()
    async with Journal.open(path) as journal:
        assert (await journal.counts())[State.SENDING] >= len(told)


async def test_a_long_wal_is_checkpointed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncsim.bulk.journal.sqlite._LONGEST_WAL", 200_000)
    wal = path.with_name("batch.db-wal")
    async with Journal.open(path) as journal:
        await journal.begin_job(HEAD)
        for start in range(0, 5000, 500):
            await journal.add_rows([row(number) for number in range(start + 1, start + 501)])
        await journal.complete_input(header=None, applied=(), digest="d", notes=())
        assert wal.stat().st_size < 400_000
        assert path.stat().st_size > 200_000
        async with Journal.open(path, read_only=True) as reader:  # a reader does not prevent it
            assert sum((await reader.counts()).values()) == 5000
            for number in range(1, 2000):
                await journal.record_ending(number, Ending(state=State.DONE))
            await journal.flush()
    assert not wal.exists()
    async with Journal.open(path) as journal:
        assert (await journal.counts())[State.DONE] == 1999

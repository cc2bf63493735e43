"""Opening the journal file: foreign and damaged files, permissions, locks, leftovers."""

# ruff: noqa: ASYNC240 - small local files, and nothing else runs in the loop

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.bulk.journal.schema import FORMAT
from asyncsim.bulk.records import OPEN, State, Verdict
from asyncsim.errors import JournalError
from tests.bulk.journal.samples import (
    change_by_hand,
    files_in,
    fill,
    next_rows,
    planned_row,
    query,
    row,
    write_format_1,
)
from tests.bulk.journals import HEAD

_OPEN = """
import aiosqlite, asyncio, os, sys  # what is imported later may be out of reach by then
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.bulk.journal.schema import FORMAT
from asyncsim.errors import JournalError
async def main():
    try:
        async with Journal.open(sys.argv[1], read_only=sys.argv[2] == "read-only") as journal:
            print("open", sum((await journal.counts()).values()))
    except JournalError as error:
        print(error)
import sqlalchemy.dialects.sqlite.aiosqlite  # later it may be out of reach: root's own folder
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)  # rights do not bind root
asyncio.run(main())
"""


def opened_by_another(path: Path, *, how: str = "write") -> str:
    """Output of another process, without root privileges, that opens the journal."""
    command = [sys.executable, "-W", "error", "-c", _OPEN, str(path), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a process without root privileges can access."""
    folder = tmp_path_factory.mktemp("shared")
    for parent in (folder, *folder.parents):
        if parent == Path(tempfile.gettempdir()):
            break
        if parent.owner() == "root" or os.getuid() != 0:
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    return folder


async def open_error(path: Path | str, *, read_only: bool = False) -> str:
    with pytest.raises(JournalError) as caught:
        async with Journal.open(path, read_only=read_only):
            pass
    return str(caught.value)


async def test_a_file_that_is_not_sqlite_is_rejected_and_unchanged(path: Path) -> None:
    path.write_text("iccid,status\n8988,active\n")
    assert "not even a SQLite file" in await open_error(path)
    assert path.read_text() == "iccid,status\n8988,active\n"


async def test_another_programs_sqlite_file_is_rejected_and_unchanged(path: Path) -> None:
    change_by_hand(path, "CREATE TABLE money (amount)")
    before = path.read_bytes()
    for read_only in (False, True):
        assert "not a journal of asyncsim" in await open_error(path, read_only=read_only)
    assert path.read_bytes() == before


async def test_a_sqlite_file_with_another_application_id_is_rejected(path: Path) -> None:
    change_by_hand(path, "PRAGMA application_id=7")
    assert "not a journal of asyncsim" in await open_error(path)


async def test_a_journal_of_a_newer_asyncsim_is_rejected(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 1)
    change_by_hand(path, "UPDATE journal SET format = format + 1")
    assert "newer asyncsim: update asyncsim" in await open_error(path)
    assert "newer asyncsim: update asyncsim" in await open_error(path, read_only=True)


async def test_a_damaged_journal_is_rejected(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 500)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    assert "restore it from a backup" in await open_error(path)


async def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    path.touch()
    async with Journal.open(path) as journal:
        await fill(journal, 1)
    assert query(path, "SELECT count(*) FROM rows") == [(1,)]


async def test_a_folder_is_rejected_as_a_journal(tmp_path: Path) -> None:
    assert "is a folder" in await open_error(tmp_path)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path / 'no'}" in await open_error(tmp_path / "no" / "b.db")
    assert files_in(tmp_path) == set()


async def test_a_device_is_rejected_as_a_journal() -> None:
    assert "not a regular file" in await open_error("/dev/null")


async def test_opening_a_missing_journal_read_only_creates_nothing(tmp_path: Path) -> None:
    assert "there is no journal" in await open_error(tmp_path / "b.db", read_only=True)
    (tmp_path / "empty.db").touch()
    assert "has the job been started?" in await open_error(tmp_path / "empty.db", read_only=True)
    assert files_in(tmp_path) == {"empty.db"}


async def test_a_read_only_folder_is_named(shared: Path) -> None:
    shared.chmod(0o555)
    try:
        output = opened_by_another(shared / "batch.db")
    finally:
        shared.chmod(0o755)
    assert f"the folder {shared} cannot be written" in output
    assert files_in(shared) == set()


async def test_a_read_only_file_can_be_opened_read_only(shared: Path) -> None:
    path = shared / "batch.db"
    async with Journal.open(path) as journal:
        await fill(journal, 2)
    path.chmod(0o444)
    shared.chmod(0o777)
    assert "make the file writable" in opened_by_another(path)
    shared.chmod(0o555)
    assert opened_by_another(path, how="read-only") == "open 2"
    path.chmod(0)
    if os.getuid() == 0:
        assert "cannot be read" in opened_by_another(path, how="read-only")


async def test_a_new_journal_is_readable_by_its_owner_only(path: Path) -> None:
    before = os.umask(0)
    try:
        async with Journal.open(path) as journal:
            await fill(journal, 1)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}


async def test_a_closed_journal_is_one_file_and_readers_add_none(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 3)
    left = files_in(path.parent)
    assert left - {"batch.db.lock"} == {
        "batch.db"
    }  # some versions of filelock remove their lock file
    async with Journal.open(path, read_only=True) as journal:
        assert await journal.counts() == {State.READ: 3}
        assert files_in(path.parent) == left
    assert files_in(path.parent) == left


async def test_a_running_job_can_be_read_and_still_closes(path: Path) -> None:
    async with AsyncExitStack() as read_only_process:
        async with Journal.open(path) as job:
            await fill(job, 3)
            reader = await read_only_process.enter_async_context(Journal.open(path, read_only=True))
            await job.record_accepted(1)
            await job.flush()
            assert await reader.counts() == {State.READ: 2, State.ACCEPTED: 1}
        assert await reader.counts() == {State.READ: 2, State.ACCEPTED: 1}
    async with Journal.open(path) as job:
        assert await job.counts() == {State.READ: 2, State.ACCEPTED: 1}


async def test_opening_read_only_changes_nothing(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 1)
    async with Journal.open(path, read_only=True) as journal:
        with pytest.raises(JournalError, match="opened for reading only"):
            await journal.record_intent(1)
        with pytest.raises(JournalError, match="opened for reading only"):
            await journal.begin_run()
        assert await journal.counts() == {State.READ: 1}


async def test_a_journal_can_be_open_only_once_per_process(path: Path) -> None:
    async with Journal.open(path) as journal:
        assert f"in use by process {os.getpid()} on " in await open_error(path)
        with pytest.raises(JournalError, match="open already"):
            await journal.__aenter__()
        await fill(journal, 1)
    async with Journal.open(path) as journal:
        assert await journal.counts() == {State.READ: 1}


async def test_a_link_does_not_bypass_the_lock(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with Journal.open(path):
        assert "in use by" in await open_error(link)


async def test_another_process_gets_an_error_that_names_the_lock_holder(path: Path) -> None:
    path.parent.chmod(0o777)
    async with Journal.open(path) as journal:
        await fill(journal, 1)
        command = [
            sys.executable,
            "-c",
            _OPEN.replace("os.getuid() == 0", "False"),
            str(path),
            "write",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: ASYNC221 - nothing else runs
        assert f"in use by process {os.getpid()} on" in done.stdout
        assert await journal.counts() == {State.READ: 1}


async def test_another_program_that_locks_the_file_is_named_as_the_cause(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncsim.bulk.journal.sqlite._PRAGMAS", ("busy_timeout=1",))
    monkeypatch.setattr("asyncsim.bulk.journal.sqlite._BUSY_TIMEOUT", "busy_timeout=1")
    async with Journal.open(path) as journal:
        await fill(journal, 1)
        with closing(sqlite3.connect(path, isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalError, match="an SQL shell"):
                await journal.begin_run()
            shell.execute("ROLLBACK")
        assert await journal.begin_run() == 2


async def test_a_journal_that_is_not_open_raises_an_error(path: Path) -> None:
    journal = Journal.open(path)
    with pytest.raises(JournalError, match="async with"):
        await journal.counts()
    async with journal:
        await fill(journal, 1)
    with pytest.raises(JournalError, match="async with"):
        await journal.record_intent(1)
    async with journal:  # it may be opened again
        assert await journal.counts() == {State.READ: 1}


async def test_the_ticket_secret_is_created_once_and_never_shown(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 1)
        secret = journal.ticket_secret
        assert len(secret) > 40
        assert secret not in repr(journal)
    async with Journal.open(path, read_only=True) as journal:
        assert journal.ticket_secret == secret


async def test_no_log_and_no_error_shows_the_ticket_secret(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "asyncsim.bulk.journal.session.secrets.token_urlsafe", lambda _: "hush-hush"
    )
    with caplog.at_level(logging.DEBUG):
        async with Journal.open(path) as journal:
            assert journal.ticket_secret == "hush-hush"
            await fill(journal, 1)
    assert "INSERT INTO jobs" in caplog.text
    assert "hush-hush" not in caplog.text


async def test_an_error_does_not_show_the_values_being_written(journal: Journal) -> None:
    await fill(journal, 1)
    with pytest.raises(JournalError) as caught:
        await journal.add_rows([row(1, name="hush-hush")])
    assert "hush-hush" not in f"{caught.value} {caught.value.__cause__}"


async def test_the_journal_is_readable_in_an_sql_shell(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 2)
        await journal.record_intent(1)
    assert query(path, "SELECT * FROM progress") == [
        ("read", None, None, 1),
        ("sending", None, None, 1),
    ]
    with pytest.raises(sqlite3.IntegrityError, match="known_state"):
        change_by_hand(path, "UPDATE rows SET state = 'almost done'")


async def test_a_journal_of_an_older_asyncsim_can_be_resumed(path: Path) -> None:
    write_format_1(path)
    async with Journal.open(path) as journal:
        assert not await journal.begin_job(HEAD)
        assert journal.ticket_secret == "hush-hush"
        assert await journal.counts() == {
            State.READ: 1,
            State.ACCEPTED: 1,
            State.FAILED: 1,
            State.IMPOSSIBLE: 1,
        }
        first, second, third, _ = [result async for result in journal.results()]
        assert (first.change, first.cells) == ({"fleet": "f", "unique_name": None}, ("891", "f"))
        assert second.verdict is Verdict.UNREADABLE
        assert (third.error_type, third.seconds) == ("ValueError", 1.5)
        assert await journal.begin_run(retry_failed=True) == 2
        assert await journal.begin_plan(OPEN | {State.FAILED}) == 4
        await journal.record_plan([planned_row(number) for number in (1, 2, 4)])
        await journal.record_intent(4)
        assert await next_rows(journal, State.READY) == [1, 2]
        first_run, _ = await journal.runs()
        assert (first_run.number, first_run.pid) == (1, 12808)
        assert await journal.duplicate_names() == []
    # The secret is the job's now, and nowhere else.
    assert query(path, "SELECT format, ticket_secret FROM journal") == [(FORMAT, "")]
    assert query(path, "SELECT id, name, state FROM jobs") == [(1, "batch.csv", "planned")]
    assert query(path, "SELECT number, last_row FROM chunks") == [(0, 4)]


async def test_a_reader_of_an_older_journal_names_the_command_that_brings_it_forward(
    path: Path,
) -> None:
    write_format_1(path)
    before = path.read_bytes()
    assert f"run `asyncsim jobs migrate {path}`, then" in await open_error(path, read_only=True)
    assert path.read_bytes() == before
    assert await migrate(str(path)) == (1, FORMAT)
    assert await migrate(str(path)) == (FORMAT, FORMAT)
    async with Journal.open(path, read_only=True) as journal:
        assert sum((await journal.counts()).values()) == 4


async def test_an_older_journal_whose_input_was_not_read_completely_starts_over(path: Path) -> None:
    write_format_1(path)
    change_by_hand(path, "UPDATE job SET read_completely_at = NULL")
    async with Journal.open(path) as journal:
        assert await journal.head() is None
        assert await journal.begin_job(HEAD)
        assert await journal.counts() == {}
        assert journal.ticket_secret == "hush-hush"


async def test_an_older_journal_without_a_job_takes_a_new_one(path: Path) -> None:
    write_format_1(path)
    for table in ("job", "rows", "runs"):
        change_by_hand(path, f"DELETE FROM {table}")
    async with Journal.open(path) as journal:
        await fill(journal, 2)
        assert await journal.counts() == {State.READ: 2}


async def test_a_missing_file_is_not_migrated(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        await migrate(str(tmp_path / "missing.db"))
    assert files_in(tmp_path) == set()

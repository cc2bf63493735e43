"""Journals in PostgreSQL: tables, claims and fences, lost connections, other jobs and chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.errors import Fenced
from asyncsim.bulk.journal import Journal, claims, migrations, open_database
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.bulk.journal.postgres import RETRY_FOR
from asyncsim.bulk.journal.schema import FORMAT
from asyncsim.bulk.records import OPEN, ChunkClaim, Ending, Planned, State, Verdict
from asyncsim.clock import SYSTEM_CLOCK, ManualClock
from asyncsim.errors import JournalError
from tests.bulk.journal.samples import fill, next_rows, planned_row, row
from tests.bulk.journals import HEAD
from tests.integration.harness import complete
from tests.postgres.proxy import LossyProxy, Moment
from tests.postgres.replicas import advance_until

JOB = HEAD.label


@pytest.fixture
def url(migrated_url: str) -> str:
    """A database with tables."""
    return migrated_url


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(url) as proxy:
        yield proxy


def run_sql(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


async def open_error(url: str, job: str = JOB, *, read_only: bool = False) -> str:
    with pytest.raises(JournalError) as caught:
        async with Journal.open(url, job=job, read_only=read_only):
            pass
    return str(caught.value)


async def until_one_waits(url: str) -> None:
    """Wait until a transaction waits for a lock."""
    waiting = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        while not run_sql(url, waiting):  # noqa: ASYNC110  # PostgreSQL has no event for it
            await asyncio.sleep(0.01)


# Tables.


async def test_a_database_without_tables_names_the_command_that_creates_them(
    postgres_url: str,
) -> None:
    problem = await open_error(postgres_url)
    password = postgres_url.split("@")[0].rpartition(":")[2]
    shown = postgres_url.replace(f":{password}@", "@")
    assert f"journal {shown} has no tables yet" in problem
    assert f"`asyncsim jobs migrate --journal {shown}`" in problem
    assert run_sql(postgres_url, "SELECT to_regnamespace('asyncsim')") == [(None,)]


async def test_migrating_twice_changes_nothing(postgres_url: str) -> None:
    assert await migrate(postgres_url) == (0, FORMAT)
    async with Journal.open(postgres_url, job=JOB) as journal:
        await fill(journal, 2)
    assert await migrate(postgres_url) == (FORMAT, FORMAT)
    async with Journal.open(postgres_url, job=JOB, read_only=True) as journal:
        assert await journal.counts() == {State.READ: 2}


async def test_processes_that_migrate_at_the_same_time_wait_for_each_other(
    postgres_url: str,
) -> None:
    found = await asyncio.gather(*(migrate(postgres_url) for _ in range(4)))
    assert sorted(found) == [(0, FORMAT)] + [(FORMAT, FORMAT)] * 3


async def test_a_schema_that_an_administrator_has_created_is_used(postgres_url: str) -> None:
    run_sql(postgres_url, "CREATE SCHEMA asyncsim")
    name = postgres_url.rpartition("/")[2]
    run_sql(postgres_url, f"REVOKE CREATE ON DATABASE {name} FROM CURRENT_USER")
    assert await migrate(postgres_url) == (0, FORMAT)


async def test_tables_of_another_version_are_not_used(url: str) -> None:
    run_sql(url, "UPDATE asyncsim.journal SET format = format + 1")
    assert "newer asyncsim: update asyncsim" in await open_error(url)
    with pytest.raises(JournalError, match="newer asyncsim"):
        await migrate(url)
    run_sql(url, "UPDATE asyncsim.journal SET format = format - 2")
    assert "older asyncsim: run `asyncsim jobs migrate" in await open_error(url, read_only=True)


async def test_a_migration_applies_all_steps_or_none(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def add(connection: AsyncConnection) -> None:
        await connection.execute(text("ALTER TABLE asyncsim.jobs ADD COLUMN owner text"))

    async def fail(connection: AsyncConnection) -> None:
        await connection.execute(text("SELECT 1 / 0"))

    monkeypatch.setattr(migrations, "FORMAT", FORMAT + 2)
    monkeypatch.setattr(migrations, "STEPS", {FORMAT + 1: add, FORMAT + 2: fail})
    with pytest.raises(JournalError, match="division by zero"):
        await migrate(url)
    columns = (
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_name = 'jobs' AND column_name = 'owner'"
    )
    assert run_sql(url, columns) == []
    monkeypatch.setattr(migrations, "FORMAT", FORMAT + 1)
    assert await migrate(url) == (FORMAT, FORMAT + 1)
    assert run_sql(url, columns) == [("owner",)]
    assert run_sql(url, "SELECT format FROM asyncsim.journal") == [(FORMAT + 1,)]


async def test_a_url_needs_the_name_of_a_job(url: str) -> None:
    with pytest.raises(JournalError, match=r"is shared: pass the name of a job \(`job=`\)"):
        Journal.open(url)
    assert "has no job 'other'" in await open_error(url, "other", read_only=True)


async def test_errors_show_no_password(url: str) -> None:
    password = url.split("@")[0].rpartition(":")[2]
    wrong = url.replace(f":{password}@", ":hush-hush@")
    problem = await open_error(wrong)
    assert "the server rejects the user: check the user name, the password" in problem
    assert "hush-hush" not in problem
    assert "hush-hush" not in repr(Journal.open(wrong, job=JOB))


# Claims and fences.


async def test_a_job_is_written_by_one_process_at_a_time(url: str) -> None:
    async with Journal.open(url, job=JOB) as journal:
        await fill(journal, 2)
        [(owner,)] = run_sql(url, "SELECT owner FROM asyncsim.chunks")
        assert f"is in use by process {owner}: wait until" in await open_error(url)
        async with Journal.open(url, job=JOB, read_only=True) as reader:
            assert await reader.counts() == {State.READ: 2}
    async with Journal.open(url, job=JOB) as journal:
        assert not await journal.begin_job(HEAD)
        assert run_sql(url, "SELECT epoch, state FROM asyncsim.chunks") == [(2, "running")]
    assert run_sql(url, "SELECT owner, state FROM asyncsim.chunks") == [(None, "done")]


async def test_a_process_that_was_taken_for_dead_writes_nothing_more(url: str) -> None:
    async with Journal.open(url, job=JOB) as zombie:
        await fill(zombie, 3)
        run_sql(url, "UPDATE asyncsim.chunks SET heartbeat_at = heartbeat_at - interval '7 s'")
        async with Journal.open(url, job=JOB) as successor:
            await successor.record_intent(1)
            with pytest.raises(Fenced, match="another process has taken over job"):
                await zombie.record_intent(2)
            with pytest.raises(Fenced):
                await zombie.begin_run()
            assert await next_rows(successor, State.SENDING) == [1]
            assert len(await successor.runs()) == 1
    assert run_sql(url, "SELECT state FROM asyncsim.chunks") == [("done",)]


async def test_a_write_is_no_heartbeat(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = "SELECT heartbeat_at FROM asyncsim.chunks"
    async with Journal.open(url, job=JOB) as journal:
        await fill(journal, 1)
        before = run_sql(url, beats)
        await journal.record_intent(1)
        assert run_sql(url, beats) == before
    monkeypatch.setattr(claims, "HEARTBEAT", 0.01)
    async with Journal.open(url, job=JOB):
        before = run_sql(url, beats)
        async with asyncio.timeout(10):
            while run_sql(url, beats) == before:  # noqa: ASYNC110  # another process changes it
                await asyncio.sleep(0.01)


async def test_a_job_that_its_workers_have_is_not_opened(url: str) -> None:
    async with Journal.open(url, job=JOB) as journal:
        await fill(journal, 2)
    run_sql(url, "UPDATE asyncsim.jobs SET state = 'running'")
    assert "is running and belongs to workers" in await open_error(url)
    run_sql(url, "UPDATE asyncsim.jobs SET state = 'cancelled'")
    run_sql(
        url,
        "INSERT INTO asyncsim.chunks (job, number, first_row, last_row, state, owner, heartbeat_at)"
        " SELECT id, 1, 1, 2, 'running', 'h:1:x', clock_timestamp() FROM asyncsim.jobs",
    )
    assert "is in use by process h:1:x" in await open_error(url)
    run_sql(url, "UPDATE asyncsim.chunks SET heartbeat_at = clock_timestamp() - interval '7 s'")
    async with Journal.open(url, job=JOB) as journal:
        assert await journal.counts() == {State.READ: 2}


async def test_two_jobs_of_one_name_are_not_begun_at_the_same_time(url: str) -> None:
    async with Journal.open(url, job=JOB) as first, Journal.open(url, job=JOB) as second:
        assert await first.begin_job(HEAD)
        with pytest.raises(JournalError, match=r"has just submitted a job 'batch\.csv'"):
            await second.begin_job(HEAD)


async def test_a_journal_whose_opening_is_cancelled_leaves_no_claim(url: str) -> None:
    async with Journal.open(url, job=JOB) as journal:
        await fill(journal, 1)
    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM asyncsim.jobs FOR UPDATE")
        opening = asyncio.create_task(Journal.open(url, job=JOB).__aenter__())
        await until_one_waits(url)
        opening.cancel()
        await asyncio.sleep(0)
        other.commit()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert run_sql(url, "SELECT epoch, owner FROM asyncsim.chunks") == [(2, None)]


async def test_a_job_that_is_deleted_while_a_process_claims_it_is_reported(url: str) -> None:
    async with Journal.open(url, job=JOB) as journal:
        await fill(journal, 1)
    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM asyncsim.jobs FOR UPDATE")
        opening = asyncio.create_task(open_error(url))
        await until_one_waits(url)
        other.execute("DELETE FROM asyncsim.chunks")
        other.execute("DELETE FROM asyncsim.jobs")
        other.commit()
        assert "another process has just deleted this job; nothing was sent" in await opening


# Jobs and chunks.


async def chunk_of(url: str, journal: Journal, number: int, first: int, last: int) -> ChunkClaim:
    assert journal.job_id is not None
    run_sql(
        url,
        "INSERT INTO asyncsim.chunks (job, number, first_row, last_row, state, owner, epoch)"
        f" VALUES ({journal.job_id}, {number}, {first}, {last}, 'running', 'me', 3)",
    )
    return ChunkClaim(journal.job_id, number, "me", 3)


async def test_a_journal_of_a_chunk_touches_its_rows_alone(url: str) -> None:
    async with Journal.open(url, job="other") as other:
        await fill(other, 6)
    async with Journal.open(url, job=JOB) as whole:
        await fill(whole, 6)
        claim = await chunk_of(url, whole, 1, 2, 4)
    async with Journal.open(url, chunk=claim) as chunk:
        assert chunk.job_name == JOB
        assert await chunk.counts() == {State.READ: 3}
        assert await next_rows(chunk, State.READ) == [2, 3, 4]
        assert await chunk.begin_plan(OPEN) == 3
        names = [f"89{number}" for number in range(1, 7)]
        assert [one.number for one in await chunk.match_unplanned(names)] == [2, 3, 4]
        await chunk.record_plan([planned_row(2), planned_row(3)])
        assert await chunk.count_unplanned() == 1
        await chunk.approve()
        await chunk.record_intent(2)
        await chunk.record_ending(2, Ending(state=State.DONE, settled_by="callback", seconds=1.0))
        assert (await chunk.statistics()).p50 == 1.0
        assert await chunk.reopen_unconfirmed() == 1
        assert [one.number async for one in chunk.results()] == [2, 3, 4]
    states = "SELECT number FROM asyncsim.rows WHERE job = {} AND state = 'read' ORDER BY number"
    assert run_sql(url, states.format(claim.job_id)) == [(1,), (4,), (5,), (6,)]
    assert run_sql(url, states.format(other.job_id)) == [(number,) for number in range(1, 7)]


async def test_jobs_of_one_database_do_not_see_each_other(url: str) -> None:
    async with Journal.open(url, job="a") as first, Journal.open(url, job="b") as second:
        await fill(first, 3)
        await fill(second, 0, row(1), row(2, name="891"))
        assert first.ticket_secret != second.ticket_secret
        assert await first.duplicate_names() == []
        assert [one.times for one in await second.duplicate_names()] == [2]
        await second.record_plan([planned_row(1, sid="HS1"), planned_row(2, sid="HS1")])
        assert await first.duplicate_sims() == []
        await first.record_ending(2, Ending(state=State.FAILED, error=ValueError("x"), requests=2))
        assert (await second.statistics()).failures == {}
        assert (await second.statistics()).requests == 0
        assert await first.begin_run(retry_failed=True) == 2
        assert (await first.count_retries(), await second.count_retries()) == (1, 0)
        await first.end_run("drained")
        assert [run.reason for run in await second.runs()] == [None]
        await second.discard_job()
        assert await first.counts() == {State.READ: 2, State.FAILED: 1}


async def test_planning_passes_of_two_chunks_do_not_reset_each_other(url: str) -> None:
    async with Journal.open(url, job=JOB) as whole:
        await fill(whole, 4)
        claims = [await chunk_of(url, whole, 1, 1, 2), await chunk_of(url, whole, 2, 3, 4)]
    database = open_database(url, SYSTEM_CLOCK)
    await database.open()
    first, second = (Journal.open(url, chunk=claim, database=database) for claim in claims)
    async with first, second:
        for _ in range(5):
            await asyncio.gather(first.begin_plan(OPEN), second.begin_plan(OPEN))
        await first.record_plan([planned_row(1), planned_row(2)])
        assert await first.begin_plan(OPEN) == 2
        assert await second.count_unplanned() == 2
    assert database.is_open
    await database.close()
    # One pass of `fill`, eleven of the chunks: each was counted.
    assert run_sql(url, "SELECT looks FROM asyncsim.jobs") == [(12,)]


# Lost connections.


@pytest.mark.parametrize("moment", ["before COMMIT", "after COMMIT"])
async def test_steps_whose_connection_is_lost_are_written_exactly_once(
    url: str, proxy: LossyProxy, moment: Moment
) -> None:
    async with Journal.open(proxy.url, job=JOB) as journal:
        await fill(journal, 3)
        proxy.lose(moment)
        await journal.record_ending(1, Ending(state=State.FAILED, requests=3))
        await journal.flush()
        proxy.lose(moment)
        await journal.record_intent(2)
        assert run_sql(url, "SELECT state FROM asyncsim.rows WHERE number = 2") == [("sending",)]
        proxy.lose(moment)
        assert await journal.begin_run() == 2
        assert proxy.losses == 3
        [first, _, _] = [result async for result in journal.results()]
        assert (first.requests, first.state) == (3, State.FAILED)
        assert len(await journal.runs()) == 2


async def test_reads_survive_a_lost_connection(url: str, proxy: LossyProxy) -> None:
    async with Journal.open(proxy.url, job=JOB) as journal:
        await fill(journal, 3)
        before = proxy.connections
        proxy.cut()
        assert await journal.counts() == {State.READ: 3}
        assert proxy.connections > before


async def test_a_server_that_is_away_for_a_while_is_waited_for(
    url: str, proxy: LossyProxy, clock: ManualClock
) -> None:
    async with Journal.open(proxy.url, job=JOB, clock=clock) as journal:
        await fill(journal, 3)
        proxy.refusing = True
        proxy.cut()
        waiting = asyncio.create_task(journal.record_intent(1))
        while clock.now() < RETRY_FOR - 10.0:
            await clock.advance(2.0)
            assert not waiting.done()
        assert proxy.refused > 20
        proxy.refusing = False
        await complete(clock, waiting)
        assert await next_rows(journal, State.SENDING) == [1]


async def test_a_server_that_stays_away_ends_the_run_after_a_minute(
    url: str, proxy: LossyProxy, clock: ManualClock
) -> None:
    async with Journal.open(proxy.url, job=JOB, clock=clock) as journal:
        await fill(journal, 3)
        proxy.refusing = True
        proxy.cut()
        waiting = asyncio.create_task(journal.record_intent(1))
        started = clock.now()
        while not waiting.done():
            await clock.advance(0.5)
            assert clock.now() - started < RETRY_FOR + 10.0
        assert clock.now() - started >= RETRY_FOR
        with pytest.raises(JournalError, match="the server cannot be reached"):
            await waiting
        proxy.refusing = False
        # The intent was not written, so nothing may follow it.
        with pytest.raises(JournalError):
            await journal.record_accepted(1)
    assert run_sql(url, "SELECT DISTINCT state FROM asyncsim.rows") == [("read",)]


async def test_a_job_taken_over_while_the_server_was_away_is_fenced(
    url: str, proxy: LossyProxy, clock: ManualClock
) -> None:
    async with Journal.open(proxy.url, job=JOB, clock=clock) as journal:
        await fill(journal, 3)
        proxy.refusing = True
        proxy.cut()
        waiting = asyncio.create_task(journal.record_intent(1))
        await advance_until(clock, lambda: proxy.refused)
        run_sql(url, "UPDATE asyncsim.chunks SET owner = 'h:1:x', epoch = epoch + 1")
        proxy.refusing = False
        with pytest.raises(Fenced):
            await complete(clock, waiting)
    assert run_sql(url, "SELECT DISTINCT state FROM asyncsim.rows") == [("read",)]
    assert run_sql(url, "SELECT owner FROM asyncsim.chunks") == [("h:1:x",)]


# Text that PostgreSQL does not store.


async def test_words_of_the_vendor_that_cannot_be_stored_are_replaced(url: str) -> None:
    async with Journal.open(url, job=JOB) as journal:
        await fill(journal, 2)
        await journal.record_ending(
            1, Ending(state=State.FAILED, error=ValueError("a\0b \ud800"), status="act\0ive")
        )
        note = Planned(
            number=2, verdict=Verdict.UNREADABLE, state=State.IMPOSSIBLE, note="\0", before="\0x"
        )
        await journal.record_plan([note])
        first, second = [result async for result in journal.results()]
        assert (first.error, first.status) == ("a\ufffdb ?", "act\ufffdive")
        assert (second.error, second.before) == ("\ufffd", "\ufffdx")


async def test_a_cell_with_nul_is_kept_and_a_name_with_it_is_an_error(url: str) -> None:
    async with Journal.open(url, job=JOB) as journal:
        await fill(journal, 0, row(1, cells=("a\0b", "\u00fc")))
        [result] = [result async for result in journal.results()]
        assert result.cells == ("a\0b", "\u00fc")
        with pytest.raises(JournalError, match="cannot contain NUL"):
            await journal.add_rows([row(2, name="a\0b")])
        assert await journal.counts() == {State.READ: 1}

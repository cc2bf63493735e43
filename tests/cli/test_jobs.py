"""`asyncsim jobs`: status, report and retry of a journal."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from asyncsim.emulator import Emulator, Faults
from tests.cli.check_process import spawn
from tests.cli.conftest import Cli, posts
from tests.cli.test_activate import fill, results


@pytest.fixture
def batch(emulator: Emulator, tmp_path: Path) -> Path:
    path = tmp_path / "batch.csv"
    fill(path, emulator.world("twilio").sims("wireless"), "sid")
    return path


@pytest.fixture
def journal(batch: Path) -> str:
    return str(batch.with_suffix(".db"))


def activate(batch: Path) -> tuple[str, ...]:
    return ("activate", str(batch), "--product", "wireless", "--listen", "0")


async def test_the_status_shows_the_job_and_its_progress(
    cli: Cli, emulator: Emulator, batch: Path, journal: str
) -> None:
    await cli(*activate(batch), "--limit", "5")
    status = (await cli("jobs", "status", journal, "-o", "json")).json
    assert status["job"] == "update of batch.csv"
    assert (status["change"], status["product"]) == ("status=active", "wireless")
    assert (status["rows"], status["done"], status["ready"], status["unfinished"]) == (12, 5, 7, 7)
    assert status["run"].startswith("ended at ")
    assert status["run"].endswith(": limit")
    table = await cli("jobs", "status", journal)
    assert "unfinished  7" in table.out


async def test_the_status_can_be_read_while_the_job_runs(
    cli: Cli, emulator: Emulator, batch: Path, journal: str
) -> None:
    emulator.latency = type(emulator.latency)(transition=1e6, longest=1e6)
    process = await spawn(*activate(batch))
    async with asyncio.timeout(60):
        while posts(emulator) < 12:  # noqa: ASYNC110  # another process sends them
            await asyncio.sleep(0)
        status = (await cli("jobs", "status", journal, "-o", "json")).json
        assert status["run"].startswith("running since ")
        assert f"process {process.pid} " in status["run"]
        (row,) = (await cli("jobs", "list", journal, "-o", "json")).json
        assert row["run"] == "running"
        process.kill()
        await process.communicate()
    status = (await cli("jobs", "status", journal, "-o", "json")).json
    assert status["run"].startswith("interrupted")
    assert status["unfinished"] == 12
    (row,) = (await cli("jobs", "list", journal, "-o", "json")).json
    assert (row["run"], row["unfinished"]) == ("interrupted", 12)


async def test_a_job_in_use_is_not_retried(
    cli: Cli, emulator: Emulator, batch: Path, journal: str
) -> None:
    emulator.latency = type(emulator.latency)(transition=1e6, longest=1e6)
    process = await spawn(*activate(batch))
    async with asyncio.timeout(60):
        while posts(emulator) < 12:  # noqa: ASYNC110  # another process sends them
            await asyncio.sleep(0)
        for command in (activate(batch), ("jobs", "retry-failed", journal)):
            ended = await cli(*command)
            assert ended.code == 2
            assert f"in use by process {process.pid}" in ended.err
        process.kill()
        await process.communicate()


async def test_the_report_is_available_at_any_time(
    cli: Cli, emulator: Emulator, batch: Path, journal: str
) -> None:
    await cli(*activate(batch))
    table = await cli("jobs", "report", journal)
    assert table.code == 0
    assert "12, all at their target" in table.out
    assert (await cli("jobs", "report", journal, "-o", "json")).json["states"] == {"done": 12}
    rows = (await cli("jobs", "report", journal, "-o", "csv")).rows
    assert rows == results(batch)


async def test_a_retry_resends_only_failed_rows(
    cli: Cli, emulator: Emulator, batch: Path, journal: str
) -> None:
    emulator.faults = Faults(failing_updates=0.5, seed=3)
    assert (await cli(*activate(batch))).code == 1
    failed = len(results(batch, "failed.csv"))
    assert 0 < failed < 12
    assert (await cli(*activate(batch))).code == 1  # a second run leaves failed rows alone
    assert posts(emulator) == 12
    emulator.faults = Faults()
    assert (await cli("jobs", "retry-failed", journal, "--listen", "0")).code == 0
    assert posts(emulator) == 12 + failed
    assert results(batch, "failed.csv") == []


@pytest.mark.parametrize("command", ["status", "report", "retry-failed"])
async def test_a_file_that_is_no_journal_is_one_line(
    command: str, cli: Cli, emulator: Emulator, batch: Path, tmp_path: Path
) -> None:
    for place in (batch, tmp_path / "nothing.db", tmp_path):
        ended = await cli("jobs", command, str(place))
        assert ended.code == 2
        assert ended.err.count("\n") == 1
    assert not (tmp_path / "nothing.db").exists()


async def test_continuing_with_other_credentials_is_rejected(
    cli: Cli, emulator: Emulator, batch: Path, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cli(*activate(batch), "--limit", "1")
    other = emulator.world("twilio").add_subaccount()
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", other.account_sid)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", other.auth_token)
    ended = await cli("jobs", "retry-failed", journal)
    assert ended.code == 2
    assert "belongs to" in ended.err
    assert other.auth_token not in ended.err


async def test_a_job_can_be_continued_without_its_file(
    cli: Cli, emulator: Emulator, batch: Path, journal: str
) -> None:
    await cli(*activate(batch), "--limit", "5")
    await asyncio.to_thread(batch.unlink)
    ended = await cli("jobs", "resume", journal)
    assert ended.code == 0
    assert posts(emulator) == 12
    assert {row["asyncsim_result"] for row in results(batch)} == {"done"}


async def test_a_retry_that_stops_early_is_continued_rather_than_restarted(
    cli: Cli, emulator: Emulator, batch: Path, journal: str
) -> None:
    emulator.faults = Faults(failing_updates=1.0)
    await cli(*activate(batch))
    ended = await cli("jobs", "retry-failed", journal, "--limit", "3", "--listen", "0")
    assert f"jobs resume {journal} --limit 3 --listen 0" in ended.err
    before = posts(emulator)
    emulator.faults = Faults()
    await cli("jobs", "resume", journal)
    assert posts(emulator) == before + 9  # those that the first retry had not sent


# The list of jobs.


async def test_the_jobs_of_a_folder_are_listed_with_their_progress(
    cli: Cli, emulator: Emulator, batch: Path, journal: str, tmp_path: Path
) -> None:
    await cli(*activate(batch), "--limit", "5")
    other = tmp_path / "other.db"
    await cli(*activate(batch), "--journal", str(other), "--results", str(tmp_path / "results"))
    foreign = sqlite3.connect(tmp_path / "foreign.db")  # another program's database
    foreign.execute("CREATE TABLE t (x)")
    foreign.close()
    (tmp_path / "notes.db").write_text("no database")
    ended = await cli("jobs", "list", str(tmp_path), "-o", "json")
    assert ended.code == 0
    first, second = ended.json
    assert first["journal"] == journal
    assert (first["job"], first["change"]) == ("update of batch.csv", "status=active")
    counted = ("rows", "at_target", "failed", "unfinished", "run")
    assert [first[name] for name in counted] == [12, 5, 0, 7, "stopped: limit"]
    assert [second[name] for name in counted] == [12, 12, 0, 0, "finished"]
    assert second["started_at"] <= second["ended_at"]
    table = await cli("jobs", "list", str(other), "--columns", "rows,run")
    assert table.out.splitlines()[1].split() == ["12", "finished"]


async def test_without_an_argument_the_jobs_of_this_folder_are_listed(
    cli: Cli, emulator: Emulator, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(batch.parent)
    assert (await cli("jobs", "list", "-o", "json")).json == []
    await cli(*activate(batch), "--limit", "5")
    (row,) = (await cli("jobs", "list", "-o", "json")).json
    assert row["journal"] == "batch.db"


async def test_a_file_that_is_no_journal_is_reported_and_hides_no_other(
    cli: Cli, emulator: Emulator, batch: Path, journal: str, tmp_path: Path
) -> None:
    await cli(*activate(batch), "--limit", "5")
    for place in (batch, tmp_path / "missing.db"):
        ended = await cli("jobs", "list", str(place), journal, "-o", "json")
        assert (ended.code, ended.err.count("\n"), len(ended.json)) == (2, 1, 1)
        assert str(place) in ended.err
    assert not (tmp_path / "missing.db").exists()

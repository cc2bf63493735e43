"""`asyncsim jobs` with a shared journal: submit, list, status, watch, pause, cancel, purge."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from attrs import evolve

from asyncsim import bulk
from asyncsim.bulk import worker
from asyncsim.bulk.journal import claims
from asyncsim.cli.app import execute
from asyncsim.cli.job_rows import list_job, notes_on
from asyncsim.cli.job_watch import JobsLines, Seen
from asyncsim.emulator import Emulator, Faults, Latency
from tests.cli.conftest import Cli, posts
from tests.cli.shared import DISPATCH, without_password, working
from tests.cli.test_activate import fill
from tests.postgres.replicas import until

ACTIVE = ("--product", "wireless", "--status", "active", *DISPATCH)
OTHER = ("--product", "wireless", "--status", "ready", *DISPATCH)
"""Another change of the same SIMs."""


@pytest.fixture
def journal(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A shared journal that the environment names, with its password."""
    monkeypatch.setenv("ASYNCSIM_JOURNAL", migrated_url)
    return migrated_url


@pytest.fixture
def batch(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of 12 SIMs in the current folder."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "batch.csv", emulator.world("twilio").sims("wireless"), "sid")
    return "batch.csv"


async def test_a_submitted_job_is_run_by_a_worker_and_watched_until_its_end(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    submitted = await cli("jobs", "submit", batch, *ACTIVE, "--chunk-rows", "5")
    assert submitted.code == 0, submitted.err
    assert posts(emulator) == 0
    assert "submitted batch.csv: 12 SIMs, 3 chunks to send" in submitted.err
    shown = without_password(journal)
    assert f"to follow it: asyncsim jobs watch batch.csv --journal {shown}" in submitted.err
    async with working(journal, emulator):
        watched = await cli("jobs", "watch", batch, "--interval", "0.05")
    assert (watched.code, watched.err) == (0, "")
    assert "batch.csv: finished, 12 of 12 at their target" in watched.out.splitlines()[-1]
    assert posts(emulator) == 12
    (row,) = (await cli("jobs", "list", "-o", "json")).json
    counted = ("name", "state", "rows", "at_target", "failed", "unfinished", "done", "workers")
    assert [row[name] for name in counted] == ["batch.csv", "finished", 12, 12, 0, 0, 3, 0]


async def test_nobody_who_works_on_an_account_is_missed_in_the_list(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    submitted = await cli("jobs", "submit", batch, *ACTIVE)
    assert "batch.csv waits for a worker: none is running (1 chunk in the queue)" in submitted.err
    other = emulator.world("twilio").add_subaccount()
    assert other.account_sid
    listed = await cli("jobs", "list", "-o", "json")
    assert listed.json[0]["waiting_for"] == "a worker: none is running"
    assert "batch.csv waits for a worker" in listed.err
    status = (await cli("jobs", "status", batch, "-o", "json")).json
    assert (status["state"], status["chunks_queued"], status["ready"]) == ("running", 1, 12)
    assert status["waiting_for"] == "a worker: none is running"


# The only worker dies with its chunks, or while it verifies the job.
@pytest.mark.parametrize(
    ("dies_with", "done", "queued", "note"),
    [
        ("number = 1", 0, 3, "3 chunks in the queue"),
        ("number > 0", 0, 3, "3 chunks in the queue"),
        ("number = 0", 3, 0, "its verification in the queue"),
    ],
)
async def test_a_job_waits_for_a_worker_if_the_last_one_has_died(
    cli: Cli,
    emulator: Emulator,
    batch: str,
    journal: str,
    capsys: pytest.CaptureFixture[str],
    dies_with: str,
    done: int,
    queued: int,
    note: str,
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE, "--chunk-rows", "5")
    with psycopg.connect(journal, autocommit=True) as connection:
        if done:
            connection.execute("UPDATE asyncsim.chunks SET state = 'done' WHERE number > 0")
        connection.execute(
            "UPDATE asyncsim.chunks SET state = 'running', owner = 'host:1:x',"
            f" epoch = 1, heartbeat_at = clock_timestamp() - interval '7 s' WHERE {dies_with}"
        )
    nobody = "a worker: none is running"
    listed = await cli("jobs", "list", "-o", "json")
    (row,) = listed.json
    assert f"batch.csv waits for {nobody} ({note})" in listed.err
    counted = ("waiting_for", "queued", "running", "done", "workers")
    assert [row[name] for name in counted] == [nobody, queued, 0, done, 0]
    status = (await cli("jobs", "status", batch, "-o", "json")).json
    assert (status["waiting_for"], status["chunks_running"]) == (nobody, 0)
    async with bulk.SharedJobs(journal) as jobs:
        for name in (batch, None):
            for as_json in (False, True):
                JobsLines(as_json=as_json).show(await Seen.of(jobs, name, None))
                assert nobody in capsys.readouterr().out
    # Another one that has the credentials will claim them.
    async with working(journal, emulator):
        await cli("jobs", "watch", batch, "--interval", "0.05")
    (row,) = (await cli("jobs", "list", "-o", "json")).json
    assert (row["state"], row["waiting_for"]) == ("finished", None)


async def test_a_name_is_submitted_once(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    assert (await cli("jobs", "submit", batch, *ACTIVE)).code == 0
    again = await cli("jobs", "submit", batch, *ACTIVE)
    assert again.code == 2
    assert "already has a job 'batch.csv', which is running" in again.err
    # Not under another name either; only another change is another job.
    renamed = await cli("jobs", "submit", batch, *ACTIVE, "--name", "renamed")
    assert renamed.code == 2
    assert "job 'batch.csv' has the same input and is running" in renamed.err
    assert "follow that job (`jobs watch`)" in renamed.err
    assert (await cli("jobs", "purge", "renamed")).code == 0
    other = await cli("jobs", "submit", batch, *OTHER, "--name", "other")
    assert other.code == 0
    assert {row["name"] for row in (await cli("jobs", "list", "-o", "json")).json} == {
        "batch.csv",
        "other",
    }


async def test_a_script_that_waits_for_a_job_does_not_go_on_after_ctrl_c(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    for name, code in (((batch,), 130), ((), 0)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "asyncsim.cli", "jobs", "watch", *name),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert b"0 of 12" in await process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == code


async def test_a_submission_is_confirmed_like_a_run(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    asked = await cli("jobs", "submit", batch, "--action", "delete", *DISPATCH)
    assert asked.code == 5
    assert "--confirm-count 12" in asked.err
    status = (await cli("jobs", "status", batch, "-o", "json")).json
    assert (status["state"], status["chunks_queued"]) == ("planned", 0)
    delete = ("jobs", "submit", batch, "--action", "delete", *DISPATCH)
    assert (await cli(*delete, "--confirm-count", "12")).code == 0
    async with working(journal, emulator):
        assert (await cli("jobs", "watch", batch, "--interval", "0.05")).code == 0
    assert not emulator.world("twilio").sims("wireless")


async def test_a_dry_run_leaves_nothing_in_the_journal(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    planned = await cli("jobs", "submit", batch, *ACTIVE, "--dry-run")
    assert planned.code == 0
    assert "will change" in planned.out
    assert (await cli("jobs", "list", "-o", "json")).json == []


async def test_a_job_without_anything_to_do_is_finished_at_once(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    assert (await cli("jobs", "submit", batch, *ACTIVE, "--name", "first")).code == 0
    async with working(journal, emulator):
        await cli("jobs", "watch", "first", "--interval", "0.05")
    again = await cli("jobs", "submit", batch, *ACTIVE)
    assert "is finished: none of its 12 SIMs needs a request" in again.err
    assert (await cli("jobs", "watch", batch)).code == 0


async def test_a_job_that_is_finished_at_once_names_its_failed_rows(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    sims: Any = emulator.world("twilio").sims("wireless")
    active, unknown = evolve(next(iter(sims.values())), status="active"), "DE" + "0" * 32
    sims.put(active)
    fill(Path("wrong.csv"), [active.sid, unknown], "sid")
    ended = await cli("jobs", "submit", "wrong.csv", *ACTIVE)
    assert "wrong.csv is finished: none of its 2 SIMs needs a request" in ended.err
    assert f"1 unknown SIM: unknown SIM: {unknown} (line 3 of wrong.csv)" in ended.err
    assert f"jobs report wrong.csv --journal {without_password(journal)}" in ended.err
    for command in ("report", "watch"):
        assert (await cli("jobs", command, "wrong.csv")).code == ended.code == 1


async def test_a_paused_job_is_resumed_by_its_workers(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    paused = await cli("jobs", "pause", batch)
    assert (paused.code, paused.err) == (
        0,
        "batch.csv is paused; to continue: asyncsim jobs resume batch.csv --journal"
        f" {without_password(journal)}\n",
    )
    assert "was already paused" in (await cli("jobs", "pause", batch)).err
    listed = await cli("jobs", "list")
    assert "batch.csv is paused: paused by hand" in listed.err
    async with working(journal, emulator):
        resumed = await cli("jobs", "resume", batch, *DISPATCH)
        assert (resumed.code, resumed.err) == (0, "batch.csv is running again\n")
        assert (await cli("jobs", "watch", batch, "--interval", "0.05")).code == 0
    refused = await cli("jobs", "pause", batch)
    assert refused.code == 2
    assert "is finished: only a job that workers run can be paused" in refused.err


async def test_a_paused_job_is_resumed_with_other_limits(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    def limits() -> tuple[object, ...] | None:
        with psycopg.connect(journal) as connection:
            found = "SELECT timeout, max_failures, breaker, failed_before FROM asyncsim.jobs"
            return connection.execute(found).fetchone()

    await cli("jobs", "submit", batch, *ACTIVE, "--max-failures", "5", "--timeout", "60")
    assert limits() == (60.0, 5, 20, 0)
    await cli("jobs", "pause", batch)
    with psycopg.connect(journal) as connection:
        connection.execute("UPDATE asyncsim.rows SET state = 'failed' WHERE number <= 2")
    given = ("--max-failures", "50", "--breaker", "off")
    assert (await cli("jobs", "resume", batch, *given, *DISPATCH)).code == 0
    assert limits() == (60.0, 50, None, 2)


async def test_a_cancelled_job_can_be_resumed_with_a_new_plan_or_purged(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    cancelled = await cli("jobs", "cancel", batch)
    assert cancelled.err == (
        "batch.csv is cancelled; 12 of its SIMs are unfinished; to plan these again: asyncsim jobs"
        f" resume batch.csv --journal {without_password(journal)}\n"
    )
    async with working(journal, emulator):
        assert (await cli("jobs", "watch", batch)).code == 3
        assert posts(emulator) == 0
        assert (await cli("jobs", "resume", batch, *DISPATCH)).code == 0
        assert (await cli("jobs", "watch", batch, "--interval", "0.05")).code == 0
    assert posts(emulator) == 12
    purged = await cli("jobs", "purge", batch)
    assert (purged.code, purged.err) == (0, "batch.csv: 12 rows deleted\n")
    assert (await cli("jobs", "list", "-o", "json")).json == []


async def test_failed_rows_of_a_shared_job_are_retried(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    emulator.faults = Faults(failing_updates=0.5, seed=3)
    await cli("jobs", "submit", batch, *ACTIVE)
    async with working(journal, emulator):
        assert (await cli("jobs", "watch", batch, "--interval", "0.05")).code == 1
        status = (await cli("jobs", "status", batch, "-o", "json")).json
        failed = status["failed"]
        assert 0 < failed < 12
        emulator.faults = Faults()
        retried = await cli("jobs", "retry-failed", batch, *DISPATCH)
        assert retried.code == 0
        assert (await cli("jobs", "watch", batch, "--interval", "0.05")).code == 0
    assert posts(emulator) == 12 + failed


async def test_only_jobs_that_have_ended_are_purged(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    assert "no jobs given" in (await cli("jobs", "purge")).err
    await cli("jobs", "submit", batch, *ACTIVE)
    await cli("jobs", "submit", batch, *OTHER, "--name", "ended")
    refused = await cli("jobs", "purge", batch)
    assert refused.code == 2
    assert "is running: cancel it first" in refused.err
    await cli("jobs", "cancel", "ended")
    assert (await cli("jobs", "purge", "--older-than", "1")).err == "no job ended that long ago\n"
    assert (await cli("jobs", "purge", "--older-than", "0")).err == "ended: 12 rows deleted\n"
    (row,) = (await cli("jobs", "list", "-o", "json")).json
    assert row["name"] == batch


async def test_nothing_is_purged_if_one_of_the_names_is_wrong(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    for name in ("a", "b"):
        await cli("jobs", "submit", batch, *ACTIVE, "--name", name)
        await cli("jobs", "cancel", name)
    await cli("jobs", "submit", batch, *ACTIVE, "--name", "c")
    unknown = await cli("jobs", "purge", "a", "nope", "b")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "'nope'" in unknown.err
    running = await cli("jobs", "purge", "a", "b", "c")
    assert (running.code, running.err) == (2, "asyncsim: job 'c' is running: cancel it first\n")
    assert len((await cli("jobs", "list", "-o", "json")).json) == 3


async def test_names_of_jobs_are_bounded_and_cropped_in_tables(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    for command in (("jobs", "submit", batch, *ACTIVE), ("activate", batch)):
        refused = await cli(*command, "--name", "x" * 201)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert "choose one that is at most 200 bytes long" in refused.err
    assert posts(emulator) == 0
    longest = "x" * 200
    assert (await cli("jobs", "submit", batch, *ACTIVE, "--name", longest)).code == 0
    assert (await cli("jobs", "report", longest, "--results", "results")).code == 3
    table = (await cli("jobs", "list")).out
    assert max(map(len, table.splitlines())) < 150
    assert "x" * 39 + "…" in table
    (row,) = (await cli("jobs", "list", "-o", "json")).json
    assert row["name"] == longest


async def test_the_status_of_a_job_shows_what_there_is(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    await cli("jobs", "cancel", batch)
    shown = [line.split()[0] for line in (await cli("jobs", "status", batch)).out.splitlines()]
    assert "state" in shown
    assert not {"workers", "waiting_for"} & {*shown}
    status = (await cli("jobs", "status", batch, "-o", "json")).json
    assert (status["workers"], status["waiting_for"]) == ({}, None)


async def test_a_locked_table_is_reported(
    cli: Cli, emulator: Emulator, batch: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCSIM_JOURNAL", f"{journal}?options=-c%20lock_timeout%3D100ms")
    await cli("jobs", "submit", batch, *ACTIVE)
    with psycopg.connect(journal) as connection:
        connection.execute("LOCK TABLE asyncsim.jobs")
        for command in (("list",), ("status", batch), ("report", batch), ("watch", batch)):
            ended = await cli("jobs", *command)
            assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
            assert "another program holds a lock" in ended.err


async def test_an_unknown_job_is_named_with_the_closest_one(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    for command in ("status", "watch", "pause", "cancel", "purge", "resume", "retry-failed"):
        ended = await cli("jobs", command, "bacth.csv")
        assert ended.code == 2, command
        assert ended.err.count("\n") == 1
        assert "did you mean 'batch.csv'" in ended.err


async def test_the_report_of_a_shared_job_writes_its_results(
    cli: Cli, emulator: Emulator, batch: str, journal: str, tmp_path: Path
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    async with working(journal, emulator):
        await cli("jobs", "watch", batch, "--interval", "0.05")
    ended = await cli("jobs", "report", batch, "--results", "out")
    assert ended.code == 0
    assert "12, all at their target" in ended.out
    assert "results.csv: all 12" in ended.out
    lines = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert len(lines) == 13
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["journal"] == without_password(journal)


async def test_the_report_of_a_shared_job_writes_what_undoes_it(
    cli: Cli, emulator: Emulator, batch: str, journal: str, tmp_path: Path
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    async with working(journal, emulator):
        await cli("jobs", "watch", batch, "--interval", "0.05")
    before = "undo.csv: 0 statuses before the job"
    ended = await cli("jobs", "report", batch, "--undo", "undo.csv")
    assert (ended.code, before in ended.out) == (0, True), ended.out
    assert "12 left out: no request leads from active back to new" in ended.out
    assert (tmp_path / "undo.csv").read_text() == "sid,status\n"
    refused = await cli("jobs", "report", batch, "--undo", batch)
    assert refused.code == 2
    assert "would replace a file of the job" in refused.err
    unwritten = await cli("jobs", "report", batch, "--undo", "/proc/undo.csv")
    assert unwritten.code == 1


async def test_a_job_can_run_in_this_process_on_a_shared_journal(
    cli: Cli, emulator: Emulator, batch: str, journal: str, tmp_path: Path
) -> None:
    started = await cli("activate", batch, "--product", "wireless", "--limit", "5", "--quiet")
    assert started.code == 3, started.err
    assert posts(emulator) == 5
    assert (tmp_path / "batch-results" / "results.csv").exists()
    (row,) = (await cli("jobs", "list", "-o", "json")).json
    assert (row["name"], row["state"], row["unfinished"]) == (batch, "planned", 7)
    refused = await cli("jobs", "resume", batch, "--limit", "1")
    assert "--limit applies to a run in this process only: add --here" in refused.err
    assert (await cli("jobs", "resume", batch, "--here", "--limit", "3")).code == 3
    assert posts(emulator) == 8
    assert (await cli("jobs", "resume", batch, *DISPATCH)).code == 0  # the rest by workers
    async with working(journal, emulator):
        assert (await cli("jobs", "watch", batch, "--interval", "0.05")).code == 0
    assert posts(emulator) == 12


async def test_a_run_in_one_process_is_cancelled_by_another(
    cli: Cli, emulator: Emulator, batch: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT", 0.05)
    emulator.faults = Faults(answer_takes=0.3)
    one_at_a_time = ("--concurrency", "1", "--product", "wireless", "--quiet")
    running = asyncio.create_task(execute(["activate", batch, *one_at_a_time]))
    await until(lambda: posts(emulator))
    async with bulk.SharedJobs(journal) as jobs:
        held = list_job(await jobs.fetch(batch), [])
        assert notes_on([held]) == [f"{batch} is in use by a process that submits or runs it"]
        assert await jobs.cancel(batch) is bulk.JobState.PLANNED
        assert await running == 3
        left = await jobs.fetch(batch)
    assert (left.state, left.succeeded < 12, posts(emulator) < 12) == ("cancelled", True, True)
    emulator.faults = Faults()
    assert (await cli("jobs", "resume", batch, "--here")).code == 0
    assert posts(emulator) == 12


async def test_a_job_that_ran_in_this_process_is_finished(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    assert (await cli("activate", batch, "--product", "wireless", "--quiet")).code == 0
    assert (await cli("jobs", "status", batch, "-o", "json")).json["state"] == "finished"
    watched = await cli("jobs", "watch", batch)
    assert (watched.code, "finished, 12 of 12" in watched.out) == (0, True)
    assert (await cli("jobs", "purge", "--older-than", "0")).err == "batch.csv: 12 rows deleted\n"


async def test_failed_rows_of_a_paused_job_are_retried(
    cli: Cli, emulator: Emulator, batch: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_PAUSE", 0.1)
    store = emulator.world("twilio").sims("wireless")
    plans = {sid: store[sid].rate_plan_sid for sid in store}
    for sid in plans:
        store.put(evolve(store[sid], rate_plan_sid=None))
    await cli("jobs", "submit", batch, *ACTIVE, "--breaker", "3", "--chunk-rows", "4")
    async with working(journal, emulator):
        async with asyncio.timeout(30):
            while (  # noqa: ASYNC110  # no event announces it
                await cli("jobs", "status", batch, "-o", "json")
            ).json["state"] != "paused":
                await asyncio.sleep(0.05)
    report = await cli("jobs", "report", batch)
    assert f"asyncsim jobs retry-failed {batch} --journal" in report.out
    for sid, plan in plans.items():
        store.put(evolve(store[sid], rate_plan_sid=plan))
    assert (await cli("jobs", "retry-failed", batch, *DISPATCH)).code == 0
    async with working(journal, emulator):
        assert (await cli("jobs", "watch", batch, "--interval", "0.05")).code == 0


async def test_a_running_job_is_not_retried(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    refused = await cli("jobs", "retry-failed", batch, *DISPATCH)
    assert refused.code == 2
    command = f"asyncsim jobs pause {batch} --journal {without_password(journal)}"
    assert f"batch.csv is running: wait until it has finished, or run `{command}`" in refused.err


async def test_the_report_of_an_unfinished_job_names_the_command_that_resumes_it(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    await cli("jobs", "submit", batch, *ACTIVE)
    report = await cli("jobs", "report", batch)
    command = f"asyncsim jobs resume {batch} --journal {without_password(journal)}"
    assert f"-> run `{command}`: it reads their outcome" in report.out


async def test_watching_prints_json_lines_with_rates_and_workers(
    cli: Cli, emulator: Emulator, batch: str, journal: str
) -> None:
    emulator.latency = Latency(transition=200.0, longest=600.0)
    await cli("jobs", "submit", batch, *ACTIVE, "--chunk-rows", "4")
    async with working(journal, emulator):
        watched = await cli("jobs", "watch", batch, "--interval", "0.05", "-o", "ndjson")
    assert watched.code == 0
    lines = [json.loads(line) for line in watched.out.splitlines()]
    assert [lines[0]["per_second"], lines[-1]["state"]] == [None, "finished"]
    rates = [line["per_second"] for line in lines]
    rates = [rate for rate in rates if rate is not None]  # null at first, and while it is verified
    assert min(rates) >= 0
    assert max(rates) > 0
    workers = [one for line in lines for one in line["processes"]]
    assert {(one["kind"], one["state"]) for one in workers} == {("worker", "alive")}
    assert max(one["chunks"] for one in workers) > 0


# Where the journal is, and its password.


async def test_no_password_stands_on_a_command_line_or_in_an_error(
    cli: Cli, emulator: Emulator, batch: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = urlsplit(journal).password
    assert password is not None
    ended = await cli("jobs", "list", "--journal", journal)
    assert ended.code == 2
    assert "PGPASSWORD" in ended.err
    shown = without_password(journal)
    monkeypatch.setenv("PGPASSWORD", password)
    assert (await cli("jobs", "list", "--journal", shown, "-o", "json")).json == []
    monkeypatch.setenv("ASYNCSIM_JOURNAL", journal.replace(password, "wrong-password"))
    for command in (("jobs", "list"), ("activate", batch), ("worker",), ("jobs", "migrate")):
        ended = await cli(*command)
        assert ended.code == 2, command
        assert "wrong-password" not in ended.out + ended.err
        assert ended.err.count("\n") == 1, ended.err


async def test_a_password_file_works_as_for_psql(
    cli: Cli, emulator: Emulator, journal: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = urlsplit(journal)
    file = tmp_path / "pgpass"
    file.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
    file.write_text(f"{parts.hostname}:{parts.port}:*:{parts.username}:{parts.password}\n")
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert (await cli("jobs", "list", "--journal", without_password(journal))).code == 0


async def test_a_database_without_tables_is_migrated(
    cli: Cli, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCSIM_JOURNAL", postgres_url)
    ended = await cli("jobs", "list")
    assert ended.code == 2
    assert f"run `asyncsim jobs migrate --journal {without_password(postgres_url)}`" in ended.err
    first, again = await cli("jobs", "migrate"), await cli("jobs", "migrate")
    assert (first.code, again.code) == (0, 0)
    assert "created the tables of postgresql://" in first.err
    assert "is up to date" in again.err
    assert (await cli("jobs", "list", "-o", "json")).json == []


async def test_a_file_of_an_older_version_is_migrated(cli: Cli, tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "old.db"
    script = (Path(__file__).parent.parent / "bulk" / "journal" / "format_1.sql").read_text()
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    connection.close()
    ended = await cli("jobs", "migrate", str(path))
    assert ended.code == 0, ended.err
    assert f"upgraded {path} from format 1 to " in ended.err
    assert "is up to date" in (await cli("jobs", "migrate", str(path))).err
    assert (await cli("jobs", "migrate", str(tmp_path / "missing.db"))).code == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("jobs", "list", "--journal", "batch.db"), "pass the URL of a shared journal"),
        (("jobs", "list", ".", "--journal", "postgresql://h/d"), "omit the files"),
        (("jobs", "pause", "x"), "no journal given: pass --journal postgresql://host/database"),
        (("jobs", "status", "postgresql://h/d"), "name the job, and pass the URL as --journal"),
        (("jobs", "migrate"), "no journal given"),
        (("jobs", "migrate", "a.db", "--journal", "postgresql://h/d"), "not both"),
        (("jobs", "submit", __file__, "--payload", "x"), "--payload is for --action send"),
        (("jobs", "submit", __file__, "--limit", "3"), "asyncsim jobs resume NAME hands the rest"),
        (("jobs", "submit", __file__, "--deadline=3"), "asyncsim jobs pause NAME stops a job"),
        (("jobs", "submit", __file__, "--listen", "1"), "callbacks arrive at asyncsim receive"),
        (("jobs", "submit", __file__, "--max-rps", "1"), "pass it to each asyncsim worker"),
        (("jobs", "submit", __file__, "--undo", "x"), "pass it to asyncsim jobs report NAME"),
        (("jobs", "submit", __file__, "--limmit", "3"), "Unknown option: --limmit."),
        (("jobs", "submit", __file__, "--registration-code", "x"), "is for --action register"),
        (("jobs", "submit", __file__, "--action", "send", "--status", "active"), "--status is for"),
        (("jobs", "submit", __file__, "--status", "active"), "no journal given"),
        (("jobs", "submit", "-", "--journal", "postgresql://h/d"), "pass --name JOB"),
        (("jobs", "submit", "no-such.csv", "--journal", "postgresql://h/d"), "no-such.csv"),
        (("jobs", "submit", __file__, "--chunk-rows", "0"), "chunk-rows"),
        (("activate", __file__, "--name", "x"), "--name is for shared journals"),
        (("activate", __file__, "--journal", "postgresql://u:p@h/d"), "set ASYNCSIM_JOURNAL"),
        (("activate", __file__, "--journal", "postgresql://h/d?password=p"), "ASYNCSIM_JOURNAL"),
        (("worker",), "no journal given"),
    ],
    ids=lambda value: " ".join(value)[-60:] if isinstance(value, tuple) else None,
)
async def test_usage_errors_of_shared_journals_are_one_line(
    arguments: tuple[str, ...], expected: str, cli: Cli
) -> None:
    ended = await cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert expected in ended.err
    assert ended.err.count("\n") == 1
    assert "p@" not in ended.err


async def test_a_journal_file_is_still_found_while_the_variable_is_set(
    cli: Cli, emulator: Emulator, batch: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.delenv("ASYNCSIM_JOURNAL")
        await cli("activate", batch, "--product", "wireless", "--quiet")
    status = (await cli("jobs", "status", "batch.db", "-o", "json")).json
    assert (status["job"], status["done"]) == ("update of batch.csv", 12)
    assert (await cli("jobs", "list", ".", "-o", "json")).json[0]["journal"] == "batch.db"

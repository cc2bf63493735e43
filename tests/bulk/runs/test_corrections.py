"""Files that correct: the undo of a job, and the fix of drift, fed back into new jobs."""

from __future__ import annotations

from pathlib import Path

from asyncsim import bulk
from asyncsim.bulk.records import Verdict
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import Api


async def run_file(env: JobEnv, file: Path, name: str) -> bulk.Report:
    """Run a file as an update job of its own, whose columns say the change."""
    job = bulk.Job.from_csv(file, product=env.harness.api.product)

    async def go() -> bulk.Report:
        async with env.journal(name) as journal:
            return await bulk.run(job, env.harness.client, journal=journal)

    return await env.complete(go())


def statuses(env: JobEnv) -> list[str | None]:
    return [env.harness.store[sid].status for sid in env.harness.sids]


async def test_an_undo_file_brings_the_sims_back(env: JobEnv, tmp_path: Path) -> None:
    for number, sid in enumerate(env.harness.sids):
        env.harness.put(sid, status="inactive" if number % 2 else "active")
    before = statuses(env)
    assert (await env.run(env.job())).ok
    undo = tmp_path / "undo.csv"

    async def write() -> bulk.WrittenUndo:
        async with env.journal() as journal:
            return await bulk.write_undo(journal, undo)

    assert (await env.complete(write())).rows == 15
    assert (await run_file(env, undo, "undo.db")).ok
    assert statuses(env) == before


async def test_sims_that_the_job_found_new_cannot_be_brought_back(
    env: JobEnv, tmp_path: Path
) -> None:
    await env.run(env.job())

    async def write() -> bulk.WrittenUndo:
        async with env.journal(read_only=True) as journal:
            return await bulk.write_undo(journal, tmp_path / "undo.csv")

    written = await env.complete(write())
    assert (written.rows, written.left_out) == (
        0,
        {"no request leads from active back to new": 30},
    )


async def drift(env: JobEnv, job: bulk.Job, fix: Path) -> list[bulk.DriftedSim]:
    async def go() -> list[bulk.DriftedSim]:
        async with env.journal("drift.db") as journal:
            await bulk.run(job, env.harness.client, journal=journal, dry_run=True)
            assert await bulk.write_fix(journal, fix) >= 0
            return [one async for one in bulk.find_drift(journal)]

    return await env.complete(go())


async def test_drifted_sims_are_found_by_the_verdicts_of_the_plan(
    open_env: OpenEnv, tmp_path: Path
) -> None:
    env = await open_env(Api("kore", "wireless"), sims=30)
    names = env.harness.sids
    for sid in names:
        env.harness.put(sid, status="active")
    env.harness.put(names[3], status="suspended")
    env.harness.put(names[5], status="canceled")
    unknown = "DE" + "f" * 32
    job = env.job([*names, unknown])
    before = len(env.harness.emulator.requests)
    found = await drift(env, job, tmp_path / "fix.csv")
    assert [(one.name, one.verdict, one.status, one.can_be_fixed) for one in found] == [
        (names[3], Verdict.CHANGE, "suspended", True),
        (names[5], Verdict.TERMINAL, "canceled", False),
        (unknown, Verdict.UNKNOWN, None, False),
    ]
    assert found[0].wanted == {"status": "active"}
    assert found[2].sid is None
    requests = env.harness.emulator.requests[before:]
    assert all(one.method == "GET" for one in requests if "oauth" not in one.path and one.product)
    assert (tmp_path / "fix.csv").read_text() == f"sid,status\n{names[3]},active\n"  # a few bytes
    assert (await run_file(env, tmp_path / "fix.csv", "fix.db")).ok
    assert env.harness.store[names[3]].status == "active"


async def test_a_fix_has_the_columns_of_the_input_and_clears_fields(
    env: JobEnv, tmp_path: Path
) -> None:
    first, second, *_ = env.harness.sids
    env.harness.put(second, unique_name="old")
    rows = [
        {"sid": first, "unique_name": "van, 1", "status": ""},
        {"sid": second, "unique_name": None, "status": "active"},
    ]
    found = await drift(env, env.job(rows, change=None), tmp_path / "fix.csv")
    assert [one.line for one in found] == [1, 2]
    assert (await run_file(env, tmp_path / "fix.csv", "fix.db")).ok
    assert env.harness.store[first].unique_name == "van, 1"
    assert not env.harness.store[second].unique_name
    assert env.harness.store[second].status == "active"
    assert env.harness.store[first].status == "new"


async def test_a_fleet_in_its_state_shows_no_drift(env: JobEnv, tmp_path: Path) -> None:
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    assert await drift(env, env.job(), tmp_path / "fix.csv") == []
    assert (tmp_path / "fix.csv").read_text() == "sid,status\n"  # a few bytes

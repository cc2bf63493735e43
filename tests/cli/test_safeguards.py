"""Safeguards of jobs: billable SIMs, the circuit breaker, undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from asyncsim.emulator import Emulator, Faults
from tests.cli.conftest import Cli, posts
from tests.cli.test_activate import fill, iccids, results, statuses

WIRELESS = ("--product", "wireless")


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    return tmp_path / "batch.csv"


def put(emulator: Emulator, product: str = "supersim", **given: Any) -> None:
    """Change all SIMs of the emulator."""
    store: Any = emulator.world("twilio").sims(product)
    for sim in list(store.values()):
        store.put(evolve(sim, **given))


# Billable SIMs.


async def test_the_plan_says_how_many_sims_become_billable(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    plan = await cli("activate", str(batch), "--dry-run")
    assert "billable     12  become active: a monthly fee starts" in plan.out
    plan = await cli("activate", str(batch), "--status", "ready", "--dry-run")
    assert "billable later  12  by use (250 KB, five Commands), or after three months" in plan.out
    assert "fee starts" not in plan.out
    ended = await cli("activate", str(batch), "--listen", "0")
    assert "will change 12, become billable 12" in ended.err


async def test_more_billable_sims_than_allowed_are_refused_with_the_option_to_use(
    cli: Cli, emulator: Emulator, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(batch, iccids(emulator))
    refused = await cli("activate", str(batch), "--confirm-above", "11")
    assert refused.code == 5
    assert refused.err.splitlines()[-1] == (
        "asyncsim: this makes SIMs billable (a monthly fee starts): 12 SIMs; nothing was sent:"
        " confirm exactly 12 with --confirm-count 12"
    )
    monkeypatch.setenv("ASYNCSIM_CONFIRM_ABOVE", "0")
    assert (await cli("activate", str(batch))).code == 5
    assert posts(emulator) == 0
    allowed = ("--confirm-count", "12", "--listen", "0")
    assert (await cli("activate", str(batch), *allowed)).code == 0


async def test_as_many_billable_sims_as_allowed_need_no_confirmation(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--confirm-above", "12", "--listen", "0")
    assert ended.code == 0


# The circuit breaker.


async def test_equal_refusals_end_with_3_what_to_check_and_the_command_that_completes_the_job(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    put(emulator, fleet_sid=None)
    fill(batch, iccids(emulator))
    journal = batch.with_suffix(".db")
    run = ("activate", str(batch), "--breaker", "3", "--concurrency", "1")
    ended = await cli(*run)
    assert ended.code == 3
    assert "the run ended early: breaker" in ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("3 SIMs in a row were rejected in the same way (update Sim HS")
    assert "check whether the SIMs have a Fleet" in last
    assert last.endswith(f"; then: asyncsim jobs retry-failed {journal}")
    put(emulator, fleet_sid=next(iter(emulator.world("twilio").fleets)))
    assert (await cli("jobs", "retry-failed", str(journal), "--listen", "0")).code == 0
    assert statuses(emulator) == {"active"}


@pytest.mark.parametrize("breaker", ["off", "13"])
async def test_without_it_all_sims_are_tried(
    breaker: str, cli: Cli, emulator: Emulator, batch: Path
) -> None:
    put(emulator, fleet_sid=None)
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--breaker", breaker)
    assert ended.code == 1
    assert len(results(batch, "failed.csv")) == 12


async def test_a_breaker_that_trips_at_the_last_sim_leaves_nothing_to_resume(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    put(emulator, fleet_sid=None)
    fill(batch, iccids(emulator))
    assert (await cli("activate", str(batch), "--breaker", "12")).code == 1


# Undo.


async def test_an_undo_file_is_written_and_can_be_fed_back(
    cli: Cli, emulator: Emulator, batch: Path, tmp_path: Path
) -> None:
    put(emulator, "wireless", status="suspended")
    fill(batch, iccids(emulator, "wireless"))
    undo = tmp_path / "undo.csv"
    run = ("activate", str(batch), *WIRELESS, "--undo", str(undo))
    ended = await cli(*run, "--listen", "0")
    assert ended.code == 0
    assert f"{undo}: 12 statuses before the job" in ended.err
    assert f"-> asyncsim bulk change {undo} --product wireless" in ended.err
    assert statuses(emulator, "wireless") == {"active"}
    back = await cli("bulk", "change", str(undo), *WIRELESS, "--listen", "0")
    assert back.code == 0
    assert statuses(emulator, "wireless") == {"suspended"}


async def test_what_cannot_be_undone_is_said_and_a_finished_job_still_writes_the_file(
    cli: Cli, emulator: Emulator, batch: Path, tmp_path: Path
) -> None:
    fill(batch, iccids(emulator))
    await cli("activate", str(batch), "--listen", "0")
    undo = tmp_path / "undo.csv"
    journal = str(batch.with_suffix(".db"))
    ended = await cli("jobs", "resume", journal, "--undo", str(undo))
    assert ended.code == 0
    assert "12 left out: no request leads from active back to new" in ended.err
    assert undo.read_text() == "sid,status\n"
    assert posts(emulator) == 12


async def test_an_undo_file_that_cannot_be_is_rejected_before_anything_is_sent(
    cli: Cli, emulator: Emulator, batch: Path, tmp_path: Path
) -> None:
    fill(batch, iccids(emulator))
    for undo, said in (
        (tmp_path, "give a file"),
        (tmp_path / "missing" / "undo.csv", "existing folder"),
        (batch, "would replace a file of the job"),
    ):
        ended = await cli("activate", str(batch), "--undo", str(undo))
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert said in ended.err
    ended = await cli("bulk", "send", str(batch), "--payload", "x", "--undo", "u.csv")
    assert (ended.code, "change statuses" in ended.err) == (2, True)
    assert not emulator.requests


async def test_a_job_that_changes_no_status_says_so_and_keeps_its_results(
    cli: Cli, emulator: Emulator, batch: Path, tmp_path: Path
) -> None:
    fill(batch, [f"{one},van {n}" for n, one in enumerate(iccids(emulator))], "iccid,unique_name")
    ended = await cli("bulk", "change", str(batch), "--undo", str(tmp_path / "undo.csv"))
    assert ended.code == 1
    assert "changes no status" in ended.err
    assert len(results(batch)) == 12


# Files and retries.


async def test_results_that_name_a_file_are_rejected_before_anything_is_sent(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--results", __file__)
    assert ended.code == 2
    assert "is a file: give a folder" in ended.err
    assert not emulator.requests


async def test_an_unusable_iccid_beside_a_sid_is_noted_in_the_plan(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    sims = list(emulator.world("twilio").sims("supersim").values())
    rounded = [f"{sim.sid},8.99E+19" for sim in sims[:2]]
    fill(batch, [*rounded, f"{sims[2].sid},", f"{sims[3].sid},{sims[3].iccid}"], "sid,iccid")
    plan = await cli("activate", str(batch), "--dry-run")
    assert plan.code == 0
    assert "2 ICCIDs beside a SID cannot be used, lines 2, 3: only the SID counts" in plan.out


async def test_pending_retries_count_as_unfinished_and_rejected_credentials_cancel_them(
    cli: Cli, emulator: Emulator, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(batch, iccids(emulator))
    journal = str(batch.with_suffix(".db"))
    emulator.faults = Faults(failing_updates=1.0)
    await cli("activate", str(batch), "--listen", "0", "--breaker", "off")
    await cli("jobs", "retry-failed", journal, "--limit", "3", "--breaker", "off")
    status = (await cli("jobs", "status", journal, "-o", "json")).json
    assert (status["failed"], status["unfinished"]) == (12, 9)
    with monkeypatch.context() as wrong:
        wrong.setenv("TWILIO_ACCOUNT_SID", emulator.credentials.account_sid)
        wrong.setenv("TWILIO_AUTH_TOKEN", "wrong")
        assert (await cli("jobs", "retry-failed", journal)).code == 4
    status = (await cli("jobs", "status", journal, "-o", "json")).json
    assert (status["failed"], status["unfinished"]) == (12, 0)
    before = posts(emulator)
    await cli("activate", str(batch))
    assert posts(emulator) == before

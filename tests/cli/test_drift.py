"""`asyncsim drift`: which SIMs are not in the state that a file asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from asyncsim.emulator import Emulator
from tests.cli.conftest import Cli
from tests.cli.test_activate import fill, iccids


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return tmp_path / "fleet.csv"


def put(emulator: Emulator, sid: str, product: str = "supersim", **given: Any) -> None:
    store: Any = emulator.world("twilio").sims(product)
    store.put(evolve(store[sid], **given))


async def test_sims_in_their_state_end_with_0(cli: Cli, emulator: Emulator, fleet: Path) -> None:
    fill(fleet, iccids(emulator))
    for sid in emulator.world("twilio").sims("supersim"):
        put(emulator, sid, status="active")
    ended = await cli("drift", str(fleet), "--status", "active")
    assert (ended.code, ended.out) == (0, "")
    assert "0 of 12 SIMs are not in the state that fleet.csv asks for (1 request)" in ended.err
    quiet = await cli("drift", str(fleet), "--status", "active", "--quiet", "-o", "json")
    assert (quiet.code, quiet.json, quiet.err) == (0, [], "")


async def test_drifted_and_unknown_sims_are_printed_and_the_fix_brings_them_back(
    cli: Cli, emulator: Emulator, fleet: Path, tmp_path: Path
) -> None:
    sims = list(emulator.world("twilio").sims("wireless").values())
    for sim in sims[1:]:
        put(emulator, sim.sid, "wireless", status="active")
    put(emulator, sims[1].sid, "wireless", status="canceled")
    rows = [f"{sim.iccid},active" for sim in sims]
    fill(fleet, [*rows, "8988000000000000002,active"], "iccid,status")
    fix = tmp_path / "fix.csv"
    wireless = ("--product", "wireless")
    ended = await cli("drift", str(fleet), *wireless, "--fix", str(fix), "-o", "csv")
    assert ended.code == 1
    assert ended.rows == [
        {
            "line": "2",
            "name": sims[0].iccid,
            "sid": sims[0].sid,
            "status": "new",
            "wanted": "status=active",
            "verdict": "will change",
        },
        {
            "line": "3",
            "name": sims[1].iccid,
            "sid": sims[1].sid,
            "status": "canceled",
            "wanted": "status=active",
            "verdict": "terminal",
        },
        {
            "line": "14",
            "name": "8988000000000000002",
            "sid": "",
            "status": "",
            "wanted": "status=active",
            "verdict": "unknown SIM",
        },
    ]
    summary, how = ended.err.splitlines()[-2:]
    assert summary.startswith("3 of 13 SIMs are not in the state that fleet.csv asks for; for 2 of")
    assert how == f"{fix}: 1 to bring back: asyncsim bulk change {fix} --product wireless"
    assert fix.read_text() == f"sid,status\n{sims[0].sid},active\n"
    assert [one.method for one in emulator.requests if one.product].count("POST") == 0
    assert (await cli("bulk", "change", str(fix), *wireless, "--listen", "0")).code == 0
    assert emulator.world("twilio").sims("wireless")[sims[0].sid].status == "active"


async def test_a_job_that_activates_takes_the_fix_too(
    cli: Cli, emulator: Emulator, fleet: Path, tmp_path: Path
) -> None:
    fill(fleet, iccids(emulator))
    fix = str(tmp_path / "fix.csv")
    assert (await cli("drift", str(fleet), "--status", "active", "--fix", fix)).code == 1
    assert (await cli("activate", fix, "--listen", "0")).code == 0
    assert (await cli("drift", str(fleet), "--status", "active", "--fix", fix)).code == 0


async def test_its_verdicts_are_those_of_a_dry_run(
    cli: Cli, emulator: Emulator, fleet: Path
) -> None:
    (first, second, *_) = emulator.world("twilio").sims("supersim")
    put(emulator, first, status="active")
    put(emulator, second, status="inactive")
    fill(fleet, iccids(emulator))
    change = (str(fleet), "--status", "ready")
    dry = await cli("bulk", "change", *change, "--dry-run")
    drift = await cli("drift", *change, "-o", "csv")
    assert "illegal transition" in dry.out
    verdicts = [row["verdict"] for row in drift.rows]
    assert verdicts.count("illegal transition") == 1  # `active` is where `ready` leads
    assert verdicts.count("will change") == 10


async def test_a_fix_that_would_replace_the_input_is_rejected(
    cli: Cli, emulator: Emulator, fleet: Path
) -> None:
    fill(fleet, iccids(emulator))
    ended = await cli("drift", str(fleet), "--status", "active", "--fix", str(fleet))
    assert (ended.code, "would replace a file of the job" in ended.err) == (2, True)
    assert not emulator.requests


async def test_a_table_of_drift_fits_80_columns(cli: Cli, emulator: Emulator, fleet: Path) -> None:
    fill(fleet, iccids(emulator))
    ended = await cli("drift", str(fleet), "--status", "active")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["line", "name", "status", "wanted", "verdict"]
    assert max(map(len, lines)) <= 80

from __future__ import annotations

import re
import tempfile
from functools import partialmethod
from pathlib import Path

import pytest

from asyncsim import Watching
from asyncsim.emulator import Emulator
from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def written(said: str) -> str:
    """The path of the file that the demo announced."""
    found = re.search(r"ICCIDs: (\S+)", said)
    assert found
    return Path(found[1]).read_text(encoding="utf-8")


QUICK = ("demo", "--speed", "500")


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize("product", ["supersim", "wireless"])
async def test_all_sims_become_active_and_are_confirmed_by_callback(
    vendor: str, product: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without safety reads, which a busy machine makes before the callbacks arrive.
    never = Watching(timeout=1e6, first=1e5, longest=1e5, safety_every=1e5)
    client = partialmethod(Emulator.client, watching=never)
    monkeypatch.setattr(Emulator, "client", client)
    ended = await cli(
        *QUICK, "--sims", "60", "--vendor", vendor, "--product", product, "-o", "json"
    )
    assert ended.code == 0
    report = ended.json
    assert report["rows"] == report["verified_active"] == 60
    assert report["states"] == {"done": 60}
    assert report["settled_by"] == {"callback": 60}
    assert report["requests"]["run_per_sim"] < 1.1


async def test_lost_callbacks_and_429s_change_only_the_counts(cli: Cli) -> None:
    ended = await cli(
        *(*QUICK, "--sims", "100", "--lose-callbacks", "0.3", "--rate-limited", "0.05"),
        *("-o", "json"),
    )
    assert ended.code == 0
    report = ended.json
    assert report["states"] == {"done": 100}
    assert report["verified_active"] == 100
    settled = report["settled_by"]
    assert settled["callback"] < 100
    assert settled.get("sweep", 0) + settled.get("read", 0) > 0
    assert report["refused_429"] > 0
    assert "asyncsim: " not in ended.err
    assert not re.search(r"error|fail", ended.err, re.IGNORECASE)


async def test_without_callbacks_sweeps_and_reads_confirm_all_sims(cli: Cli) -> None:
    ended = await cli(*QUICK, "--sims", "50", "--no-callbacks", "-o", "json")
    assert ended.code == 0
    settled = ended.json["settled_by"]
    assert "callback" not in settled
    assert sum(settled.values()) == 50


async def test_failed_changes_end_with_1_and_are_named(cli: Cli) -> None:
    ended = await cli(
        *(*QUICK, "--sims", "20", "--product", "wireless", "--failing-updates", "1"),
        *("-o", "json"),
    )
    assert ended.code == 1
    assert ended.json["states"] == {"failed": 20}
    assert ended.json["verified_active"] == 0
    assert "DE" in ended.json["shortfalls"][0]["sample"]


async def test_the_file_of_iccids_is_named_and_kept(cli: Cli) -> None:
    ended = await cli(*QUICK, "--sims", "5")
    lines = written(ended.err).splitlines()
    assert lines[0] == "iccid"
    assert len(lines) == 6


async def test_the_same_seed_creates_the_same_sims(cli: Cli) -> None:
    first = await cli(*QUICK, "--sims", "5", "--seed", "3")
    second = await cli(*QUICK, "--sims", "5", "--seed", "3")
    other = await cli(*QUICK, "--sims", "5", "--seed", "4")
    assert written(first.err) == written(second.err) != written(other.err)


async def test_the_report_is_a_table_or_a_csv_row(cli: Cli) -> None:
    table = await cli(*QUICK, "--sims", "5")
    assert re.search(r"^done +5: settled by callback 5,", table.out, re.MULTILINE)
    assert re.search(r"^verified active +5$", table.out, re.MULTILINE)
    row = (await cli(*QUICK, "--sims", "5", "-o", "csv")).rows[0]
    assert (row["rows"], row["states_done"], row["settled_by_callback"]) == ("5", "5", "5")


async def test_progress_is_a_line_per_phase_without_a_terminal(cli: Cli) -> None:
    ended = await cli(*QUICK, "--sims", "50")
    phases = re.findall(r"^(\w+): 50 SIMs in [\d.]+ s", ended.err, re.MULTILINE)
    assert phases == ["reading", "planning", "sending", "verifying"]


async def test_progress_is_drawn_on_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    ended = await cli(*QUICK, "--sims", "20")
    assert "\x1b[?25l" in ended.err  # the cursor is hidden while lines are redrawn
    background = re.compile(r"\x1b\[(?:\d+;)*4[0-7]m")
    assert not background.search(ended.err)


async def test_the_journal_of_the_demo_can_be_inspected(cli: Cli) -> None:
    ended = await cli(*QUICK, "--sims", "5")
    found = re.search(r"ICCIDs: (\S+)", ended.err)
    assert found
    journal = Path(found[1]).with_suffix(".db")
    assert (await cli("jobs", "status", str(journal), "-o", "json")).json["done"] == 5

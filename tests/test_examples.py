"""The examples run against an emulator, and print what is written beside them."""

from __future__ import annotations

import asyncio
import csv
import importlib.util
import runpy
from pathlib import Path
from types import ModuleType

import pytest

from asyncsim.emulator import Emulator

JOURNAL = "ASYNCSIM_JOURNAL"
"""Examples that read this variable need PostgreSQL."""
EXAMPLES = Path(__file__).parent.parent / "examples"
WITHOUT_OUTPUT = {
    "activate_from_csv": "needs a file and the environment's credentials: a test below",
    "hostile_network": "the number of its requests depends on the machine: a test below",
}
"""Examples whose output is not written beside them, and why."""

PRINTING = sorted({path.stem for path in EXAMPLES.glob("*.py")} - set(WITHOUT_OUTPUT))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PRINTING)
def test_an_example_prints_what_is_written_beside_it(
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if JOURNAL in (EXAMPLES / f"{name}.py").read_text("utf-8"):
        monkeypatch.setenv(JOURNAL, request.getfixturevalue("postgres_url"))
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert capsys.readouterr().out == (EXAMPLES / f"{name}.out").read_text("utf-8")


def test_there_is_one_output_for_each_example_and_each_is_short() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.out")} == set(PRINTING)
    lines = {name: (EXAMPLES / f"{name}.py").read_text("utf-8").count("\n") for name in PRINTING}
    assert {name for name, count in lines.items() if count >= 45} == set()


async def test_the_csv_example_activates_sims_and_writes_each_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, results = tmp_path / "batch.csv", tmp_path / "batch-results" / "results.csv"
    async with Emulator(sims=3, speed=1000) as emulator:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", emulator.url)
        sims = emulator.world("twilio").sims("supersim")
        wanted = [str(sim.iccid) for sim in [*sims.values()][:2]]
        batch.write_text("\n".join(["iccid", *wanted]))
        report = await load("activate_from_csv").activate(batch, asyncio.Event())
        assert report.ok

    rows = list(csv.DictReader(results.read_text().splitlines()))
    assert {row["iccid"]: row["asyncsim_status"] for row in rows} == dict.fromkeys(wanted, "active")


async def test_the_hostile_network_example_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert await load("hostile_network").main() == {"active": 200}
    assert "retries" in capsys.readouterr().out

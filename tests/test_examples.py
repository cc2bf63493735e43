"""The examples run against an emulator."""

from __future__ import annotations

import asyncio
import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from asyncsim.emulator import Emulator

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_has_a_test() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"activate_from_csv", "service", "hostile_network"}


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


async def test_the_service_example_activates_by_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Emulator(sims=1, speed=1000) as emulator:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", emulator.url)
        (sid,) = emulator.world("twilio").sims("supersim")
        port = unused_port()
        url = f"http://127.0.0.1:{port}"
        runner = web.AppRunner(load("service").application(url))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            async with aiohttp.ClientSession() as session:
                async with session.post(f"{url}/sims/{sid}/activate") as response:
                    assert await response.json() == {"sid": sid, "status": "active"}
                async with session.post(f"{url}/sims/missing/activate") as response:
                    assert response.status == 404
        finally:
            await runner.cleanup()
        assert [delivery.outcome for delivery in emulator.deliveries] == ["delivered"]


async def test_the_hostile_network_example_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert await load("hostile_network").main() == {"active": 200}
    assert "retries" in capsys.readouterr().out

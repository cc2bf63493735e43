"""Progress in a real kernel: replaced in place, saved as it is, interrupted, run again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.jupyter import Kernel, Shown, open_kernel

SETUP = """
import warnings
warnings.simplefilter("error")
from asyncsim import bulk
from asyncsim.emulator import Emulator, Latency
emulator = await Emulator(sims=200, latency=Latency(transition=3.0, sigma=0.1)).start()
client = emulator.client()
sims = client.supersim.sims
sids = [sim.sid async for sim in sims.list()]
job = bulk.Job.from_rows(sids, product="supersim", change={"status": "active"})
"""
JOB = """
async with bulk.Journal.open("batch.db") as journal:
    report = await bulk.run(job, client, journal=journal, progress=True)
"""
UPDATES = """
changes = dict.fromkeys(sids, {"status": "inactive"})
async for outcome in sims.update_many(changes, progress=True):
    assert outcome.ok, outcome
"""
POSTS = "print(sum(one.method == 'POST' for one in emulator.requests if one.product))"
LEFT = """
import asyncio
print([one.get_name() for one in asyncio.all_tasks() if one.get_name().startswith("asyncsim")])
"""
CLOSE = "await client.close()\nawait emulator.stop()"


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with open_kernel(tmp_path) as opened:
        await opened.expect(SETUP)
        yield opened


def all_accepted(shown: Shown) -> bool:
    return "accepted 200" in shown.text


async def test_a_job_is_one_output_that_is_replaced_a_few_times_a_second(kernel: Kernel) -> None:
    shown = await kernel.expect(JOB)
    [output] = shown.outputs
    assert set(output) == {"text/html", "text/plain"}
    lines = output["text/plain"].splitlines()
    assert lines[-2].endswith("s: 200 of 200 SIMs are at their target")
    assert lines[-1].startswith("done 200  limit ")
    seconds = float(lines[-2].split()[2])
    assert 2 <= shown.updates <= 4 * seconds + 4


@pytest.mark.parametrize("times", [1, 3])
async def test_an_interrupted_job_says_how_it_stands_and_goes_on(
    times: int, kernel: Kernel
) -> None:
    stopped = await kernel.run(JOB, interrupt_when=all_accepted, times=times)
    assert stopped.error == "CancelledError"
    [output] = stopped.outputs
    assert "run it again with the journal batch.db to continue" in output["text/plain"]
    assert "sending:  0/200  0%  accepted 200" in output["text/plain"]
    assert "run it again with the journal" in output["text/html"]

    resumed = await kernel.expect(JOB)
    assert "200 of 200 SIMs are at their target" in resumed.text
    assert (await kernel.run(POSTS)).printed == "200\n", "no SIM was updated twice"
    assert (await kernel.run(LEFT)).printed == "[]\n"
    await kernel.expect(CLOSE)


async def test_an_interrupted_loop_of_updates_goes_on_when_run_again(kernel: Kernel) -> None:
    await kernel.expect(JOB)
    stopped = await kernel.run(UPDATES, interrupt_when=all_accepted)
    assert stopped.error == "CancelledError"
    assert "0 of 200 SIMs have ended, the others are in .unfinished" in stopped.text
    assert "200 of 200 SIMs are at their target" in (await kernel.expect(UPDATES)).text
    await kernel.expect(CLOSE)


async def test_a_saved_notebook_shows_the_last_state_without_widgets(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(one) for one in (SETUP, JOB, CLOSE)]
    notebook: Any = nbformat.v4.new_notebook(cells=cells)
    runner = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    await runner.async_execute()
    saved: Any = nbformat.reads(nbformat.writes(notebook), as_version=4)
    [output] = saved.cells[1].outputs
    assert set(output.data) == {"text/html", "text/plain"}
    assert "200 of 200 SIMs are at their target" in output.data["text/html"]
    assert "widgets" not in saved.metadata

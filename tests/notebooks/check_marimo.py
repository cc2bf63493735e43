"""Progress in a real marimo kernel: replaced in place, interrupted, run again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.notebooks.check_jupyter import CLOSE, JOB, POSTS, SETUP
from tests.notebooks.marimo import Cell, MarimoNotebook, open_notebook


@pytest.fixture
async def notebook(tmp_path: Path) -> AsyncIterator[MarimoNotebook]:
    async with open_notebook(tmp_path) as opened:
        ready = await opened.run("SETUP", SETUP)
        assert (ready.errors, ready.console) == ([], "")
        yield opened


async def test_a_job_replaces_the_output_of_its_cell(notebook: MarimoNotebook) -> None:
    cell = await notebook.run("JOB", JOB)
    assert (cell.errors, cell.console) == ([], "")
    assert "200 of 200 SIMs are at their target" in cell.output
    assert "accepted" not in cell.output
    assert cell.replaced >= 3
    closed = await notebook.run("CLOSE", CLOSE)
    assert (closed.errors, closed.console) == ([], "")


async def test_an_interrupted_job_says_how_it_stands_and_goes_on(
    notebook: MarimoNotebook,
) -> None:
    def all_accepted(cell: Cell) -> bool:
        return "accepted 200" in cell.output

    stopped = await notebook.run("JOB", JOB, interrupt_when=all_accepted)
    assert "interrupt" in str(stopped.errors)
    resumed = await notebook.run("JOB", JOB)
    assert resumed.errors == []
    assert "200 of 200 SIMs are at their target" in resumed.output
    posts = await notebook.run("POSTS", POSTS)
    assert posts.console == "200\n", "no SIM was updated twice"

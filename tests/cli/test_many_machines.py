"""The Python code of the page about many machines runs as it stands there."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path

import pytest

from asyncsim.emulator import Emulator
from tests.cli.conftest import Cli
from tests.cli.test_activate import fill, iccids, statuses

PAGE = Path(__file__).parents[2] / "docs" / "many-machines.md"


async def test_a_job_is_submitted_and_worked_on_as_the_page_shows(
    cli: Cli,
    emulator: Emulator,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASYNCSIM_JOURNAL", postgres_url)
    assert (await cli("jobs", "migrate")).code == 0
    fill(tmp_path / "batch.csv", iccids(emulator))
    (code,) = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    stop = asyncio.Event()
    compiled = compile(code, PAGE.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = asyncio.ensure_future(eval(compiled, {"url": postgres_url, "stop": stop}))
    async with asyncio.timeout(60):
        while statuses(emulator) != {"active"}:  # noqa: ASYNC110  # the emulator's, at its speed
            await asyncio.sleep(0.05)
        stop.set()
        await running
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "batch.csv 1"
    assert printed[1].startswith("batch.csv ")
    assert printed[1].endswith(" 12")

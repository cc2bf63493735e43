from __future__ import annotations

import pytest

from asyncsim.bulk.progress import JobProgress
from asyncsim.cli.progress import displayed
from asyncsim.events import JobEnded, JobProgressed
from tests.displays.works import FixedLoad


async def run(*, quiet: bool) -> None:
    progress = JobProgress(FixedLoad(), "batch.db")
    async with displayed(progress, quiet=quiet) as shown:
        progress(JobProgressed(phase="sending", done=7, total=7))
        shown.say("stopping")
        progress(JobEnded(states={"done": 7}, seconds=1.0))


async def test_phases_and_messages_are_lines_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    await run(quiet=False)
    said = capsys.readouterr().err.splitlines()
    assert (said[0], said[1][:19]) == ("stopping", "sending: 7 SIMs in ")
    assert len(said) == 2, "the report follows and says how it ended"


async def test_quiet_prints_only_essential_messages(capsys: pytest.CaptureFixture[str]) -> None:
    await run(quiet=True)
    assert capsys.readouterr().err == "stopping\n"

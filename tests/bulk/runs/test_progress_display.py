"""`bulk.run(progress=True)`: here on stderr, as neither a notebook nor a terminal is there."""

from __future__ import annotations

import asyncio

import pytest

from asyncsim.bulk.records import State
from asyncsim.errors import NotConfirmed
from asyncsim.events import Event, JobProgressed
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import Api

DEACTIVATED = {"status": "deactivated"}


class InterruptedAt(list[Event]):
    """Events; the task that appends the first progress of a phase is cancelled, once."""

    def __init__(self, phase: str) -> None:
        super().__init__()
        self.phase = phase

    def append(self, event: Event) -> None:
        super().append(event)
        if isinstance(event, JobProgressed) and event.phase == self.phase:
            self.phase = ""
            task = asyncio.current_task()
            assert task is not None
            task.cancel()


def display_tasks() -> list[str]:
    return [one.get_name() for one in asyncio.all_tasks() if "display" in one.get_name()]


async def test_each_phase_and_the_end_have_a_line(
    env: JobEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    await env.run(env.job(), progress=True)
    lines = [line.partition(" in ")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines[:3] == ["reading: 30 SIMs", "planning: 30 SIMs", "sending: 30 SIMs"]
    assert lines[-1].endswith("s: 30 of 30 SIMs are at their target")
    assert display_tasks() == []


async def test_without_it_nothing_is_written(
    env: JobEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    await env.run(env.job())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("phase", ["reading", "planning", "sending"])
async def test_an_interrupted_run_says_how_it_goes_on_and_does_when_run_again(
    phase: str, env: JobEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a notebook whose cell is interrupted and run again, in one process and one loop."""
    env.events = InterruptedAt(phase)
    with pytest.raises(asyncio.CancelledError):
        await env.run(env.job(), progress=True)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("interrupted after ")
    assert last.endswith(f"run it again with the journal {env.journal().target} to continue")
    assert display_tasks() == []

    report = await env.run(env.job(), progress=True)
    assert report.states == {State.DONE: 30}
    assert max(env.posts().values()) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("ended after ")


async def test_an_error_is_the_last_line(
    open_env: OpenEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    env = await open_env(Api("twilio", "wireless"), sims=3)
    with pytest.raises(NotConfirmed):
        await env.run(env.job(change=DEACTIVATED), progress=True)
    assert capsys.readouterr().err.splitlines()[-1].endswith(" by NotConfirmed")

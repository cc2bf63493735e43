from __future__ import annotations

import asyncio

import pytest

from asyncsim.errors import TransitionTimeout
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.update_progress import UpdateProgress
from tests.displays.works import FixedLoad, Stopwatch
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api

ACTIVE = {"status": "active"}


class Pending:
    """A fan-out with fixed numbers."""

    sending = 3
    accepted = 40
    is_done = False


def outcome(error: Exception | None = None) -> Outcome[object]:
    return Outcome(sid="HS1", requested=ACTIVE, sim=None, error=error)


def test_outcomes_are_counted_by_state() -> None:
    stopwatch = Stopwatch()
    progress = UpdateProgress(Pending(), 100, FixedLoad(64, 2), stopwatch)
    stopwatch.time += 10.0
    for error in (None, None, ValueError("no"), TransitionTimeout("HS1", ACTIVE, None, 1.0)):
        progress.add(outcome(error))
    assert progress.figures().line() == (
        "updating:  4/100  4%  0/s  0:04:00 left  sending 3  accepted 40  timed out 1  done 2"
        "  failed 1  limit 64  429s 0"
    )


def test_of_a_lazy_input_no_total_is_known() -> None:
    progress = UpdateProgress(Pending(), None, FixedLoad(), Stopwatch())
    progress.add(outcome())
    assert progress.figures().line().startswith("updating:  1  sending 3")


async def test_it_is_displayed_until_the_last_outcome(
    start_harness: OpenHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    many = await start_harness(Api("twilio", "supersim"), sims=30)
    changes = dict.fromkeys(many.sids, ACTIVE)
    await many.collect(many.sims.update_many(changes, progress=True))
    assert capsys.readouterr().err.endswith("s: 30 of 30 SIMs are at their target\n")
    await many.collect(many.sims.update_many(changes))
    assert capsys.readouterr().err == ""


async def test_an_interrupted_loop_says_how_it_stands_and_goes_on_when_run_again(
    start_harness: OpenHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    many = await start_harness(Api("twilio", "supersim"), sims=30)
    changes = dict.fromkeys(many.sids, ACTIVE)

    async def cell() -> None:
        async for one in many.sims.update_many(changes, window=5, progress=True):
            assert one.ok

    interrupted = await many.start(cell())
    interrupted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await interrupted
    said = capsys.readouterr().err
    assert said.startswith("stopped after ")
    assert "s: 0 of 30 SIMs have ended, the others are in .unfinished." in said
    assert not [one for one in asyncio.all_tasks() if "display" in one.get_name()]
    await many.complete(cell())
    assert {sim.status for sim in many.store.values()} == {"active"}

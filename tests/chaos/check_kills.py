"""Kill it anywhere: 2,000 SIMs, a job or an emulator that is killed again and again.

Not part of the core suite because of its length; `nox -s chaos` runs it. A small one is in
tests/bulk/test_kills.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.kills import kill_the_emulator, kill_the_job

SIMS, KILLS = 2000, 20


@pytest.mark.parametrize(("seed", "listens"), [(1, False), (2, True)], ids=["asks", "listens"])
async def test_a_job_that_is_killed_anywhere_loses_nothing_and_repeats_nothing(
    tmp_path: Path, seed: int, listens: bool
) -> None:
    doubts = await kill_the_job(tmp_path, sims=SIMS, kills=KILLS, seed=seed, listens=listens)
    assert doubts, "no kill has met a request on the wire: this was no test"


@pytest.mark.parametrize(("seed", "listens"), [(1, False), (2, True)], ids=["asks", "listens"])
async def test_a_vendor_that_dies_again_and_again_loses_nothing_and_is_asked_nothing_twice(
    tmp_path: Path, seed: int, listens: bool
) -> None:
    await kill_the_emulator(tmp_path, sims=SIMS, kills=KILLS, seed=seed, listens=listens)

"""Kill tests: 2,000 SIMs, with the job or the emulator killed 20 times.

Too long for the core suite; run by `nox -s chaos`. Small versions are in
tests/bulk/check_kills.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.kills import kill_the_emulator, kill_the_job

SIMS, KILLS = 2000, 20


@pytest.mark.parametrize(("seed", "listens"), [(1, False), (2, True)], ids=["polls", "listens"])
async def test_a_job_killed_at_random_moments_loses_and_repeats_nothing(
    tmp_path: Path, seed: int, listens: bool
) -> None:
    in_flight = await kill_the_job(tmp_path, sims=SIMS, kills=KILLS, seed=seed, listens=listens)
    assert in_flight, "no kill hit a request in flight, so nothing was tested"


@pytest.mark.parametrize(("seed", "listens"), [(1, False), (2, True)], ids=["polls", "listens"])
async def test_a_job_survives_a_vendor_that_is_killed_repeatedly(
    tmp_path: Path, seed: int, listens: bool
) -> None:
    await kill_the_emulator(tmp_path, sims=SIMS, kills=KILLS, seed=seed, listens=listens)

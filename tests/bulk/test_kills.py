"""A small edition of tests/chaos: a job and a vendor that die in the middle."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.kills import kill_the_emulator, kill_the_job


async def test_a_job_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    await kill_the_job(tmp_path, sims=150, kills=3, seed=5, speed=400.0)


async def test_a_vendor_that_dies_is_waited_for(tmp_path: Path) -> None:
    await kill_the_emulator(tmp_path, sims=150, kills=2, seed=5, speed=400.0)

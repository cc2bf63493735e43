"""Small version of tests/chaos: a killed job and a killed emulator."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.kills import kill_the_emulator, kill_the_job


async def test_a_killed_job_resumes(tmp_path: Path) -> None:
    await kill_the_job(tmp_path, sims=150, kills=3, seed=5, speed=400.0)


async def test_a_killed_emulator_is_waited_for(tmp_path: Path) -> None:
    await kill_the_emulator(tmp_path, sims=150, kills=2, seed=5, speed=400.0)

"""Kill experiments, one for the job and one for the emulator, with their final checks."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from tests.chaos.processes import EmulatorProcess, JobProcess, carried_out, free_port, kill

_ATTEMPTS = 5  # runs allowed once the kills have stopped


async def kill_the_job(
    folder: Path, *, sims: int, kills: int, seed: int, speed: float = 40.0, listens: bool = False
) -> Counter[str]:
    """Kill a job with SIGKILL at seeded moments, resume it until done, and check the result.

    Returns how often each SIM's request may have been in flight at a kill.
    """
    chance = random.Random(seed)
    emulator = EmulatorProcess(folder, sims, speed=speed)
    try:
        job = await _set_up(folder, emulator, listens=listens)
        in_flight: Counter[str] = Counter()
        for _ in range(kills):
            await job.start()
            await _kill_after_a_while(job, chance, most=2 * sims // kills)
            in_flight.update(await job.in_flight())
        await _finish(job)
        await _check(emulator, sims, repeats=in_flight)
        return in_flight
    finally:
        await emulator.kill()


async def kill_the_emulator(
    folder: Path, *, sims: int, kills: int, seed: int, speed: float = 40.0, listens: bool = False
) -> None:
    """Kill and restart the emulator at seeded moments while one job runs."""
    chance = random.Random(seed)
    emulator = EmulatorProcess(folder, sims, speed=speed)
    try:
        job = await _set_up(folder, emulator, listens=listens)
        await job.start()
        for _ in range(kills):
            await _wait_for_events(job, chance.randint(1, 2 * sims // kills))
            await emulator.kill()
            await emulator.start()
        await _finish(job, started=True)
        await _check(emulator, sims, repeats=None)
    finally:
        await emulator.kill()


async def _set_up(folder: Path, emulator: EmulatorProcess, *, listens: bool) -> JobProcess:
    await emulator.start()
    await emulator.write_sims(folder / "sims.csv")
    # A fixed port: late callbacks for a killed run reach the next one.
    options = ("--listen", str(free_port())) if listens else ()
    return JobProcess(folder, emulator, options)


async def _kill_after_a_while(job: JobProcess, chance: random.Random, most: int) -> None:
    """Kill the job after a random number of events or seconds, whichever comes first."""
    events, seconds = chance.randint(0, most), chance.uniform(0.3, 3.0)
    assert job.process is not None
    try:
        async with asyncio.timeout(seconds):
            running = await job.read_events(events)
    except TimeoutError:
        running = True
    await kill(job.process)
    assert running or job.lines, "the job ended before it did anything"


async def _wait_for_events(job: JobProcess, more: int) -> None:
    try:
        async with asyncio.timeout(2.0):  # during an outage the job prints nothing
            await job.read_events(job.lines + more)
    except TimeoutError:
        pass


async def _finish(job: JobProcess, *, started: bool = False) -> None:
    """Run the job until it exits with 0."""
    for _ in range(_ATTEMPTS):
        if not started:
            await job.start()
        started = False
        code = await job.finish()
        if code == 0:
            return
        assert code == 3, f"exit code {code}: {job.stderr.decode()}"
    raise AssertionError(f"not done after {_ATTEMPTS} runs: {job.stderr.decode()}")


async def _check(emulator: EmulatorProcess, sims: int, repeats: Counter[str] | None) -> None:
    """Check that nothing was lost, sent after its target, or repeated needlessly."""
    posts = await emulator.posts()
    assert await emulator.statuses() == {"active": sims}
    # 200: the SIM already had the target status. 202: a change began.
    late = [one for one in posts if carried_out(one) == 200]
    assert late == [], f"{len(late)} updates of SIMs that had reached their target"
    began = Counter(one["sid"] for one in posts if carried_out(one) == 202)
    assert set(began.values()) == {1}, "a change began twice"
    # 83010: the request was resent while the change was in progress.
    resent = Counter(one["path"].rpartition("/")[2] for one in posts if one["code"] == 83010)
    if repeats is not None:
        beyond = {sid: times for sid, times in resent.items() if times > repeats[sid]}
        assert not beyond, f"resent without having been in flight at a kill: {beyond}"

"""The two experiments: the job is killed, the emulator is killed; and what must be true after."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from tests.chaos.processes import EmulatorProcess, JobProcess, carried_out, free_port, kill

_ATTEMPTS = 5  # runs that may be needed once nothing is killed any more


async def kill_the_job(
    folder: Path, *, sims: int, kills: int, seed: int, speed: float = 40.0, listens: bool = False
) -> Counter[str]:
    """Kill a job with SIGKILL at seeded moments, run it again until done, and look.

    Returns how often each SIM's request was perhaps on the wire at a kill.
    """
    chance = random.Random(seed)
    emulator = EmulatorProcess(folder, sims, speed=speed)
    try:
        job = await _set_up(folder, emulator, listens=listens)
        doubts: Counter[str] = Counter()
        for _ in range(kills):
            await job.start()
            await _live_for_a_while(job, chance, most=2 * sims // kills)
            doubts.update(await job.in_flight())
        await _finish(job)
        await _check(emulator, sims, repeats=doubts)
        return doubts
    finally:
        await emulator.kill()


async def kill_the_emulator(
    folder: Path, *, sims: int, kills: int, seed: int, speed: float = 40.0, listens: bool = False
) -> None:
    """Kill the emulator at seeded moments and start it again, with one job going on."""
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
    # Always the same port: late callbacks for a run that was killed come to the next one.
    options = ("--listen", str(free_port())) if listens else ()
    return JobProcess(folder, emulator, options)


async def _live_for_a_while(job: JobProcess, chance: random.Random, most: int) -> None:
    """Kill it after so many events or so many seconds, whichever is first."""
    events, seconds = chance.randint(0, most), chance.uniform(0.3, 3.0)
    assert job.process is not None
    try:
        async with asyncio.timeout(seconds):
            goes_on = await job.read_events(events)
    except TimeoutError:
        goes_on = True
    await kill(job.process)
    assert goes_on or job.lines, "the job ended before it did anything"


async def _wait_for_events(job: JobProcess, more: int) -> None:
    try:
        async with asyncio.timeout(2.0):  # while it waits for an outage to end, it says nothing
            await job.read_events(job.lines + more)
    except TimeoutError:
        pass


async def _finish(job: JobProcess, *, started: bool = False) -> None:
    """Run it until it says that all is done."""
    for _ in range(_ATTEMPTS):
        if not started:
            await job.start()
        started = False
        code = await job.finish()
        if code == 0:
            return
        assert code == 3, f"exit code {code}: {job.said.decode()}"
    raise AssertionError(f"not done after {_ATTEMPTS} runs: {job.said.decode()}")


async def _check(emulator: EmulatorProcess, sims: int, repeats: Counter[str] | None) -> None:
    """Nothing lost, nothing sent after its goal, nothing sent twice without need."""
    posts = await emulator.posts()
    assert await emulator.statuses() == {"active": sims}
    # 200: the SIM was there already and nothing needed to be changed. 202: a change began.
    late = [one for one in posts if carried_out(one) == 200]
    assert late == [], f"{len(late)} updates of SIMs that had reached their goal"
    began = Counter(one["sid"] for one in posts if carried_out(one) == 202)
    assert set(began.values()) == {1}, "a change began twice"
    # Answered with 83010: it was sent again while the change was under way.
    again = Counter(one["path"].rpartition("/")[2] for one in posts if one["code"] == 83010)
    if repeats is not None:
        beyond = {sid: times for sid, times in again.items() if times > repeats[sid]}
        assert not beyond, f"sent again without having been in flight at a kill: {beyond}"

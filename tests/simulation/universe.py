"""One world from its seed: simulated, audited, and its result handed on."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import simloom

from tests.simulation.fakes import fakes_installed
from tests.simulation.gateway import Exchange, records_shown
from tests.simulation.numbered_task import NumberedTask
from tests.simulation.processes import StepScheduler
from tests.simulation.result import BROKEN, WorldResult
from tests.simulation.scenario import draw
from tests.simulation.workers_scenario import FIRST_SEED, draw_workers
from tests.simulation.workers_world import WorkersWorld
from tests.simulation.world import SimulatedWorld

_LONGEST = 120.0
"""Seconds of real time for one world, which end a loop that never yields."""


def run_world(seed: int, done: Callable[[WorldResult], None]) -> None:
    """Run and audit a world; `done` is called inside of it, at its end."""
    workers = draw_workers(seed) if seed >= FIRST_SEED else None
    scenario = workers.base if workers else draw(seed)
    order = StepScheduler(scenario.disorder)
    memory = Path("/dev/shm")  # if there is one: no disk is worn out
    room = memory if memory.is_dir() else None

    async def main(world: simloom.World) -> None:
        result = WorldResult(seed=seed, violations=[])
        with tempfile.TemporaryDirectory(dir=room) as folder:
            simulated: SimulatedWorld
            if workers:
                simulated = WorkersWorld(workers, world, order, Path(folder))
            else:
                simulated = SimulatedWorld(scenario, world, order, Path(folder))
            loop: Any = asyncio.get_running_loop()
            loop.set_task_factory(NumberedTask)
            with fakes_installed(
                simulated.owner, simulated.everybody, loop.time, simulated.committed
            ):
                await simulated.run()
                _audit(simulated, loop, result)
        result.digest = loop.log.digest()
        done(result)

    simloom.run(
        main,
        seed=seed,
        scheduler=order,
        virtual_time=True,
        seed_randomness=True,
        gc_interval=0,
        watchdog=_LONGEST,
        max_steps_per_instant=200_000,
    )


def _audit(simulated: SimulatedWorld, loop: Any, result: WorldResult) -> None:
    """Fill in the result."""
    history = simulated.history
    result.kills, result.vendor_kills = len(history.kills), history.vendor_kills
    result.requests, result.seconds = len(history.exchanges), simulated.world.time
    result.log = sorted([*history.lines, *map(_line, history.exchanges)])
    try:
        result.violations = simulated.violations()
    except Exception as error:  # noqa: BLE001  # reported as an error of the world
        result.violations = [f"{BROKEN}: {error!r}"]
    if not (history.kills or history.vendor_kills):  # a killed process leaves sessions open
        result.violations += [
            f"reached the loop unhandled: {one.get('message')} {one.get('exception')!r}"
            for one in loop.unhandled_exceptions
        ]


def _line(one: Exchange) -> str:
    """One line of the log about a request."""
    asked = {**one.query, **one.form}
    asked.pop("CallbackUrl", None)
    got = "nothing" if one.status is None else one.status
    shown = [record.get("status") for record in records_shown(one)]
    return (
        f"{one.arrived:9.3f}  #{one.number} {one.method} {one.path[-20:]} {asked or ''}"
        f" vendor: {one.carried_out}, client: {got} {shown or ''}{' old' if one.old else ''}"
    )

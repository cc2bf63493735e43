"""A change that the vendor accepts but does not carry out raises `TransitionFailed`."""

import asyncio

import asyncsim
from asyncsim.emulator import Emulator, Faults


async def main() -> None:
    faults = Faults(failing_updates=1.0)
    async with Emulator(sims=1, speed=1000, faults=faults) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        (sim,) = await sims.list()
        try:
            await sims.update_and_wait(sim.sid, status="active", timeout=60)
        except asyncsim.TransitionFailed as error:
            print("settled elsewhere:", error.actual.status)


asyncio.run(main())

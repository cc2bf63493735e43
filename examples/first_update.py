"""Update a SIM and wait until it has settled.

The response to an update says `scheduled`; the SIM reaches its status later.
"""

import asyncio

from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=1, speed=1000) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        (sim,) = await sims.list(status="new")
        sim = await sims.update(sim.sid, status="active")
        print("at once:", sim.status)
        sim = await sims.await_transition(sim, timeout=60)
        print("settled:", sim.status)


asyncio.run(main())

"""A change whose response was lost is not sent again: the SIM is read."""

import asyncio

from asyncsim.emulator import Emulator, Faults
from asyncsim.events import RequestFinished


async def main() -> None:
    lost = Faults(dropped=1.0, share_processed=1.0)  # carried out, but no response arrives
    async with Emulator(sims=1, speed=1000) as emulator:

        def mend(event: object) -> None:
            if isinstance(event, RequestFinished) and event.error:
                print("lost:", event.method)
                emulator.faults = Faults()

        async with emulator.client(observers=[mend]) as client:
            sims = client.supersim.sims
            (sim,) = await sims.list()
            emulator.requests.clear()
            emulator.faults = lost
            sim = await sims.update_and_wait(sim.sid, status="active", timeout=60)
        print("settled:", sim.status)
        print("changes sent:", sum(request.method == "POST" for request in emulator.requests))


asyncio.run(main())

"""Requests that the vendor throttles are retried, as fast as it accepts them."""

import asyncio

from asyncsim.emulator import Emulator, Faults
from asyncsim.observers import Tally


async def main() -> None:
    tally = Tally()
    faults = Faults(concurrency=4, answer_takes=0.01)  # a fifth request at once gets a 429
    async with Emulator(sims=100, speed=1000, faults=faults) as emulator:
        async with emulator.client(observers=[tally]) as client:
            sims = client.supersim.sims
            found = [sim.sid async for sim in sims.list()]
            updates = (sims.update(sid, status="active") for sid in found)
            updated = await asyncio.gather(*updates)
    print("accepted:", len(updated))
    print("was throttled:", tally.limited > 0)


asyncio.run(main())

"""Callbacks end waits, and their signatures are verified.

Without a public URL the receiver uses its own address, which the emulator can reach.
"""

import asyncio

import asyncsim
from asyncsim.emulator import Emulator


async def main() -> None:
    receiver = asyncsim.CallbackReceiver()
    async with Emulator(sims=1, speed=1000) as emulator:
        # Polling would take minutes here: only a callback can be quicker.
        watching = asyncsim.Watching(first=120, longest=120, safety_every=120)
        async with emulator.client(receiver=receiver, watching=watching) as client:
            sims = client.supersim.sims
            (sim,) = await sims.list()
            sim = await sims.update_and_wait(sim.sid, status="active", timeout=60)
            print("settled:", sim.status)
    print("accepted:", receiver.counts.accepted, "refused:", receiver.counts.refused)


asyncio.run(main())

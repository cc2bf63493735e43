"""Time moved by hand: an hour passes at once, in a test of your own."""

import asyncio

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Latency


async def main() -> None:
    clock = ManualClock()
    latency = Latency(transition=3000, longest=3000, sigma=0)
    async with Emulator(sims=1, clock=clock, latency=latency) as emulator:
        async with emulator.client() as client:
            sims = client.supersim.sims
            (sim,) = await sims.list()
            update = sims.update_and_wait(sim.sid, status="active", timeout=7200)
            waiting = asyncio.create_task(update)
            await clock.advance(2900)
            print("after 2,900 s:", "settled" if waiting.done() else "pending")
            await clock.advance(700)
            print("after 3,600 s:", (await waiting).status)


asyncio.run(main())

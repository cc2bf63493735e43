"""A wait that reached its deadline can be continued.

`TransitionTimeout` does not mean that the change failed, and it is not sent again.
"""

import asyncio

import asyncsim
from asyncsim.emulator import Emulator, Latency


async def main() -> None:
    latency = Latency(transition=400, sigma=0)
    async with Emulator(sims=1, speed=1000, latency=latency) as emulator:
        async with emulator.client() as client:
            sims = client.supersim.sims
            (sim,) = await sims.list()
            try:
                await sims.update_and_wait(sim.sid, status="active", timeout=0.01)
            except asyncsim.TransitionTimeout as error:
                print("still pending:", error.last.status)
            sim = await sims.await_transition(sim.sid, timeout=60)
            print("settled:", sim.status)
        print("changes sent:", sum(request.method == "POST" for request in emulator.requests))


asyncio.run(main())

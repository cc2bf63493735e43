"""An observer is any callable that takes an event."""

import asyncio

from asyncsim.emulator import Emulator
from asyncsim.events import RequestFinished, WaitSettled
from asyncsim.observers import Tally


def show(event: object) -> None:
    if isinstance(event, RequestFinished) and event.method == "POST":
        print(event.operation, event.status)
    if isinstance(event, WaitSettled):
        print("settled by:", event.settled_by)


async def main() -> None:
    tally = Tally()
    async with Emulator(sims=1, speed=1000) as emulator:
        async with emulator.client(observers=[show, tally]) as client:
            sims = client.supersim.sims
            (sim,) = await sims.list()
            await sims.update_and_wait(sim.sid, status="active", timeout=60)
        print("all requests counted:", tally.requests == len(emulator.requests))


asyncio.run(main())

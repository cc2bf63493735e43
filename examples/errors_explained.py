"""Errors are typed and say what to do; mistakes are found before anything is sent."""

import asyncio

import asyncsim
from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=1, speed=1000) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        try:
            await sims.fetch("HS" + 32 * "0")
        except asyncsim.NotFound as error:
            print("not found:", error.status, error.code)
        (sim,) = await sims.list()
        emulator.requests.clear()
        try:
            await sims.update(sim.sid, status="activ")  # type: ignore[arg-type]  # on purpose
        except ValueError as error:
            print("did you mean" in str(error), "requests:", len(emulator.requests))


asyncio.run(main())

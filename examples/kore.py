"""KORE: the same names, and access tokens that are fetched and renewed for you."""

import asyncio

from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=1, speed=1000) as emulator, emulator.client("kore") as client:
        sims = client.wireless.sims
        (sim,) = await sims.list(status="new")
        sim = await sims.update_and_wait(sim.sid, status="active", rate_plan="default", timeout=60)
        print("settled:", sim.status)
        emulator.expire_tokens()
        sim = await sims.fetch(sim.sid)
        print("after its token has expired:", sim.status)


asyncio.run(main())

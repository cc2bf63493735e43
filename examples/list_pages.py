"""Lists: a page, the first SIMs, or all of them."""

import asyncio

from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=12) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        page = await sims.list(page_size=5)
        print("a page:", len(page))
        print("its first SIM:", page[0].status)
        print("at most seven:", len(await sims.list(limit=7)))
        emulator.requests.clear()
        found = [sim.sid async for sim in sims.list(page_size=5)]
        print("all:", len(found), "in", len(emulator.requests), "requests")


asyncio.run(main())

"""Update many SIMs; a failure of one stops no other."""

import asyncio

from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=50, speed=1000) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        sids = [sim.sid async for sim in sims.list()]
        sids.append("HS" + 32 * "0")  # there is no such SIM
        settled = 0
        async for outcome in sims.update_many(
            ((sid, {"status": "active"}) for sid in sids), timeout=60
        ):
            if outcome.ok:
                settled += 1
            else:
                print(outcome.sid, type(outcome.error).__name__)
        print("active:", settled)


asyncio.run(main())

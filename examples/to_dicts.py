"""Records as plain dictionaries, for data frames, JSON or CSV."""

import asyncio

from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=3) as emulator, emulator.client() as client:
        rows = (await client.supersim.sims.list()).to_dicts()
        print(len(rows), "rows")
        for row in rows:
            print(row["iccid"], row["status"])


asyncio.run(main())

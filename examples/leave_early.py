"""Leave `update_many` early: nothing new is sent, and it says what has not settled."""

import asyncio

from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=30, speed=1000) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        sids = [sim.sid async for sim in sims.list()]
        many = sims.update_many(((sid, {"status": "active"}) for sid in sids), window=5, timeout=60)
        async with many as outcomes:
            async for outcome in outcomes:
                print("the first:", outcome.ok)
                break
        posts = sum(request.method == "POST" for request in emulator.requests)
        print("not all were sent:", posts < len(sids))
        print("all unfinished ones are known:", len(outcomes.unfinished) <= 5)


asyncio.run(main())

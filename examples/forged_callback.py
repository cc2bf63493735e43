"""Forged callbacks are rejected: one needs the URL of this change and the vendor's signature."""

import asyncio

import aiohttp

import asyncsim
from asyncsim.emulator import Emulator


async def main() -> None:
    receiver = asyncsim.CallbackReceiver()
    async with Emulator(sims=1) as emulator, emulator.client(receiver=receiver) as client:
        sims = client.supersim.sims
        (sim,) = await sims.list()
        await sims.update(sim.sid, status="active")
        url = emulator.requests[-1].form["CallbackUrl"][0]  # as a proxy's log may hold it
        body, signature = {"Status": "active"}, {"X-Twilio-Signature": "forged"}
        async with aiohttp.ClientSession() as forger:
            for target in (url, receiver.public_url + "/guessed"):
                async with forger.post(target, data=body, headers=signature) as response:
                    print(response.status)
    print("accepted:", receiver.counts.accepted)


asyncio.run(main())

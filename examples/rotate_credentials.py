"""Credentials change while the client runs."""

import asyncio

import asyncsim
from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=1) as emulator:
        own = emulator.credentials
        client = asyncsim.Client.twilio(own.account_sid, "expired", hosts=emulator.hosts)
        async with client:
            try:
                await client.supersim.sims.list()
            except asyncsim.AuthenticationError:
                print("rejected")
            client.rotate(auth_token=own.auth_token)
            print("SIMs:", len(await client.supersim.sims.list()))


asyncio.run(main())

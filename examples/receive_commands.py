"""Receive what devices send."""

import asyncio

import asyncsim
from asyncsim.emulator import Emulator


async def main() -> None:
    receiver = asyncsim.CallbackReceiver()
    async with Emulator(sims=1, speed=1000) as emulator:
        async with emulator.client(receiver=receiver) as client:
            url = receiver.commands_url("twilio", "supersim")
            await client.supersim.fleets.update("default", sms_commands_url=url)
            (sim,) = await client.supersim.sims.list()
            emulator.world("twilio").send_command("supersim", sim.sid, "temp=21")
            async for command in receiver.commands():
                print(command.payload, "signed:", command.signed)
                break


asyncio.run(main())

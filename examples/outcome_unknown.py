"""A create that may have been carried out is never sent again: `OutcomeUnknown`."""

import asyncio

import asyncsim
from asyncsim.emulator import Emulator, Faults


async def main() -> None:
    async with Emulator(sims=1, speed=1000) as emulator, emulator.client() as client:
        (sim,) = await client.supersim.sims.list()
        await client.supersim.sims.update_and_wait(sim.sid, status="active", timeout=60)
        emulator.faults = Faults(dropped=1.0, share_processed=1.0)
        try:
            await client.supersim.sms_commands.create(sim=sim.sid, payload="reboot")
        except asyncsim.OutcomeUnknown:
            print("perhaps sent, perhaps not")
        emulator.faults = Faults()
        for command in await client.supersim.sms_commands.list(sim=sim.sid):
            print("the list has it:", command.payload)


asyncio.run(main())

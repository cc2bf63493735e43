"""Send an SMS Command and wait until it is delivered."""

import asyncio

from asyncsim.emulator import Emulator


async def main() -> None:
    async with Emulator(sims=1, speed=1000) as emulator, emulator.client() as client:
        (sim,) = await client.supersim.sims.list()
        await client.supersim.sims.update_and_wait(sim.sid, status="active", timeout=60)
        send = client.supersim.sms_commands.send_and_wait
        command = await send(sim=sim.sid, payload="wake up", until="delivered", timeout=60)
        print(command.payload, command.status)


asyncio.run(main())

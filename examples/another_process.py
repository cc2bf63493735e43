"""A wait that another process can finish: store its token, then send."""

import asyncio
import os
import sys

from asyncsim.emulator import Emulator

RESUME = """
import asyncio, sys, asyncsim

async def main():
    async with asyncsim.Client.from_env() as client:
        sim = await client.resume(sys.argv[1])
        print("another process:", sim.status)

asyncio.run(main())
"""


async def main() -> None:
    async with Emulator(sims=1, speed=1000) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        (sim,) = await sims.list()
        prepared = await sims.prepare_update(sim.sid, status="active", timeout=60)
        token = prepared.token  # store it here
        sim = await prepared.send()
        print("this process:", sim.status)

        another = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RESUME, token),
            env={**os.environ, "ASYNCSIM_EMULATOR": emulator.url},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await another.communicate()
        print(printed.decode().strip())
        print("changes sent:", sum(request.method == "POST" for request in emulator.requests))


asyncio.run(main())

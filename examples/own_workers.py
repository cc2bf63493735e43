"""Two workers of your own share a job: `bulk.submit` and `bulk.work`, on PostgreSQL.

ASYNCSIM_JOURNAL is the URL of a database, such as postgresql://localhost/asyncsim.
"""

import asyncio
import os

from asyncsim import bulk
from asyncsim.emulator import Emulator


async def work(emulator: Emulator, url: str, stop: asyncio.Event) -> None:
    """Run one worker: here a task, in production a process on its own machine."""
    async with emulator.client() as client:  # one for each account
        await bulk.work(url, [client], stop=stop)


async def main(url: str) -> None:
    async with Emulator(sims=60, speed=1000) as emulator, emulator.client() as client:
        await bulk.migrate(url)  # as `asyncsim jobs migrate`
        sims = [sim.sid async for sim in client.supersim.sims.list()]
        job = bulk.Job.from_rows(sims, product="supersim", change={"status": "active"})
        submitted = await bulk.submit(job, client, url, name="meters", chunk_rows=20)
        print("chunks:", submitted.chunks)

        stop = asyncio.Event()  # set it to stop the workers gracefully
        workers = [asyncio.create_task(work(emulator, url, stop)) for _ in range(2)]
        async with bulk.SharedJobs(url) as jobs:
            while (found := await jobs.fetch("meters")).state != "finished":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        print(f"{found.state}: {found.succeeded} of {found.rows}")
        stop.set()
        await asyncio.gather(*workers)


asyncio.run(main(os.environ["ASYNCSIM_JOURNAL"]))

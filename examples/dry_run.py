"""A dry run says what a job would do, and sends nothing."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncsim import bulk
from asyncsim.emulator import Emulator


async def main(folder: Path) -> None:
    async with Emulator(sims=4, speed=1000) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        sids = [sim.sid async for sim in sims.list()]
        await sims.update_and_wait(sids[0], status="active", timeout=60)
        emulator.requests.clear()

        rows = [*sids, "HS" + 32 * "0"]
        job = bulk.Job.from_rows(rows, product="supersim", change={"status": "active"})
        async with bulk.Journal.open(folder / "job.db") as journal:
            plan = (await bulk.run(job, client, journal=journal, dry_run=True)).plan
        assert plan is not None
        for verdict in sorted(plan.verdicts):
            print(f"{verdict}: {plan.verdicts[verdict]}")
        print("become billable:", plan.billable)
        print("changes sent:", sum(request.method == "POST" for request in emulator.requests))


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))

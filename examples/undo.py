"""Undo a job: the statuses before it, ready to be fed back."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncsim import bulk
from asyncsim.emulator import Emulator


async def main(folder: Path) -> None:
    async with Emulator(sims=2, speed=1000) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        sids = [sim.sid async for sim in sims.list()]
        async for outcome in sims.update_many((sid, {"status": "ready"}) for sid in sids):
            assert outcome.ok
        await sims.update_and_wait(sids[0], status="active", timeout=60)

        job = bulk.Job.from_rows(sids, product="supersim", change={"status": "inactive"})
        async with bulk.Journal.open(folder / "job.db") as journal:
            await bulk.run(job, client, journal=journal)
            await bulk.write_undo(journal, folder / "undo.csv")
        print((folder / "undo.csv").read_text().replace(sids[0], "the first").strip())

        back = bulk.Job.from_csv(folder / "undo.csv", product="supersim")
        async with bulk.Journal.open(folder / "undo.db") as journal:
            await bulk.run(back, client, journal=journal)
        print("again:", (await sims.fetch(sids[0])).status)


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))

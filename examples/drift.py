"""Which SIMs have left the status that a file wants, and the file that brings them back."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncsim import bulk
from asyncsim.emulator import Emulator


async def main(folder: Path) -> None:
    async with Emulator(sims=3, speed=1000) as emulator, emulator.client() as client:
        sims = client.supersim.sims
        sids = [sim.sid async for sim in sims.list()]
        async for outcome in sims.update_many((sid, {"status": "active"}) for sid in sids):
            assert outcome.ok
        await sims.update_and_wait(sids[1], status="inactive", timeout=60)  # by a colleague

        job = bulk.Job.from_rows(sids, product="supersim", change={"status": "active"})
        async with bulk.Journal.open(folder / "drift.db") as journal:
            await bulk.run(job, client, journal=journal, dry_run=True)
            async for drifted in bulk.find_drift(journal):
                print(f"row {drifted.line}: {drifted.status}, wanted: {drifted.wanted['status']}")
            print("rows to fix:", await bulk.write_fix(journal, folder / "fix.csv"))


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))

"""An irreversible change requires confirming the exact number of SIMs."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncsim
from asyncsim import bulk
from asyncsim.emulator import Emulator


def counts(report: bulk.Report) -> dict[str, int]:
    return {state.value: rows for state, rows in report.states.items()}


async def main(folder: Path) -> None:
    async with Emulator(sims=3, speed=1000) as emulator, emulator.client() as client:
        sims = client.wireless.sims
        sids = [sim.sid async for sim in sims.list()]
        async for outcome in sims.update_many((sid, {"status": "active"}) for sid in sids):
            assert outcome.ok
        job = bulk.Job.from_rows(sids, product="wireless", change={"status": "deactivated"})
        async with bulk.Journal.open(folder / "job.db") as journal:
            try:
                await bulk.run(job, client, journal=journal, confirm=2)
            except asyncsim.NotConfirmed:
                print("not confirmed; statuses:", {sim.status async for sim in sims.list()})
            report = await bulk.run(job, client, journal=journal, confirm=3)
    print("confirmed:", counts(report))


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))

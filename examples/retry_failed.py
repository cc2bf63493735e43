"""Rows that failed are retried once the cause is fixed."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncsim import bulk
from asyncsim.emulator import Emulator, Faults


def counts(report: bulk.Report) -> dict[str, int]:
    return {state.value: rows for state, rows in report.states.items()}


async def main(folder: Path) -> None:
    faults = Faults(failing_updates=1.0)
    async with Emulator(sims=3, speed=1000, faults=faults) as emulator, emulator.client() as client:
        sids = [sim.sid async for sim in client.supersim.sims.list()]
        job = bulk.Job.from_rows(sids, product="supersim", change={"status": "active"})
        async with bulk.Journal.open(folder / "job.db") as journal:
            report = await bulk.run(job, client, journal=journal)
            print("first run:", counts(report))
            emulator.faults = Faults()  # the cause is fixed
            report = await bulk.run(None, client, journal=journal, retry_failed=True)
            print("retry:", counts(report))


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))

"""The circuit breaker stops a job when the vendor refuses SIM after SIM alike."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncsim import bulk
from asyncsim.emulator import Emulator, Faults


def counts(report: bulk.Report) -> dict[str, int]:
    return {state.value: rows for state, rows in report.states.items()}


async def main(folder: Path) -> None:
    async with Emulator(sims=40, speed=1000) as emulator, emulator.client() as client:
        sids = [sim.sid async for sim in client.supersim.sims.list()]
        job = bulk.Job.from_rows(sids, product="supersim", change={"status": "active"})
        async with bulk.Journal.open(folder / "job.db") as journal:
            emulator.faults = Faults(failing_updates=1.0)
            report = await bulk.run(job, client, journal=journal, window=10, breaker=10)
            print("stopped by:", report.stopped)
            print("not all were sent:", report.states[bulk.State.FAILED] < len(sids))
            emulator.faults = Faults()
            report = await bulk.run(None, client, journal=journal, retry_failed=True)
            print("later:", counts(report))


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))

"""A job activates the SIMs of a CSV file and writes a result for each row."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncsim import bulk
from asyncsim.emulator import Emulator


async def main(folder: Path) -> None:
    async with Emulator(sims=5, speed=1000) as emulator, emulator.client() as client:
        batch = folder / "batch.csv"
        found = await client.supersim.sims.list()
        rows = [f"{sim.iccid},meter {n}" for n, sim in enumerate(found, 1)]
        batch.write_text("\n".join(["iccid,device", *rows]))

        job = bulk.Job.from_csv(batch, product="supersim", change={"status": "active"})
        async with bulk.Journal.open(folder / "batch.db") as journal:
            report = await bulk.run(job, client, journal=journal)
            await bulk.write_results(journal, folder / "results", report)
    print({state.value: rows for state, rows in report.states.items()})
    header, first, *_ = (folder / "results" / "results.csv").read_text().splitlines()
    print(", ".join(header.split(",")[1:3]))
    print(", ".join(first.split(",")[1:3]))


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))

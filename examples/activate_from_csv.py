"""Activate the Super SIMs of a CSV file with a column `iccid`, and write what became of each.

    python activate_from_csv.py batch.csv results.csv

Credentials come from the environment: see the README.
"""

from __future__ import annotations

import asyncio
import csv
import sys
from pathlib import Path
from typing import TextIO

import asyncsim


async def activate(iccids: set[str], results: TextIO) -> int:
    """Activate all; return how many did not get there."""
    rows = csv.writer(results)
    rows.writerow(["iccid", "sid", "status", "error"])
    async with asyncsim.Client.from_env() as client:
        sims = client.supersim.sims
        found = {sim.sid: sim async for sim in sims.list(page_size=1000) if sim.iccid in iccids}
        missed = len(iccids) - len(found)
        many = sims.update_many(((sid, {"status": "active"}) for sid in found), timeout=900)
        async for outcome in many:
            missed += not outcome.ok
            status = outcome.sim.status if outcome.sim else ""
            rows.writerow([found[outcome.sid].iccid, outcome.sid, status, outcome.error or ""])
    return missed


def main(source: Path, results: Path) -> int:
    """Read one file, write the other."""
    iccids = {row["iccid"] for row in csv.DictReader(source.read_text().splitlines())}
    with results.open("w", newline="") as file:
        return asyncio.run(activate(iccids, file))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])) > 0)

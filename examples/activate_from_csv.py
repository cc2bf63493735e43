"""Activate the Super SIMs in a CSV file, with a deadline; run it again to resume.

    python activate_from_csv.py batch.csv

The file has a column `iccid`, `sid` or `unique_name`. Results are written to the folder
`batch-results`, progress is kept in `batch.db`. Credentials come from the environment: see the
README. Ctrl-C stops gracefully: it finishes the requests in flight and sends nothing new.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import asyncsim
from asyncsim import bulk

HOURS = 8


async def activate(source: Path, stop: asyncio.Event) -> bulk.Report:
    """Activate every SIM in the file; the journal next to it records the progress."""
    job = bulk.Job.from_csv(source, product="supersim", change={"status": "active"})
    async with (
        asyncsim.Client.from_env() as client,
        bulk.Journal.open(source.with_suffix(".db")) as journal,
    ):
        # A hundred failures point to a mistake in the file or the account, so the run stops.
        report = await bulk.run(
            job, client, journal=journal, deadline=HOURS * 3600, max_failures=100, stop=stop
        )
        await bulk.write_results(journal, source.with_name(f"{source.stem}-results"), report)
    return report


async def main(source: Path) -> bool:
    """Return whether every SIM is active; print what to do about the others."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    report = await activate(source, stop)
    for reason in report.shortfalls:
        print(f"{reason.rows} {reason.reason}: {reason.remedy}")
    return report.ok


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python activate_from_csv.py FILE.csv")
    sys.exit(not asyncio.run(main(Path(sys.argv[1]))))

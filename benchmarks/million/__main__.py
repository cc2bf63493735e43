"""Plan a CSV of a million ICCIDs, stream the first 100,000 results, and print the memory used.

The job has a process of its own, so that its peak of resident memory is its own; so has the stub.
Asked of it: less than 300 MiB.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from asyncsim import Client, Hosts, bulk
from asyncsim.events import Event, JobPlanned, JobProgressed, RowMoved
from benchmarks.million.stub import iccid_of

BOUND = 300.0  # MiB


def peak() -> float:
    """MiB of memory that this process has had resident at most (Linux counts in KiB)."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1024 if sys.platform != "darwin" else used / 2**20


class Stages:
    """Prints what each stage took."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.phase = ""
        self.settled = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, JobProgressed) and event.phase != self.phase:
            self.phase = event.phase
            self.say(f"{event.phase} begins")
        elif isinstance(event, JobPlanned):
            self.say(f"planned {event.rows:,} rows in {event.requests:,} requests")
        elif isinstance(event, RowMoved) and event.state == "done":
            self.settled += 1
            if self.settled % 20_000 == 0:
                self.say(f"{self.settled:,} results")

    def say(self, text: str) -> None:
        seconds = time.perf_counter() - self.began
        print(f"{seconds:7.1f} s  {peak():6.1f} MiB at most  {text}", flush=True)


async def run(folder: Path, url: str, results: int) -> None:
    stages = Stages()
    stages.say("started")
    hosts = Hosts(supersim=url)
    job = bulk.Job.from_csv(folder / "sims.csv", product="supersim", change={"status": "active"})
    async with (
        Client.twilio("AC" + "0" * 32, "secret", hosts=hosts) as client,
        bulk.Journal.open(folder / "job.db") as journal,
    ):
        report = await bulk.run(job, client, journal=journal, observers=[stages], limit=results)
        stages.say("the run is over")
        await bulk.write_results(journal, folder / "results", report)
        stages.say(f"results of all {report.rows:,} rows are written")
    done = report.states[bulk.State.DONE]
    verdict = "met" if peak() < BOUND else "MISSED"
    print(
        f"{report.rows:,} rows planned, {done:,} results: {peak():.0f} MiB at most"
        f" (bound {BOUND:.0f}: {verdict})"
    )
    if done != results or peak() >= BOUND:
        sys.exit(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--job", nargs=2, metavar=("FOLDER", "URL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        asyncio.run(run(Path(given.job[0]), given.job[1], given.results))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), given.rows, given.results)


def measure(folder: Path, rows: int, results: int) -> int:
    with (folder / "sims.csv").open("w", encoding="utf-8") as file:
        file.write("iccid,box\n")
        file.writelines(f"{iccid_of(number)},{number // 100}\n" for number in range(rows))
    command = [sys.executable, "-m", "benchmarks.million.stub", "--sims", str(rows)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as stub:
        assert stub.stdout is not None
        url = f"http://127.0.0.1:{stub.stdout.readline().strip()}"
        own = [sys.executable, "-m", "benchmarks.million", "--results", str(results)]
        code = subprocess.run([*own, "--job", str(folder), url], check=False).returncode
        said, _ = stub.communicate()
        print(f"the stub was asked {said.strip()}")
    return code


if __name__ == "__main__":
    sys.exit(main())

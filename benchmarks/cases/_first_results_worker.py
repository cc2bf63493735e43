"""The job of the benchmark `first_results`, in its own process; prints JSON."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from asyncsim import Client, Hosts, bulk
from asyncsim.events import Event, JobPlanned, JobProgressed
from benchmarks.stub.account import iccid
from benchmarks.stub.responses import ACCOUNT

Row = tuple[str, float, float]


def _peak() -> float:
    """Peak resident memory of this process in MiB (Linux reports KiB)."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == "darwin" else used / 1024


class _Stages:
    """Records the time and memory of each stage."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.planned = 0
        """List requests of the plan."""
        self._began = time.perf_counter()
        self._phase = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, JobPlanned):
            self.planned = event.requests
            self.reach(f"{event.rows:,} rows are planned")
        elif isinstance(event, JobProgressed) and event.phase != self._phase:
            self._phase = event.phase
            self.reach(f"{event.phase} begins")

    def reach(self, stage: str) -> None:
        """Record and print a stage, since the run takes minutes."""
        self.rows.append((stage, time.perf_counter() - self._began, _peak()))
        print("{:30} {:6.1f} s {:6.1f} MiB at most".format(*self.rows[-1]), file=sys.stderr)


def _write_csv(path: Path, sims: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("iccid,box\n")
        file.writelines(f"{iccid(number)},{number // 100}\n" for number in range(sims))


async def _run(folder: Path, port: int, results: int) -> dict[str, object]:
    stages = _Stages()
    stages.reach("all is imported")
    job = bulk.Job.from_csv(folder / "sims.csv", product="supersim", change={"status": "active"})
    hosts = Hosts(supersim=f"http://127.0.0.1:{port}")
    async with (
        Client.twilio(ACCOUNT, "secret", hosts=hosts) as client,
        bulk.Journal.open(folder / "job.db") as journal,
    ):
        report = await bulk.run(job, client, journal=journal, observers=[stages], limit=results)
        done = report.states[bulk.State.DONE]
        stages.reach(f"{done:,} results")
        await bulk.write_results(journal, folder / "results", report)
        stages.reach(f"results of {report.rows:,} rows are written")
    return {"stages": stages.rows, "planned": stages.planned, "done": done, "peak": _peak()}


def main() -> None:
    """Measure and print."""
    port, sims, results = map(int, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        _write_csv(Path(folder) / "sims.csv", sims)
        print(json.dumps(asyncio.run(_run(Path(folder), port, results))))


main()

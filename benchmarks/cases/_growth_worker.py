"""One run of the benchmarks `growth` and `million`, in its own process; prints JSON."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from asyncsim import Client, Hosts, bulk
from asyncsim.models.supersim.sims import SimUpdate
from benchmarks.stub.account import iccid
from benchmarks.stub.responses import ACCOUNT, sid

_STEP = 7919  # coprime to every account size
Numbers = Callable[[], Iterator[int]]
_WINDOW = 5000  # 10,000 SIMs fill it twice, so they cost what later ones do


def _peak() -> float:
    """Peak resident memory of this process in bytes (Linux reports KiB)."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024)


class _Peaks:
    """The peak when a fifth is done: the window is full by then, so later growth is a leak."""

    def __init__(self, sims: int) -> None:
        self._early = sims // 5
        self.early = 0.0

    def done(self, number: int) -> None:
        """Record how many are done."""
        if not self.early and number >= self._early:
            self.early = _peak()

    def __call__(self, event: object) -> None:
        """Record a job's progress."""
        if getattr(event, "phase", "") == "sending":
            self.done(getattr(event, "done", 0))


async def _update_many(client: Client, chosen: Numbers, folder: Path, peaks: _Peaks) -> int:
    active: SimUpdate = {"status": "active"}

    def changes() -> Iterator[tuple[str, SimUpdate]]:
        return ((sid(number), active) for number in chosen())

    right = 0
    async for outcome in client.supersim.sims.update_many(changes(), window=_WINDOW):
        right += outcome.sim is not None and outcome.ok and outcome.sim.sid == outcome.sid
        peaks.done(right)
    return right


async def _job(client: Client, chosen: Numbers, folder: Path, peaks: _Peaks) -> int:
    job = bulk.Job.from_csv(folder / "sims.csv", product="supersim", change={"status": "active"})
    async with bulk.Journal.open(folder / "job.db") as journal:
        report = await bulk.run(job, client, journal=journal, window=_WINDOW, observers=[peaks])
        await bulk.write_results(journal, folder / "results", report)
    return report.states[bulk.State.DONE]


_WAYS: dict[str, Callable[[Client, Numbers, Path, _Peaks], Awaitable[int]]] = {
    "update_many": _update_many,
    "job": _job,
}


def _chosen(sims: int, fleet: int) -> Iterator[int]:
    """Choose SIMs from all parts of an account, in another order than its list."""
    return (number * _STEP % fleet for number in range(sims))


def _write_csv(path: Path, chosen: Iterable[int]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("iccid,box\n")
        file.writelines(f"{iccid(number)},{place // 100}\n" for place, number in enumerate(chosen))


async def _measure(
    port: int, way: str, sims: int, chosen: Numbers, folder: Path
) -> dict[str, float]:
    hosts = Hosts(supersim=f"http://127.0.0.1:{port}")
    async with Client.twilio(ACCOUNT, "secret", hosts=hosts) as client:
        peaks, wall, cpu = _Peaks(sims), time.perf_counter(), time.process_time()
        right = await _WAYS[way](client, chosen, folder, peaks)
        return {
            "sims": sims,
            "right": right,
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak": _peak(),
            "early": peaks.early,
        }


def main() -> None:
    """Measure and print."""
    port, way, sims, fleet = sys.argv[1:]
    chosen = partial(_chosen, int(sims), int(fleet))
    with tempfile.TemporaryDirectory() as folder:
        _write_csv(Path(folder) / "sims.csv", chosen())
        print(json.dumps(asyncio.run(_measure(int(port), way, int(sims), chosen, Path(folder)))))


main()

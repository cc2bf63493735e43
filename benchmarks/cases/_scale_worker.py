"""A process of the benchmark `scale`: submits the job, or works on it; prints JSON.

A worker prints a line once everything is imported, begins when it reads one, and ends when its
stdin ends.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from asyncsim import CallbackReceiver, Client, Hosts, PostgresBus, bulk
from benchmarks.stub.account import iccid
from benchmarks.stub.responses import ACCOUNT

_PUBLIC = "http://127.0.0.1:9/callbacks"  # nothing calls there


def resident() -> int:
    """Bytes of this process in memory now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _client(port: int, receiver: CallbackReceiver | None = None) -> Client:
    hosts = Hosts(supersim=f"http://127.0.0.1:{port}")
    return Client.twilio(ACCOUNT, "secret", hosts=hosts, receiver=receiver)


async def submit(port: int, url: str, dispatch: str, sims: int) -> dict[str, Any]:
    """Plan the job and hand out its chunks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sims.csv"  # nothing else runs yet
        with path.open("w", encoding="utf-8") as file:
            file.write("iccid\n")
            file.writelines(f"{iccid(number)}\n" for number in range(sims))
        job = bulk.Job.from_csv(path, product="supersim", change={"status": "active"})
        began, cpu = time.perf_counter(), time.process_time()
        async with _client(port) as client:
            await bulk.submit(job, client, url, name="scale", dispatch=dispatch)
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak": _peak(),
    }


async def work(
    port: int, url: str, dispatch: str, chunks_at_once: int, called: bool
) -> dict[str, Any]:
    """Work until stdin ends."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    before, cpu = resident(), time.process_time()
    receiver = CallbackReceiver(_PUBLIC, port=None, bus=PostgresBus(url)) if called else None

    async def commands() -> None:
        # Each further line asks for what was used so far.
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps({"cpu": time.process_time(), "rss": resident()}), flush=True)
        stop.set()

    reading = asyncio.create_task(commands())
    async with _client(port, receiver) as client:
        await bulk.work(url, [client], stop=stop, dispatch=dispatch, chunks_at_once=chunks_at_once)
    await reading
    return {"cpu": time.process_time() - cpu, "before": before, "peak": _peak()}


def main() -> None:
    """Measure and print."""
    what, port, url, dispatch, number, *called = sys.argv[1:]
    if what == "submit":
        found = asyncio.run(submit(int(port), url, dispatch, int(number)))
    else:
        found = asyncio.run(work(int(port), url, dispatch, int(number), bool(called)))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

"""One process of the benchmark `shared_limit`; prints JSON.

`CASE`, as JSON: `vendor` (URL), `database` (URL, or empty: the limit is not shared), `first` and
`many`: the SIMs to update. It prints `ready`, and begins when it is sent a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from asyncsim import Client, Hosts, PostgresLimit
from benchmarks.stub.responses import ACCOUNT, sid

_TASKS = 150  # enough for a queue at all times, so that the limit is measured


async def _update(client: Client, names: Iterator[str], served: list[float]) -> None:
    for name in names:
        sim = await client.supersim.sims.update(name, status="active")
        assert sim.sid == name, "a response was about another SIM"
        served.append(time.monotonic())


async def _main(case: dict[str, Any]) -> None:
    shared = PostgresLimit(case["database"]) if case["database"] else None
    hosts, served = Hosts(supersim=case["vendor"]), list[float]()
    async with Client.twilio(ACCOUNT, "secret", hosts=hosts, shared_limit=shared) as client:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        names = (sid(case["first"] + number) for number in range(case["many"]))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_TASKS):
                tasks.create_task(_update(client, names, served))
    print(json.dumps({"served": served, "cpu": time.process_time()}))


asyncio.run(_main(json.loads(sys.argv[1])))

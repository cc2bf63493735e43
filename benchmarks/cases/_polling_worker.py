"""One contender of the benchmark `polling`, in its own process; prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from asyncsim import Client, Hosts
from asyncsim.models.supersim.sims import SimUpdate
from benchmarks.clock import FastClock
from benchmarks.peers import polling
from benchmarks.peers.verbs import ACCOUNT, TOKEN
from benchmarks.stub.responses import sid

_EVERY = 5.0  # seconds between polls of a SIM, a usual interval

Way = Callable[[str, list[str], float, polling.OnActive], Awaitable[None]]


async def ours(base: str, sids: list[str], every: float, on_active: polling.OnActive) -> None:
    """With `update_many`, default settings, and a clock as fast as the vendor's."""
    hosts, clock = Hosts(supersim=base), FastClock(_EVERY / every)
    async with Client.twilio(ACCOUNT, TOKEN, hosts=hosts, clock=clock) as client:
        active: SimUpdate = {"status": "active"}
        changes = dict.fromkeys(sids, active)
        async for outcome in client.supersim.sims.update_many(changes):
            assert outcome.ok, outcome
            assert outcome.sim is not None
            assert outcome.sim.sid == outcome.sid
            on_active(outcome.sid)


WAYS: dict[str, Way] = {
    "asyncsim": ours,
    "aiohttp, polling": polling.bare,
    "twilio, polling": polling.twilio,
}


async def _measure(base: str, way: str, first: int, sims: int, times: float) -> dict[str, object]:
    known: dict[str, float] = {}
    began = time.perf_counter()

    def on_active(one: str) -> None:
        known[one] = (time.perf_counter() - began) * times

    sids = [sid(number) for number in range(first, first + sims)]
    cpu = time.process_time()
    async with asyncio.timeout(120):
        await WAYS[way](base, sids, _EVERY / times, on_active)
    cpu = time.process_time() - cpu
    assert known.keys() == set(sids)
    return {"cpu": cpu, "known": [known[one] for one in sids]}


port, way, first, sims, times = sys.argv[1:]
measuring = _measure(f"http://127.0.0.1:{port}", way, int(first), int(sims), float(times))
print(json.dumps(asyncio.run(measuring)))

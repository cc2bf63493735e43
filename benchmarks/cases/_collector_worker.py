"""CPU share of the garbage collector, for the benchmark `growth`; prints JSON."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from asyncsim import Client, Hosts, Throttle
from asyncsim.models.supersim.sims import SimUpdate
from benchmarks.peers.bare import bare
from benchmarks.peers.verbs import ACCOUNT, TOKEN
from benchmarks.stub.responses import sid

_SIMS, _IN_FLIGHT = 10_000, 1000


class _Meter:
    """Times every collection; one of `gc.callbacks`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.full = 0
        self._began = 0.0

    def __call__(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.process_time()
            return
        self.seconds += time.process_time() - self._began
        self.full += about["generation"] == 2


async def _gather(base: str) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        semaphore = asyncio.Semaphore(_IN_FLIGHT)
        async with bare(base, _IN_FLIGHT) as verbs:

            async def one(number: str) -> None:
                async with semaphore:
                    assert await verbs.update(number) == number

            await asyncio.gather(*(one(sid(number)) for number in range(_SIMS)))

    return work


async def _update_many(base: str) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        throttle = Throttle(limit=_IN_FLIGHT)
        hosts = Hosts(supersim=base)
        async with Client.twilio(ACCOUNT, TOKEN, hosts=hosts, throttle=throttle) as client:
            active: SimUpdate = {"status": "active"}
            changes = ((sid(number), active) for number in range(_SIMS))
            async for outcome in client.supersim.sims.update_many(changes, window=_IN_FLIGHT):
                assert outcome.ok, outcome
                assert outcome.sim is not None
                assert outcome.sim.sid == outcome.sid

    return work


def _set(setting: str) -> None:
    gc.collect()
    if setting == "gc.freeze()":
        gc.freeze()
    elif setting.startswith("gc.set_threshold"):
        gc.set_threshold(50_000)


async def _measure(base: str, contender: str, setting: str) -> dict[str, Any]:
    work = await {"update_many": _update_many, "gather": _gather}[contender](base)
    _set(setting)
    meter, began = _Meter(), time.process_time()
    gc.callbacks.append(meter)
    async with asyncio.timeout(30):
        await work()
    cpu = time.process_time() - began
    gc.callbacks.remove(meter)
    return {"share": meter.seconds / cpu, "cpu": cpu / _SIMS, "full": meter.full}


print(json.dumps(asyncio.run(_measure(f"http://127.0.0.1:{sys.argv[1]}", *sys.argv[2:]))))

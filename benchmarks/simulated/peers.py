"""What others do: every SIM is asked about on its own, in some rhythm."""

from __future__ import annotations

import asyncio

from benchmarks.simulated.outcome import Waited, waited
from benchmarks.simulated.vendor import Vendor


async def poll(
    sims: int, *, every: float, at_once: bool = False, seed: int = 1, slots: int = 100
) -> Waited:
    """Update and poll in a task per SIM; `at_once`: ask first, then pause, as botocore does."""
    semaphore = asyncio.Semaphore(slots)
    vendor = Vendor(sims, 0, lambda urgent: semaphore, seed)
    known: dict[str, float] = {}

    async def one(sid: str) -> None:
        sim = await vendor.update(sid)
        if at_once:
            sim = await vendor.fetch(sid)
        while sim.status != "active":
            await asyncio.sleep(every)
            sim = await vendor.fetch(sid)
        known[sid] = asyncio.get_running_loop().time()

    async with asyncio.TaskGroup() as tasks:
        for sid in vendor.sids():
            tasks.create_task(one(sid))
    return waited(vendor, known)

"""Polling: every SIM is read at an interval."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.simulated.outcome import Waited, waited
from benchmarks.simulated.vendor import Vendor


class _Polling:
    """One task per SIM; all requests queue in order at one semaphore."""

    def __init__(self, sims: int, every: float, at_once: bool, seed: int, slots: int) -> None:
        semaphore = asyncio.Semaphore(slots)
        self._every = every
        self._at_once = at_once
        self._slots = slots
        self._vendor = Vendor(sims, 0, lambda urgent: semaphore, seed)
        self._known: dict[str, float] = {}

    async def gathered(self) -> Waited:
        """Queue all updates first, as `gather` does; polls queue behind them."""
        async with asyncio.TaskGroup() as tasks:
            for sid in self._vendor.sids():
                tasks.create_task(self._both(sid))
        return waited(self._vendor, self._known)

    async def fed(self) -> Waited:
        """Workers update one SIM after another; polls come in between and delay them."""
        sids = iter(self._vendor.sids())
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._slots):
                tasks.create_task(self._worker(sids, tasks))
        return waited(self._vendor, self._known)

    async def _worker(self, sids: Iterator[str], tasks: asyncio.TaskGroup) -> None:
        for sid in sids:
            await self._vendor.update(sid)
            tasks.create_task(self._follow(sid))

    async def _both(self, sid: str) -> None:
        await self._vendor.update(sid)
        await self._follow(sid)

    async def _follow(self, sid: str) -> None:
        if not self._at_once:
            await asyncio.sleep(self._every)
        while (await self._vendor.fetch(sid)).status != "active":  # noqa: ASYNC110  # polling loops do this
            await asyncio.sleep(self._every)
        self._known[sid] = asyncio.get_running_loop().time()


async def poll(
    sims: int,
    *,
    every: float,
    at_once: bool = False,
    fed: bool = False,
    seed: int = 1,
    slots: int = 100,
) -> Waited:
    """Update and poll each SIM; `at_once`: poll first, then pause, as botocore's waiters do."""
    polling = _Polling(sims, every, at_once, seed, slots)
    return await (polling.fed() if fed else polling.gathered())

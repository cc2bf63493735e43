"""The library's watcher and limiter with the simulated vendor."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncsim.callbacks.bus import Callback
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.core.credentials import CredentialsBreaker
from asyncsim.core.goal import Goal
from asyncsim.core.settings import Throttle, Watching
from asyncsim.core.transition import Transition
from asyncsim.http.limiter import ConcurrencyLimiter
from asyncsim.models.supersim.sims import SIMS
from asyncsim.waiting import Watcher
from benchmarks.simulated.outcome import Waited, waited
from benchmarks.simulated.vendor import Slot, Vendor

_CALLBACK = 0.05  # seconds that a callback takes
_DEADLINE = 1e6


def _limiter(slots: int) -> ConcurrencyLimiter:
    # The limit is known, so that only waiting is measured.
    settings = Throttle(limit=slots, maximum=slots)
    return ConcurrencyLimiter(settings, SYSTEM_CLOCK, ceiling=slots, slow=7.5)


class _Job:
    def __init__(self, sims: int, others: int, seed: int, lost: float | None, slots: int) -> None:
        self._limiter = _limiter(slots)
        self._vendor = Vendor(sims, others, self._slot, seed)
        self._known: dict[str, float] = {}
        self._lost = lost
        """Share of callbacks that are lost; None: no callbacks."""
        self._draw = random.Random(seed)
        self._left = sims
        self._done = asyncio.Event()
        self._goal = Goal(SIMS, {"status": "active"})
        self._watcher = Watcher(
            SIMS,
            vendor="twilio",
            fetch=self._vendor.fetch,
            rows=self._vendor.rows,
            clock=SYSTEM_CLOCK,
            watching=Watching(),
            observers=(),
            grace=30.0,
            breaker=CredentialsBreaker(Watching(), SYSTEM_CLOCK.now),
        )

    def _slot(self, urgent: bool) -> Slot:
        return self._hold(urgent)

    @asynccontextmanager
    async def _hold(self, urgent: bool) -> AsyncIterator[None]:
        if not self._limiter.try_acquire():
            await self._limiter.acquire(_DEADLINE, urgent=urgent)
        try:
            yield
        finally:
            self._limiter.release(0.1)

    async def run(self) -> Waited:
        async with asyncio.TaskGroup() as senders:
            for name in self._vendor.sids():
                senders.create_task(self._send(name))
        await self._done.wait()
        await self._watcher.close()
        return waited(self._vendor, self._known)

    async def _send(self, name: str) -> None:
        wait = self._wait(name)
        self._watcher.register(wait)
        self._watcher.accepted(wait, await self._vendor.update(name))
        if wait.nonce is not None and self._draw.random() >= (self._lost or 0.0):
            self._call_back(wait)

    def _wait(self, name: str) -> Transition:
        return Transition(
            name=name,
            goal=self._goal,
            started=SYSTEM_CLOCK.now(),
            timeout=3600.0,
            on_done=self._ended,
            sid=name,
            accepts_signed=True,
            nonce=None if self._lost is None else "current",
        )

    def _call_back(self, wait: Transition) -> None:
        callback = Callback(
            vendor="twilio",
            product=str(SIMS.product),
            name=wait.name,
            nonce="current",
            signed=True,
            method="POST",
            sid=wait.name,
            status="active",
        )
        moment = self._vendor.settled[wait.name] + _CALLBACK
        asyncio.get_running_loop().call_at(moment, self._watcher.handle_callback, callback)

    def _ended(self, wait: Transition) -> None:
        if wait.error is not None:
            raise wait.error
        self._known[wait.name] = SYSTEM_CLOCK.now()
        self._left -= 1
        if not self._left:
            self._done.set()


async def watch(
    sims: int, others: int, *, seed: int = 1, lost: float | None = None, slots: int = 100
) -> Waited:
    """Update `sims` SIMs and wait for all of them; `lost`: share of callbacks that are lost."""
    random.seed(seed)  # seeds the jitter between single reads
    return await _Job(sims, others, seed, lost, slots).run()

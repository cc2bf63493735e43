"""asyncsim as users have it: typed, with throttle, retry and deadlines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncsim import Client, Hosts, Throttle
from benchmarks.peers.verbs import ACCOUNT, FLEET, TOKEN, Verbs


@asynccontextmanager
async def ours(base: str, at_once: int) -> AsyncIterator[Verbs]:
    """Make a client whose throttle begins where the peers' connections end."""
    throttle = Throttle(limit=at_once, maximum=max(at_once, 1024))
    async with Client.twilio(
        ACCOUNT, TOKEN, hosts=Hosts(supersim=base), throttle=throttle
    ) as client:
        sims = client.supersim.sims

        async def fetch(sid: str) -> str:
            return (await sims.fetch(sid)).sid

        async def update(sid: str) -> str:
            return (await sims.update(sid, status="active", fleet=FLEET)).sid

        yield Verbs(fetch, update)

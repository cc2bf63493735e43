"""asyncsim with its defaults: typed records, throttling, retries and deadlines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asyncsim import Client, Hosts, Throttle
from benchmarks.peers.verbs import ACCOUNT, CHANGES, TOKEN, Verbs


@asynccontextmanager
async def asyncsim_client(
    base: str, in_flight: int, product: str = "supersim"
) -> AsyncIterator[Verbs]:
    """Make a client whose initial limit equals the peers' number of connections."""
    throttle = Throttle(limit=in_flight, maximum=max(in_flight, 1024))
    hosts = Hosts(**{product: base})
    async with Client.twilio(ACCOUNT, TOKEN, hosts=hosts, throttle=throttle) as client:
        sims: Any = getattr(client, product).sims

        async def fetch(sid: str) -> str:
            found: str = (await sims.fetch(sid)).sid
            return found

        async def update(sid: str) -> str:
            found: str = (await sims.update(sid, **CHANGES[product])).sid
            return found

        yield Verbs(fetch, update)

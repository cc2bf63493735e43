"""httpx's async client, with its own JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from benchmarks.peers.verbs import ACCOUNT, FLEET, TOKEN, Verbs


@asynccontextmanager
async def httpx_client(base: str, at_once: int) -> AsyncIterator[Verbs]:
    """Open a client with as many connections as there are requests in flight."""
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(
        base_url=base, auth=(ACCOUNT, TOKEN), limits=limits, timeout=30
    ) as client:

        async def fetch(sid: str) -> str:
            found: str = (await client.get(f"/v1/Sims/{sid}")).json()["sid"]
            return found

        async def update(sid: str) -> str:
            form = {"Status": "active", "Fleet": FLEET}
            found: str = (await client.post(f"/v1/Sims/{sid}", data=form)).json()["sid"]
            return found

        yield Verbs(fetch, update)

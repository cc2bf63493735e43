"""httpx's async client, with its own JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from benchmarks.peers.verbs import ACCOUNT, FORMS, TOKEN, Verbs


@asynccontextmanager
async def httpx_client(
    base: str, in_flight: int, product: str = "supersim"
) -> AsyncIterator[Verbs]:
    """Open a client with its default limits, which cost less than one connection per request.

    httpcore asks `sniffio`, if installed, which library runs it. If it is missing, the import
    is retried six times per request, which costs 0.3 ms; hence `sniffio` is in the extra `bench`.
    """
    async with httpx.AsyncClient(base_url=base, auth=(ACCOUNT, TOKEN), timeout=30) as client:

        async def fetch(sid: str) -> str:
            found: str = (await client.get(f"/v1/Sims/{sid}")).json()["sid"]
            return found

        async def update(sid: str) -> str:
            response = await client.post(f"/v1/Sims/{sid}", data=FORMS[product])
            found: str = response.json()["sid"]
            return found

        yield Verbs(fetch, update)

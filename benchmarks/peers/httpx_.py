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
    """Open a client with the limits it comes with, which cost it less than one for each request.

    httpcore asks `sniffio`, if there is one, which library runs it. Where it is missing, the import
    is tried anew six times for each request, 0.3 ms of it: hence in the extra `bench`.
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

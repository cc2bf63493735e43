"""Bare aiohttp with orjson, as its documentation shows it: text URL, dict body, `async with`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aiohttp import ClientSession, TCPConnector, encode_basic_auth

from benchmarks.peers.verbs import ACCOUNT, FORMS, TOKEN, Verbs


@asynccontextmanager
async def bare(base: str, in_flight: int, product: str = "supersim") -> AsyncIterator[Verbs]:
    """Open a session with credentials and a number of connections, otherwise a default one."""
    headers = {"Authorization": encode_basic_auth(ACCOUNT, TOKEN)}
    connector = TCPConnector(limit=in_flight)
    async with ClientSession(headers=headers, connector=connector) as session:

        async def fetch(sid: str) -> str:
            async with session.get(f"{base}/v1/Sims/{sid}") as response:
                found: str = orjson.loads(await response.read())["sid"]
                return found

        async def update(sid: str) -> str:
            form = FORMS[product]
            async with session.post(f"{base}/v1/Sims/{sid}", data=form) as response:
                found: str = orjson.loads(await response.read())["sid"]
                return found

        yield Verbs(fetch, update)

"""Bare aiohttp with orjson, as its documentation shows it: text URL, dict body, `async with`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aiohttp import ClientSession, TCPConnector, encode_basic_auth

from benchmarks.peers.verbs import ACCOUNT, FLEET, TOKEN, Verbs


@asynccontextmanager
async def bare(base: str, at_once: int) -> AsyncIterator[Verbs]:
    """Open a session that differs from a default one by its login and its number of connections."""
    headers = {"Authorization": encode_basic_auth(ACCOUNT, TOKEN)}
    connector = TCPConnector(limit=at_once)
    async with ClientSession(headers=headers, connector=connector) as session:

        async def fetch(sid: str) -> str:
            async with session.get(f"{base}/v1/Sims/{sid}") as answer:
                found: str = orjson.loads(await answer.read())["sid"]
                return found

        async def update(sid: str) -> str:
            form = {"Status": "active", "Fleet": FLEET}
            async with session.post(f"{base}/v1/Sims/{sid}", data=form) as answer:
                found: str = orjson.loads(await answer.read())["sid"]
                return found

        yield Verbs(fetch, update)

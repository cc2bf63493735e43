"""Polling by hand: a gather, a semaphore, and a polling loop for each SIM."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import ClientSession, TCPConnector, encode_basic_auth
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from benchmarks.peers.verbs import ACCOUNT, TOKEN

OnActive = Callable[[str], None]
"""Called with each SID once it is known to be active."""


async def _each(
    sids: list[str],
    post: Callable[[str], Awaitable[str]],
    get: Callable[[str], Awaitable[str]],
    every: float,
    on_active: OnActive,
) -> None:
    async def activate(sid: str) -> None:
        async with semaphore:
            status = await post(sid)
        while status != "active":
            await asyncio.sleep(every)
            async with semaphore:
                status = await get(sid)
        on_active(sid)

    semaphore = asyncio.Semaphore(100)  # the vendor's concurrency limit
    await asyncio.gather(*map(activate, sids))


async def bare(base: str, sids: list[str], every: float, on_active: OnActive) -> None:
    """With bare aiohttp."""
    headers = {"Authorization": encode_basic_auth(ACCOUNT, TOKEN)}
    async with ClientSession(headers=headers, connector=TCPConnector(limit=100)) as session:

        async def request(method: str, sid: str, form: dict[str, str] | None = None) -> str:
            async with session.request(method, f"{base}/v1/Sims/{sid}", data=form) as response:
                response.raise_for_status()
                found = orjson.loads(await response.read())
                assert found["sid"] == sid
                return str(found["status"])

        async def post(sid: str) -> str:
            return await request("POST", sid, {"Status": "active"})

        async def get(sid: str) -> str:
            return await request("GET", sid)

        await _each(sids, post, get, every, on_active)


async def twilio(base: str, sids: list[str], every: float, on_active: OnActive) -> None:
    """With twilio-python's async client."""
    warnings.simplefilter("ignore", DeprecationWarning)  # about its login parameter
    async with AsyncTwilioHttpClient() as http:
        client = Client(ACCOUNT, TOKEN, http_client=http)
        client.supersim.base_url = base
        sims = client.supersim.v1.sims

        async def post(sid: str) -> str:
            return _status(await sims(sid).update_async(status="active"), sid)

        async def get(sid: str) -> str:
            return _status(await sims(sid).fetch_async(), sid)

        await _each(sids, post, get, every, on_active)


def _status(found: object, sid: str) -> str:
    assert getattr(found, "sid", None) == sid
    return str(getattr(found, "status", None))

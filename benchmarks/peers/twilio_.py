"""twilio-python's async client, without and with its retries."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from benchmarks.peers.verbs import ACCOUNT, CHANGES, TOKEN, Verbs


@asynccontextmanager
async def _twilio(
    base: str, product: str, retries: int | None, *, pooled: bool = True
) -> AsyncIterator[Verbs]:
    # Its login parameter is deprecated in aiohttp 3.14, and its session's default of
    # 100 connections cannot be changed through it: at 1,000 in flight, 900 wait for one.
    warnings.simplefilter("ignore", DeprecationWarning)
    async with AsyncTwilioHttpClient(pool_connections=pooled, max_retries=retries) as http:
        domain = getattr(Client(ACCOUNT, TOKEN, http_client=http), product)
        domain.base_url = base
        sims = domain.v1.sims

        async def fetch(sid: str) -> str:
            found: str = (await sims(sid).fetch_async()).sid
            return found

        async def update(sid: str) -> str:
            found: str = (await sims(sid).update_async(**CHANGES[product])).sid
            return found

        yield Verbs(fetch, update)


def twilio(
    base: str, in_flight: int, product: str = "supersim"
) -> AbstractAsyncContextManager[Verbs]:
    """With its defaults."""
    return _twilio(base, product, None)


def twilio_retrying(
    base: str, in_flight: int, product: str = "supersim"
) -> AbstractAsyncContextManager[Verbs]:
    """With the retries that its documentation shows."""
    return _twilio(base, product, 3)


def twilio_unpooled(
    base: str, in_flight: int, product: str = "supersim"
) -> AbstractAsyncContextManager[Verbs]:
    """With a session per request, which its documentation shows too."""
    return _twilio(base, product, None, pooled=False)

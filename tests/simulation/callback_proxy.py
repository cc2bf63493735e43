"""Proxy between the vendor and the callback receiver: it holds some callbacks, for the worst time.

It delivers a held callback when the same status is requested for the same SIM once more: genuine,
signed, and about a change that settled long ago.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from attrs import define, field, frozen
from yarl import URL

from tests.simulation.gateway import Exchange

PORT = 8070


@frozen
class HeldCallback:
    """One callback as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def subject(self) -> tuple[str, str]:
        """The SIM and the status that it reports."""
        query = urlsplit(self.target).query if self.method == "GET" else self.body.decode()
        params = parse_qs(query)
        return params.get("SimSid", [""])[0], params.get("SimStatus", [""])[0]


@define(eq=False, slots=False)
class CallbackProxy:
    """A proxy on a port of its own; it is never killed."""

    seed: int
    receiver: str
    """Base URL of the receiver."""
    hold_share: float
    """Share of callbacks that are held."""
    held: dict[tuple[str, str], list[HeldCallback]] = field(factory=dict)

    async def serve(self) -> None:
        """Open the port and forward callbacks."""
        self._rng = random.Random(f"{self.seed} callbacks")
        runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        timeout = aiohttp.ClientTimeout(total=15.0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._session:
            self._due: asyncio.Queue[HeldCallback] = asyncio.Queue()
            while True:
                await self._deliver(await self._due.get())

    def release(self, exchange: Exchange) -> None:
        """Deliver what is held for the SIM and status that a request names."""
        subject = exchange.sid or "", exchange.form.get("Status", "")
        for callback in self.held.pop(subject, ()):
            self._due.put_nowait(callback)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        callback = HeldCallback(request.method, request.raw_path, dict(request.headers), body)
        if self._rng.random() < self.hold_share:
            self.held.setdefault(callback.subject, []).append(callback)
            return web.Response(status=204)
        status = await self._deliver(callback)
        return web.Response(status=status or 502)

    async def _deliver(self, callback: HeldCallback) -> int | None:
        try:
            async with self._session.request(
                callback.method,
                URL(self.receiver + callback.target, encoded=True),
                data=callback.body or None,
                headers=callback.headers,
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None

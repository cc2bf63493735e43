"""Between the vendor's callbacks and the receiver: a proxy that keeps some, for the worst moment.

What it keeps back it delivers when the same SIM is asked for the same status once more: genuine,
signed, and about a change that is long over.
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

from tests.simulation.edge import Exchange

PORT = 8070


@frozen
class Letter:
    """One callback as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def about(self) -> tuple[str, str]:
        """The SIM, and the status that it is said to have."""
        query = urlsplit(self.target).query if self.method == "GET" else self.body.decode()
        told = parse_qs(query)
        return told.get("SimSid", [""])[0], told.get("SimStatus", [""])[0]


@define(eq=False, slots=False)
class Postman:
    """A proxy on a port of its own; never killed."""

    seed: int
    receiver: str
    """Where the receiver itself listens."""
    keeps: float
    """Share of callbacks that are kept back."""
    kept: dict[tuple[str, str], list[Letter]] = field(factory=dict)

    async def serve(self) -> None:
        """Open the port and pass callbacks on, for ever."""
        self._dice = random.Random(f"{self.seed} postman")
        runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        timeout = aiohttp.ClientTimeout(total=15.0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._session:
            self._due: asyncio.Queue[Letter] = asyncio.Queue()
            while True:
                await self._deliver(await self._due.get())

    def asked_again(self, exchange: Exchange) -> None:
        """A SIM was asked for a status: deliver what is left of the last time."""
        about = exchange.sid or "", exchange.form.get("Status", "")
        for letter in self.kept.pop(about, ()):
            self._due.put_nowait(letter)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        letter = Letter(request.method, request.raw_path, dict(request.headers), body)
        if self._dice.random() < self.keeps:
            self.kept.setdefault(letter.about, []).append(letter)
            return web.Response(status=204)
        status = await self._deliver(letter)
        return web.Response(status=status or 502)

    async def _deliver(self, letter: Letter) -> int | None:
        try:
            async with self._session.request(
                letter.method,
                URL(self.receiver + letter.target, encoded=True),
                data=letter.body or None,
                headers=letter.headers,
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None

"""A server on a real port of loopback that responds by script."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from aiohttp import web
from attrs import define, field

DROP = "drop"
"""Instead of a response: the connection is cut."""
HANG = "hang"
"""Instead of a response: nothing, until the test ends."""
CUT = "cut"
"""A response that breaks off within its body."""
GARBAGE = "garbage"
"""A response that is not HTTP."""

Script = Callable[["Received"], Awaitable["ScriptedResponse"]]


@define
class ScriptedResponse:
    """One response; `status` may be one of the words above."""

    status: int | str = 200
    body: Any = field(factory=dict)
    headers: Mapping[str, str] = field(factory=dict)


@define
class Received:
    """One request as it came in."""

    method: str
    raw_path: str
    headers: Mapping[str, str]
    body: str


class Server:
    """Responds with what `plan` was given, in order; then by `otherwise`."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._plan: deque[ScriptedResponse] = deque()
        self.otherwise: Script | None = None
        self.received: list[Received] = []
        self.statuses: list[int | str] = []
        self._arrived = asyncio.Event()
        self.in_flight = 0
        self.most_in_flight = 0

    def plan(self, *responses: ScriptedResponse | int | str) -> None:
        """Respond with these next; a bare status has an empty object as its body."""
        self._plan.extend(
            one if isinstance(one, ScriptedResponse) else ScriptedResponse(one) for one in responses
        )

    async def arrival(self) -> None:
        """Wait until a request has come in; anew with each call."""
        async with asyncio.timeout(10):
            await self._arrived.wait()
        self._arrived.clear()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._handle)
        # A handler that hangs ends when its client goes, and the server does not wait for it.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._respond(request)
        finally:
            self.in_flight -= 1

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        one = Received(request.method, request.raw_path, request.headers, body)
        self.received.append(one)
        self._arrived.set()
        scripted = await self._next(one)
        self.statuses.append(scripted.status)
        if isinstance(scripted.status, str):
            return await _misbehave(scripted.status, request)
        text = scripted.body if isinstance(scripted.body, str) else json.dumps(scripted.body)
        return web.Response(status=scripted.status, text=text, headers=scripted.headers)

    async def _next(self, one: Received) -> ScriptedResponse:
        if self._plan:
            return self._plan.popleft()
        return await self.otherwise(one) if self.otherwise else ScriptedResponse(200)


async def _misbehave(how: str, request: web.Request) -> web.StreamResponse:
    transport = request.transport
    assert transport is not None
    if how == HANG:
        await asyncio.get_running_loop().create_future()
    if how == CUT:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{")
    if how == GARBAGE:
        transport.write(b"220 this is a mail server\r\n\r\n")
    transport.close()
    return web.Response()

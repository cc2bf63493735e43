"""A server on a real port of loopback that answers by script."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from aiohttp import web
from attrs import define, field

DROP = "drop"
"""Instead of an answer: the connection is cut."""
HANG = "hang"
"""Instead of an answer: nothing, until the test ends."""
CUT = "cut"
"""An answer that breaks off within its body."""
GARBAGE = "garbage"
"""An answer that is not HTTP."""

Script = Callable[["Received"], Awaitable["Answer"]]


@define
class Answer:
    """One answer; `status` may be one of the words above."""

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
    """Answers what `plan` was told, in order; then `otherwise`."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._plan: deque[Answer] = deque()
        self.otherwise: Script | None = None
        self.received: list[Received] = []
        self.answered: list[int | str] = []
        self._arrived = asyncio.Event()
        self.in_flight = 0
        self.most_in_flight = 0

    def plan(self, *answers: Answer | int | str) -> None:
        """Answer these next; a bare status has an empty object as its body."""
        self._plan.extend(one if isinstance(one, Answer) else Answer(one) for one in answers)

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
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        one = Received(request.method, request.raw_path, request.headers, body)
        self.received.append(one)
        self._arrived.set()
        answer = await self._next(one)
        self.answered.append(answer.status)
        if isinstance(answer.status, str):
            return await _misbehave(answer.status, request)
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return web.Response(status=answer.status, text=text, headers=answer.headers)

    async def _next(self, one: Received) -> Answer:
        if self._plan:
            return self._plan.popleft()
        return await self.otherwise(one) if self.otherwise else Answer(200)


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

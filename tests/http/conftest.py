"""A scripted server on loopback, and the means to send to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from aiohttp import ClientSession

from asyncsim.clock import Clock, ManualClock
from asyncsim.core.retry import Idempotency
from asyncsim.core.settings import RetryPolicy, Throttle, Timeout
from asyncsim.events import Event
from asyncsim.http.auth import Auth, BasicAuth
from asyncsim.http.limiter import ConcurrencyLimiter
from asyncsim.http.request import Request
from asyncsim.http.sender import Sender
from asyncsim.http.transport import Transport
from tests.http.server import Server

T = TypeVar("T")
PASSWORD = "auth-token-that-must-not-be-shown"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """The scripted server."""
    async with Server() as one:
        yield one


class Bench:
    """Makes senders on a manual clock, and closes what they opened."""

    def __init__(self, url: str, clock: ManualClock) -> None:
        self.url = url
        self.clock = clock
        self.events: list[Event] = []
        self.stack = AsyncExitStack()
        self.limiter: ConcurrencyLimiter
        self.transport: Transport

    def open(
        self,
        *,
        session: ClientSession | None = None,
        timeout: Timeout | None = None,
        clock: Clock | None = None,
    ) -> Transport:
        """Open a transport."""
        self.transport = Transport(session, timeout or Timeout(), clock or self.clock)
        self.stack.push_async_callback(self.transport.close)
        return self.transport

    def sender(
        self,
        *,
        attempts: int = 3,
        base: float = 0.0,
        timeout: Timeout | None = None,
        throttle: Throttle | None = None,
        session: ClientSession | None = None,
        auth: Callable[[Transport], Auth] | None = None,
    ) -> Sender:
        """Make a sender; its pauses take no time unless `base` is given."""
        transport = self.open(session=session, timeout=timeout)
        self.limiter = ConcurrencyLimiter(throttle or Throttle(), self.clock, ceiling=1e9, slow=1.0)
        return Sender(
            vendor="twilio",
            transport=transport,
            auth=auth(transport) if auth else BasicAuth("AC" + "1" * 32, PASSWORD),
            limiter=self.limiter,
            clock=self.clock,
            retry=RetryPolicy(attempts=attempts, base=base),
            timeout=timeout or Timeout(),
            observers=[self.events.append],
        )

    def request(
        self, method: str = "GET", idempotency: Idempotency = Idempotency.SAFE, **more: Any
    ) -> Request:
        """Prepare a request for one SIM."""
        return Request(
            method=method,
            product="supersim",
            base=more.pop("base", self.url),
            path=more.pop("path", "/v1/Sims/HS1"),
            operation="update Sim HS1" if method == "POST" else "fetch Sim HS1",
            idempotency=idempotency,
            **more,
        )

    def seen(self, kind: type[T]) -> list[T]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def run(self, work: Awaitable[T], *, limit: float = 3600.0) -> T:
        """Advance the clock until the work is done, by at most `limit` seconds."""
        task = asyncio.ensure_future(work)
        await self.clock.settle()
        moved = 0.0
        while not task.done():
            assert moved < limit, "the work does not end"
            await self.clock.advance(0.25)
            moved += 0.25
        return await task

    async def fails(self, work: Awaitable[object], kind: type[T]) -> T:
        """Run work that must end with this error."""
        with pytest.raises(kind) as caught:  # type: ignore[type-var]  # any exception will do
            await self.run(work)
        error: T = caught.value
        return error


@pytest.fixture
async def bench(server: Server, clock: ManualClock) -> AsyncIterator[Bench]:
    """Senders to the scripted server."""
    one = Bench(server.url, clock)
    async with one.stack:
        yield one

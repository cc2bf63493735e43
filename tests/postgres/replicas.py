"""Replicas of a service: each with a bus, a receiver and a client that share nothing but tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

from aiohttp import web
from attrs import define, field
from fastapi import FastAPI

from asyncsim import Callback, CallbackReceiver, Client, PostgresBus, Watching
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Latency
from asyncsim.events import Event, WaitSettled
from tests.callbacks.asgi_server import free_socket, served

Serving = Literal["port", "aiohttp", "asgi", "none"]

LATENCY = Latency(transition=0.05, sigma=0.0, callback=0.0)
SELDOM = Watching(first=300, longest=600, safety_every=600)
"""Polls so rarely that within a test only a callback ends a wait."""


@define
class Replica:
    receiver: CallbackReceiver
    bus: PostgresBus
    client: Client
    events: list[Event] = field(factory=list)

    @property
    def settled_by(self) -> list[str | None]:
        return [one.settled_by for one in self.events if isinstance(one, WaitSettled)]


@asynccontextmanager
async def replica(
    emulator: Emulator,
    url: str,
    *,
    serving: Serving = "none",
    public_url: str | None = None,
    vendor: Literal["twilio", "kore"] = "kore",
    **settings: Any,
) -> AsyncIterator[Replica]:
    """Open one; `serving` says whether, and how, callbacks reach it."""
    async with AsyncExitStack() as stack:
        bus = PostgresBus(url)
        events: list[Event] = []
        where = stack.enter_context(free_socket())
        if serving in ("aiohttp", "asgi"):
            public_url = f"http://127.0.0.1:{where.getsockname()[1]}/hooks"
        port = 0 if serving == "port" else None
        receiver = CallbackReceiver(public_url, port=port, bus=bus)
        if serving == "aiohttp":
            app = web.Application()
            app.add_subapp("/hooks/", receiver.app())
            runner = web.AppRunner(app)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, where).start()
        elif serving == "asgi":
            service = FastAPI()
            service.mount("/hooks", receiver.asgi())
            await stack.enter_async_context(served(service, where))
        settings = {"watching": SELDOM, "observers": [events.append], **settings}
        client = emulator.client(vendor, receiver=receiver, **settings)
        await stack.enter_async_context(client)
        yield Replica(receiver, bus, client, events)


async def until(condition: Callable[[], object], within: float = 30.0) -> None:
    """Wait for what other processes do."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  # no event announces it
            await asyncio.sleep(0.005)


async def advance_until(
    clock: ManualClock, condition: Callable[[], object], step: float = 0.25
) -> None:
    """As `until`, for what happens as time passes."""
    async with asyncio.timeout(30):
        while not condition():
            await clock.advance(step)
            await asyncio.sleep(0.005)


async def until_it_returns(status: int, call: Callable[[], Awaitable[int]]) -> None:
    """Repeat a request until it returns that status."""
    async with asyncio.timeout(30):
        while await call() != status:  # noqa: ASYNC110  # no event announces it
            await asyncio.sleep(0.05)


def collect(receiver: CallbackReceiver, product: str = "supersim") -> list[Callback]:
    """Subscribe to all callbacks that reach this process, as its waits do."""
    found: list[Callback] = []

    def take(callback: Callback) -> bool:
        found.append(callback)
        return True

    for vendor in ("twilio", "kore"):
        receiver._handler.bus.subscribe(vendor, product, take)
    shared = receiver._handler.shared
    assert shared is not None
    shared.attach(receiver._handler.bus.publish)
    return found

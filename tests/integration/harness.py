"""Test harness: a client and the real emulator on one port, with one manual clock for both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal, NamedTuple, TypeVar

from attrs import define

from asyncsim import CallbackReceiver, Client, Timeout
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Latency, RequestRecord
from asyncsim.events import Event

T = TypeVar("T")
E = TypeVar("E")

TRANSITION = 20.0
"""Seconds that every change takes, unless a test sets another value."""
LATENCY = Latency(transition=TRANSITION, sigma=0.0, callback=0.0)
PATIENCE = Timeout(connect=30.0)
"""Real seconds: a machine that stalls for five would cause a second attempt."""


class Api(NamedTuple):
    vendor: Literal["twilio", "kore"]
    product: Literal["supersim", "wireless"]


APIS = [
    Api("twilio", "supersim"),
    Api("twilio", "wireless"),
    Api("kore", "supersim"),
    Api("kore", "wireless"),
]


async def complete(clock: ManualClock, work: Awaitable[T], within: float = 3600.0) -> T:
    """Advance the clock from timer to timer until the work is done; return its result."""
    task = asyncio.ensure_future(work)
    limit = clock.now() + within
    try:
        await clock.settle()
        idle = 0
        while not task.done():
            due = clock.next_timer
            if due is None:  # tasks that only wake each other are still progress
                idle += 1
                assert idle < 20, "the work is not done, and no timer is set"
                await clock.settle()
                continue
            assert due <= limit, f"not done after {within:g} virtual seconds"
            await clock.advance(max(due - clock.now(), 0.0))
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return task.result()


@define(eq=False)
class Harness:
    api: Api
    clock: ManualClock
    emulator: Emulator
    client: Client
    receiver: CallbackReceiver | None
    events: list[Event]

    @property
    def sims(self) -> Any:
        return getattr(self.client, self.api.product).sims

    @property
    def off_status(self) -> str:
        """A final status that is not the usual target, `active`."""
        return "suspended" if self.api.product == "wireless" else "inactive"

    @property
    def store(self) -> Mapping[str, Any]:
        return self.emulator.world(self.api.vendor).sims(self.api.product)

    @property
    def sids(self) -> list[str]:
        return list(self.store)

    @property
    def sid(self) -> str:
        return self.sids[0]

    def put(self, sid: str, **changes: Any) -> None:
        """Change a record directly in the emulator's store."""
        from attrs import evolve

        store: Any = self.store
        store.put(evolve(store[sid], **changes))

    async def complete(self, work: Awaitable[T], within: float = 3600.0) -> T:
        return await complete(self.clock, work, within)

    async def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start the work and run it until it waits for the clock."""
        task = asyncio.create_task(work)
        await self.clock.settle()
        return task

    async def collect(self, outcomes: Any, within: float = 3600.0) -> dict[str, Any]:
        async def outcomes_by_sid() -> dict[str, Any]:
            return {one.sid: one async for one in outcomes}

        return await self.complete(outcomes_by_sid(), within)

    def requests(self, method: str, name: str | None = None) -> list[RequestRecord]:
        path = "/v1/Sims" if name is None else f"/v1/Sims/{name}"
        return [
            one
            for one in self.emulator.requests
            if one.product and one.method == method and one.path == path
        ]

    def posts(self, sid: str | None = None) -> list[RequestRecord]:
        return self.requests("POST", sid or self.sid)

    def reads(self, sid: str | None = None) -> list[RequestRecord]:
        return self.requests("GET", sid or self.sid)

    @property
    def lists(self) -> list[RequestRecord]:
        return self.requests("GET")

    def events_of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def is_idle(self) -> bool:
        """Whether the client has no wait, task or timer left for this product."""
        watcher = self.sims.resource.watcher
        return watcher is None or watcher.is_idle


@asynccontextmanager
async def open_harness(
    clock: ManualClock,
    api: Api = APIS[0],
    *,
    listens: bool = False,
    sims: int = 3,
    world: Mapping[str, Any] = {},  # never mutated
    receiver: Mapping[str, Any] = {},
    **settings: Any,
) -> AsyncIterator[Harness]:
    """`world` configures the emulator, `receiver` the receiver, the rest the client."""
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(
            Emulator(sims=sims, clock=clock, **{"latency": LATENCY, **world})
        )
        if listens:
            settings["receiver"] = CallbackReceiver(clock=clock, **receiver)
        settings.setdefault("timeout", PATIENCE)
        events: list[Event] = []
        settings["observers"] = [events.append, *settings.get("observers", ())]
        client = emulator.client(api.vendor, **settings)
        await stack.enter_async_context(client)
        harness = Harness(api, clock, emulator, client, settings.get("receiver"), events)
        yield harness
    assert harness.is_idle
    assert clock.next_timer is None, "a timer is still set after everything was closed"

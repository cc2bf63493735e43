from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from attrs import define, field

from asyncsim import bulk
from asyncsim.bulk.records import State
from asyncsim.clock import ManualClock
from asyncsim.events import Event
from tests.bulk.places import Place
from tests.integration.harness import APIS, Api, Harness, open_harness

T = TypeVar("T")

ACTIVE = {"status": "active"}


@define(eq=False)
class JobEnv:
    """A client of the emulator, a place for journals, and one manual clock."""

    harness: Harness
    place: Place
    events: list[Event] = field(factory=list)

    def job(self, rows: Any = None, change: Any = ACTIVE, action: str = "update") -> bulk.Job:
        selected = self.harness.sids if rows is None else rows
        product = self.harness.api.product
        return bulk.Job.from_rows(selected, product=product, change=change, action=action)

    def journal(self, name: str = "job.db", **options: Any) -> bulk.Journal:
        return self.place.journal(name, clock=self.harness.clock, **options)

    async def run(self, job: bulk.Job | None, **options: Any) -> bulk.Report:
        """One run with its own journal connection, as in a new process."""
        return await self.complete(self._run(job, **options))

    async def _run(self, job: bulk.Job | None, **options: Any) -> bulk.Report:
        async with self.journal() as journal:
            observers = [self.events.append]
            return await bulk.run(
                job, self.harness.client, journal=journal, observers=observers, **options
            )

    async def complete(self, work: Awaitable[T], within: float = 7200.0) -> T:
        """Advance the clock until the work is done, and wait for threads that read files."""
        clock = self.harness.clock
        task = asyncio.ensure_future(work)
        limit, idle = clock.now() + within, 0
        try:
            await clock.settle()
            while not task.done():
                due = clock.next_timer
                if due is None or due > limit:
                    idle += 1
                    assert idle < 20_000, f"not done after {within:g} virtual seconds"
                    await asyncio.sleep(0.0005)  # a thread may be opening a file
                    await clock.settle()
                    continue
                idle = 0
                await clock.advance(max(due - clock.now(), 0.0))
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return task.result()

    async def states(self) -> dict[str, State]:
        """State by name, read from the journal file."""

        async def read() -> dict[str, State]:
            async with self.journal(read_only=True) as journal:
                return {result.name: result.state async for result in journal.results()}

        return await self.complete(read())

    def posts(self) -> Counter[str]:
        """Number of POSTs by SID or name."""
        posted = (one for one in self.harness.emulator.requests if one.method == "POST")
        return Counter(one.path.rpartition("/")[2] for one in posted if one.product)

    def events_of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


OpenEnv = Callable[..., Awaitable[JobEnv]]


@pytest.fixture
async def open_env(clock: ManualClock, place: Place) -> AsyncIterator[OpenEnv]:
    async with AsyncExitStack() as stack:

        async def open_one(api: Api = APIS[0], **settings: Any) -> JobEnv:
            harness = await stack.enter_async_context(open_harness(clock, api, **settings))
            return JobEnv(harness, place)

        yield open_one


@pytest.fixture
async def env(open_env: OpenEnv) -> JobEnv:
    """Thirty new Super SIMs at Twilio, and a client that polls."""
    return await open_env(sims=30)

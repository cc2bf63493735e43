"""A watcher without network: records come from a dictionary, and every read is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from attrs import define, field, frozen

from asyncsim.clock import ManualClock
from asyncsim.core.credentials import CredentialsBreaker
from asyncsim.core.goal import Goal
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.events import Event
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.waiting import Watcher


@frozen
class Rows:
    rows: list[Sim]

    def record(self, place: int) -> Sim:
        return self.rows[place]


@define(eq=False)
class World:
    clock: ManualClock
    breaker: CredentialsBreaker
    sims: dict[str, Sim] = field(factory=dict)
    errors: dict[str, Exception] = field(factory=dict)
    reads: list[str] = field(factory=list)
    sweeps: list[str | None] = field(factory=list)
    events: list[Event] = field(factory=list)
    ended: list[Transition] = field(factory=list)
    hold: asyncio.Event | None = None
    """Reads wait for it, if there is one."""
    sweeps_fail: Exception | None = None
    walks_fail: Exception | None = None
    unlisted: set[str] = field(factory=set)
    """SIMs that the filtered list leaves out."""
    ignores_filter: bool = False
    frozen: list[Sim] | None = None
    """What lists show, if that lags behind."""
    between_pages: asyncio.Event | None = None
    """Sweeps wait for it, if there is one, after what they have listed."""

    def put(self, name: str, status: str) -> Sim:
        self.sims[name] = sim = Sim(sid=name, status=status, date_updated=self.clock.utcnow())
        return sim

    async def fetch(self, name: str) -> Sim:
        self.reads.append(name)
        began = self.clock.now()
        if self.hold is not None:
            await self.hold.wait()
        if name in self.errors:
            raise self.errors[name]
        self.breaker.succeeded(began)
        return self.sims[name]

    async def rows(self, status: str | None) -> AsyncIterator[Rows]:
        self.sweeps.append(status)
        if self.sweeps_fail is not None:
            raise self.sweeps_fail
        if self.walks_fail is not None and status is None:
            raise self.walks_fail
        rows = self.sims.values() if self.frozen is None else self.frozen
        yield Rows([one for one in rows if self._is_listed(one, status)])
        if self.between_pages is not None:
            await self.between_pages.wait()

    def _is_listed(self, sim: Sim, status: str | None) -> bool:
        if status is None or self.ignores_filter:
            return True
        return status == sim.status and sim.sid not in self.unlisted

    def wait(self, name: str, status: str = "active", **more: Any) -> Transition:
        return Transition(
            name=name,
            goal=Goal(SIMS, {"status": status}),
            started=self.clock.now(),
            on_done=self.ended.append,
            **{"timeout": 100.0, **more},
        )


def begin(world: World, watcher: Watcher, number: int) -> list[Transition]:
    waits = [world.wait(f"HS{one}") for one in range(number)]
    for wait in waits:
        watcher.register(wait)
        watcher.accepted(wait, world.put(wait.name, "scheduled"))
    return waits


@pytest.fixture
def world(clock: ManualClock) -> World:
    return World(clock, CredentialsBreaker(Watching(), clock.now))


@pytest.fixture
async def watcher(world: World, clock: ManualClock) -> AsyncIterator[Watcher]:
    made = Watcher(
        SIMS,
        fetch=world.fetch,
        rows=world.rows,  # type: ignore[arg-type]  # a generator, as mypy sees it from outside
        clock=clock,
        watching=Watching(sweep_from=5),
        observers=[world.events.append],
        grace=10.0,
        breaker=world.breaker,
    )
    yield made
    await made.close()

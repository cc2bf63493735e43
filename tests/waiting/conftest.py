"""A watcher without a network: a fake vendor holds the records and counts every read."""

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
class FakePage:
    rows: list[Sim]

    def record(self, index: int) -> Sim:
        return self.rows[index]


@define(eq=False)
class FakeVendor:
    clock: ManualClock
    breaker: CredentialsBreaker
    sims: dict[str, Sim] = field(factory=dict)
    errors: dict[str, Exception] = field(factory=dict)
    reads: list[str] = field(factory=list)
    sweeps: list[str | None] = field(factory=list)
    events: list[Event] = field(factory=list)
    ended: list[Transition] = field(factory=list)
    hold_reads: asyncio.Event | None = None
    """If set, reads wait for this event."""
    sweeps_fail: Exception | None = None
    scans_fail: Exception | None = None
    unlisted: set[str] = field(factory=set)
    """SIMs that the filtered list omits."""
    ignores_filter: bool = False
    stale_rows: list[Sim] | None = None
    """If set, the outdated rows that lists show."""
    hold_pages: asyncio.Event | None = None
    """If set, sweeps wait for this event after their first page."""

    def put(self, name: str, status: str) -> Sim:
        self.sims[name] = sim = Sim(sid=name, status=status, date_updated=self.clock.utcnow())
        return sim

    async def fetch(self, name: str) -> Sim:
        self.reads.append(name)
        began = self.clock.now()
        if self.hold_reads is not None:
            await self.hold_reads.wait()
        if name in self.errors:
            raise self.errors[name]
        self.breaker.succeeded(began)
        return self.sims[name]

    async def rows(self, status: str | None) -> AsyncIterator[FakePage]:
        self.sweeps.append(status)
        if self.sweeps_fail is not None:
            raise self.sweeps_fail
        if self.scans_fail is not None and status is None:
            raise self.scans_fail
        rows = self.sims.values() if self.stale_rows is None else self.stale_rows
        yield FakePage([one for one in rows if self._is_listed(one, status)])
        if self.hold_pages is not None:
            await self.hold_pages.wait()

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


def start_waits(vendor: FakeVendor, watcher: Watcher, number: int) -> list[Transition]:
    waits = [vendor.wait(f"HS{one}") for one in range(number)]
    for wait in waits:
        watcher.register(wait)
        watcher.accepted(wait, vendor.put(wait.name, "scheduled"))
    return waits


@pytest.fixture
def vendor(clock: ManualClock) -> FakeVendor:
    return FakeVendor(clock, CredentialsBreaker(Watching(), clock.now))


@pytest.fixture
async def watcher(vendor: FakeVendor, clock: ManualClock) -> AsyncIterator[Watcher]:
    watcher = Watcher(
        SIMS,
        vendor="twilio",
        fetch=vendor.fetch,
        rows=vendor.rows,  # type: ignore[arg-type]  # mypy infers a generator
        clock=clock,
        watching=Watching(sweep_from=5),
        observers=[vendor.events.append],
        grace=10.0,
        breaker=vendor.breaker,
    )
    yield watcher
    await watcher.close()

"""Processes that can be killed or frozen at any scheduling point, and started or woken again."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import simloom
from attrs import define, field
from simloom._context import current_host

from tests.simulation.fakes import ProcessResources


class StepScheduler:
    """Chooses which ready callback runs next; between two of them, processes may be killed.

    `disorder` is the share of steps that do not follow the order of arrival.
    """

    def __init__(self, disorder: float) -> None:
        self.descriptor = f"disorder {disorder:g}"
        self.steps = 0
        self._thousandth = round(disorder * 1000)
        self._plans: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._loop: Any = None
        self._frozen: dict[str, list[asyncio.Handle]] = {}

    def __call__(self, loop: Any) -> StepScheduler:
        self._loop = loop
        return self

    def in_steps(self, steps: int, action: Callable[[], object]) -> None:
        """Call `action` after so many more steps, between two of them."""
        heapq.heappush(self._plans, (self.steps + steps, next(self._numbers), action))

    def freeze(self, host: str) -> None:
        """Run nothing of a host from here on, as SIGSTOP would; its clock goes on."""
        self._frozen.setdefault(host, [])

    def thaw(self, host: str) -> None:
        """Run what has become due meanwhile, in its order, and everything after that."""
        self._loop._ready.extend(self._frozen.pop(host, ()))

    def pick(self, ready: list[asyncio.Handle]) -> int:
        """Choose one of the ready callbacks."""
        self.steps += 1
        if self._plans and self._plans[0][0] <= self.steps:
            heapq.heappop(self._plans)[2]()
            self._set_aside(ready)
            return self._living(ready)
        self._set_aside(ready)
        if len(ready) > 1 and self._loop.tape.draw("order.disorder", 1000) < self._thousandth:
            return int(self._loop.tape.draw("order.pick", len(ready)))
        return 0

    def _set_aside(self, ready: list[asyncio.Handle]) -> None:
        """Take out what is ready on frozen hosts: virtual time goes on without them."""
        if not self._frozen:
            return
        kept: list[asyncio.Handle] = []
        for handle in ready:
            host = handle._context.get(current_host)  # type: ignore[attr-defined]
            stopped = None if host is None else self._frozen.get(host.name)
            (kept if stopped is None else stopped).append(handle)
        # In place: it is the loop's own list.
        ready[:] = kept or [asyncio.Handle(lambda: None, (), self._loop)]

    def _living(self, ready: Sequence[asyncio.Handle]) -> int:
        """The first callback whose process is still alive."""
        for place, handle in enumerate(ready):
            if not self._loop._handle_is_dead(handle):
                return place
        self._loop.call_soon(lambda: None)  # it is the last one in `ready` then
        return len(ready) - 1


@define(eq=False)
class Process:
    """One process on a host of its own: what it runs, what it has open, how often it was killed."""

    world: simloom.World
    name: str
    work: Callable[[], Coroutine[Any, Any, None]]
    resources: ProcessResources = field(factory=ProcessResources)
    starts: int = 0
    """How often it was started."""
    kills: int = 0
    killed_at: list[float] = field(factory=list)
    neighbours: Callable[[], Iterable[ProcessResources]] = tuple

    @property
    def host(self) -> Any:
        """Its host in the network."""
        return self.world.host(self.name)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.starts > self.kills

    def start(self) -> None:
        """Start or restart it."""
        self.starts += 1
        if self.starts == 1:
            self.host.spawn(lambda: self.work(), name=self.name)
        else:
            self.host.restart()

    def kill(self) -> None:
        """Kill it now: no handler, no `finally`, nothing more is written."""
        if not self.alive:
            return
        self.kills += 1
        self.killed_at.append(self.world.time)
        self.host.crash()
        self.resources.release(one for one in self.neighbours() if one is not self.resources)

"""Many waits in one watcher: their memory, and the cost of each step."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn

from attrs import frozen

from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.core.credentials import CredentialsBreaker
from asyncsim.core.goal import Goal
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.waiting import ListPage, Watcher

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_SOME = 100  # waits, after which the watcher starts sweeping
_RATE = 1000  # responses a second, so that dates repeat as real ones do


@frozen(kw_only=True)
class Steps:
    """CPU seconds of each step of one wait."""

    waits: int
    add: float
    settle: float
    cancel: float


async def _fetch(name: str) -> NoReturn:
    raise AssertionError(f"nothing is due, but {name} was read")


async def _rows(status: str | None) -> AsyncGenerator[ListPage, None]:
    raise AssertionError(f"nothing is due, but {status} was listed")
    yield


def _watcher() -> Watcher:
    # Nothing is due while the loop does not run; only the kept memory counts.
    return Watcher(
        SIMS,
        vendor="twilio",
        fetch=_fetch,
        rows=_rows,
        clock=SYSTEM_CLOCK,
        watching=Watching(),
        observers=(),
        grace=30.0,
        breaker=CredentialsBreaker(Watching(), SYSTEM_CLOCK.now),
    )


def _ended(_: Transition) -> None:
    """The `on_done` callback that all waits of a job share."""


def _record(sid: str, status: str, number: int) -> Sim:
    # A new record with a new SID object, as decoding creates them.
    return Sim(
        sid=str(bytes(sid, "ascii"), "ascii"),
        status=status,
        date_updated=_EPOCH + timedelta(seconds=number // _RATE),
    )


def _add(
    watcher: Watcher, goal: Goal, sid: str, number: int, *, drops_records: bool = True
) -> Transition:
    wait = Transition(
        name=sid,
        goal=goal,
        started=SYSTEM_CLOCK.now(),
        timeout=900.0,
        on_done=_ended,
        sid=sid,
        drops_records=drops_records,
    )
    watcher.register(wait)
    watcher.accepted(wait, _record(sid, "scheduled", number))
    return wait


def _timed(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / times


def _settle(watcher: Watcher, settled: Sequence[tuple[Transition, Sim]]) -> None:
    for wait, record in settled:
        watcher.record_read(wait, record, SYSTEM_CLOCK.now())


def _cancel(watcher: Watcher, waits: Sequence[Transition]) -> None:
    for wait in waits:
        watcher.abandon(wait)


def sids(number: int) -> list[str]:
    """The SIDs of that many SIMs."""
    return [f"HS{one:032x}" for one in range(number)]


async def weigh(number: int, *, drops_records: bool) -> float:
    """Bytes per pending wait beyond its SID, averaged over `number` waits.

    Includes the record of its POST's response, unless it drops records.
    """
    watcher, goal, names = _watcher(), Goal(SIMS, {"status": "active"}), sids(number)
    gc.collect()
    tracemalloc.start()
    for at, sid in enumerate(names):
        _add(watcher, goal, sid, at, drops_records=drops_records)
        if at == _SOME:
            await asyncio.sleep(0)
    gc.collect()
    weight = tracemalloc.get_traced_memory()[0] / number
    tracemalloc.stop()
    await watcher.close()
    return weight


async def steps(number: int) -> Steps:
    """Time the steps of `number` waits, of which half settle and half are cancelled."""
    watcher, goal, names = _watcher(), Goal(SIMS, {"status": "active"}), sids(number)
    waits: list[Transition] = []
    gc.collect()
    gc.disable()  # full collections are the interpreter's cost and grow with all live objects
    try:
        for at, sid in enumerate(names[:_SOME]):
            waits.append(_add(watcher, goal, sid, at))
        await asyncio.sleep(0)
        rest = names[_SOME:]
        add = _timed(
            lambda: waits.extend(_add(watcher, goal, sid, at) for at, sid in enumerate(rest)),
            len(rest),
        )
        first, second = waits[::2], waits[1::2]
        settled = [(wait, _record(wait.name, "active", number)) for wait in first]
        settle = _timed(partial(_settle, watcher, settled), len(first))
        cancel = _timed(partial(_cancel, watcher, second), len(second))
    finally:
        gc.enable()
    assert not len(watcher)
    await watcher.close()
    return Steps(waits=number, add=add, settle=settle, cancel=cancel)

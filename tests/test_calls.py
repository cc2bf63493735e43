"""Public calls frame what happens in them, in the right context variables."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from inspect import iscoroutinefunction, signature
from typing import Any

import pytest

from asyncsim import Client, ClientClosed, NotFound
from asyncsim.calls import Call
from asyncsim.clock import ManualClock
from asyncsim.events import (
    CallEnded,
    CallStarted,
    Event,
    RequestFinished,
    RequestStarted,
    SweepFinished,
)
from asyncsim.resources.supersim.sims import Sims
from tests.integration.harness import open_harness

CALLER: ContextVar[str] = ContextVar("CALLER", default="nobody")


class Recorder:
    """Events with the caller in whose context each was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Event]] = []

    def __call__(self, event: Event) -> None:
        self.seen.append((CALLER.get(), event))

    def of(self, *kinds: type[Any]) -> list[tuple[str, Any]]:
        return [(caller, event) for caller, event in self.seen if isinstance(event, kinds)]

    @property
    def calls(self) -> list[str]:
        """Started (`+`) and ended (`-`) calls, in their order."""
        found = self.of(CallStarted, CallEnded)
        return ["+-"[isinstance(event, CallEnded)] + event.call for _, event in found]


async def as_caller(name: str, work: Any) -> Any:
    CALLER.set(name)
    return await work


def test_without_observers_a_call_reads_no_clock() -> None:
    def now() -> float:
        raise AssertionError("the clock was read")

    with Call((), now, vendor="twilio", product="supersim", call="sims.fetch"):
        pass


async def test_observed_verbs_keep_their_names_signatures_and_class(clock: ManualClock) -> None:
    async with open_harness(clock, observers=[Recorder()]) as harness:
        sims = harness.sims
    assert isinstance(sims, Sims)
    assert repr(type(sims)) == repr(Sims)
    assert iscoroutinefunction(sims.update)
    assert sims.update.__qualname__ == "Sims.update"
    assert signature(sims.update) == signature(Client.twilio("AC1", "x").supersim.sims.update)


def test_without_observers_verbs_have_no_frame() -> None:
    assert type(Client.twilio("AC1", "x").supersim.sims) is Sims


async def test_each_public_call_has_a_start_and_an_end(clock: ManualClock) -> None:
    recorder = Recorder()
    async with open_harness(clock, observers=[recorder]) as harness:
        sims = harness.sims
        await sims.fetch(harness.sid)
        await harness.complete(sims.update_and_wait(harness.sid, status="active"))
        assert len(await sims.list(page_size=2)) == 2
        pages = [page async for page in sims.list(page_size=2).pages()]
    assert len(pages) == 2
    verbs = ["fetch", "update_and_wait", "list", "list", "list"]
    assert recorder.calls == [f"{end}sims.{verb}" for verb in verbs for end in "+-"]
    ids = [event.id for _, event in recorder.of(CallStarted)]
    assert ids == [event.id for _, event in recorder.of(CallEnded)]
    assert len(set(ids)) == len(ids)


async def test_preparing_sending_and_awaiting_an_update_are_calls(clock: ManualClock) -> None:
    recorder = Recorder()
    async with open_harness(clock, observers=[recorder]) as harness:
        prepared = await harness.sims.prepare_update(harness.sid, status="active")
        await prepared.send()
        await harness.complete(as_caller("nobody", prepared))
        await harness.complete(as_caller("nobody", harness.client.resume(prepared.token)))
    verbs = ["prepare_update", "send", "await_transition", "await_transition"]
    assert recorder.calls == [f"{end}sims.{verb}" for verb in verbs for end in "+-"]


async def test_the_end_of_a_call_names_its_error(clock: ManualClock) -> None:
    recorder = Recorder()
    async with open_harness(clock, observers=[recorder]) as harness:
        with pytest.raises(NotFound):
            await harness.sims.fetch("no-such-sim")
        task = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    errors = [event.error for _, event in recorder.of(CallEnded)]
    assert errors == ["NotFound", "CancelledError"]


async def test_every_started_request_is_finished_even_if_it_is_cancelled(
    clock: ManualClock,
) -> None:
    from asyncsim.emulator import Faults

    recorder = Recorder()
    async with open_harness(clock, observers=[recorder]) as harness:
        harness.emulator.faults = Faults(answer_takes=5.0)
        task = await harness.start(harness.sims.fetch(harness.sid))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clock.advance(6)
    ((_, started),) = recorder.of(RequestStarted)
    ((_, finished),) = recorder.of(RequestFinished)
    assert started.request == finished.request
    assert (finished.status, finished.error_type) == (None, "CancelledError")
    assert (started.host, started.operation) == ("127.0.0.1", "GET /v1/Sims/{sid}")


async def test_single_reads_of_a_wait_run_in_the_context_of_its_caller(clock: ManualClock) -> None:
    recorder = Recorder()
    async with open_harness(clock, observers=[recorder]) as harness:
        one, other = harness.sids[:2]
        tasks = [
            await harness.start(as_caller(name, harness.sims.update_and_wait(sid, status="active")))
            for name, sid in (("first", one), ("second", other))
        ]
        await harness.complete(asyncio.gather(*tasks))
    requests = recorder.of(RequestFinished)
    assert {(caller, event.path.rpartition("/")[2]) for caller, event in requests} == {
        ("first", one),
        ("second", other),
    }
    assert sum(event.method == "GET" for _, event in requests) > 2


async def test_a_sweep_runs_in_a_context_of_its_own(clock: ManualClock) -> None:
    recorder = Recorder()
    async with open_harness(clock, observers=[recorder], sims=40) as harness:
        changes = {sid: {"status": "active"} for sid in harness.sids}
        await as_caller("the caller", harness.collect(harness.sims.update_many(changes)))
    assert {caller for caller, _ in recorder.of(SweepFinished)} == {"nobody"}
    sweeps = [(caller, event) for caller, event in recorder.of(CallStarted) if caller == "nobody"]
    assert {event.call for _, event in sweeps} == {"sims.sweep"}
    posts = [caller for caller, event in recorder.of(RequestFinished) if event.method == "POST"]
    assert set(posts) == {"the caller"}


async def test_update_many_is_one_call_and_leaves_the_callers_context_alone(
    clock: ManualClock,
) -> None:
    inside: ContextVar[bool] = ContextVar("inside", default=False)
    tokens: dict[int, Any] = {}

    def enter_and_leave(event: Event) -> None:
        if isinstance(event, CallStarted) and event.call == "sims.update_many":
            tokens[event.id] = inside.set(True)
        elif isinstance(event, CallEnded) and event.call == "sims.update_many":
            inside.reset(tokens.pop(event.id))  # raises in any other context

    sent: list[bool] = []

    def note(event: Event) -> None:
        if isinstance(event, RequestFinished) and event.method == "POST":
            sent.append(inside.get())

    async with open_harness(clock, observers=[enter_and_leave, note]) as harness:
        changes = {sid: {"status": "active"} for sid in harness.sids}

        async def consume() -> list[bool]:
            return [inside.get() async for _ in harness.sims.update_many(changes)]

        assert await harness.complete(consume()) == [False] * 3
    assert sent == [True] * 3
    assert not tokens


async def test_an_abandoned_update_many_ends_its_call(clock: ManualClock) -> None:
    recorder = Recorder()
    async with open_harness(clock, observers=[recorder]) as harness:
        outcomes = harness.sims.update_many({harness.sid: {"status": "active"}})
        waiting = await harness.start(anext(outcomes))
        await harness.client.close()
        with pytest.raises((ClientClosed, StopAsyncIteration)):
            await waiting
    calls = [call for call in recorder.calls if "update_many" in call]
    assert calls == ["+sims.update_many", "-sims.update_many"]

"""A bus and its receiver in one event loop after another, as in notebooks and scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from asyncsim import CallbackReceiver, PostgresBus
from asyncsim.emulator import Emulator
from asyncsim.errors import ConfigurationError
from asyncsim.events import WaitSettled
from tests.postgres.replicas import LATENCY, SELDOM

Cell = Callable[[], Coroutine[Any, Any, None]]


def in_two_loops(cell: Cell) -> None:
    asyncio.run(cell())
    asyncio.run(cell())


def twice_in_one_loop(cell: Cell) -> None:
    async def twice() -> None:
        await cell()
        await cell()

    asyncio.run(twice())


@pytest.mark.parametrize("run", [in_two_loops, twice_in_one_loop])
def test_callbacks_and_commands_arrive_after_a_stop_and_another_start(
    inbox_url: str, caplog: pytest.LogCaptureFixture, run: Callable[[Cell], None]
) -> None:
    bus = PostgresBus(inbox_url)
    receiver = CallbackReceiver(bus=bus)
    settled: list[str | None] = []
    payloads: list[str | None] = []

    def observe(event: object) -> None:
        if isinstance(event, WaitSettled):
            settled.append(event.settled_by)

    async def cell() -> None:
        async with (
            asyncio.timeout(30),
            Emulator(sims=1, latency=LATENCY) as emulator,
            emulator.client(receiver=receiver, watching=SELDOM, observers=[observe]) as client,
        ):
            (sim,) = await client.supersim.sims.list()
            await client.supersim.sims.update_and_wait(sim.sid, status="active")
            url = receiver.commands_url("twilio", "supersim")
            await client.supersim.fleets.update("default", sms_commands_url=url)
            taking = asyncio.ensure_future(anext(receiver.commands()))
            emulator.world("twilio").send_command("supersim", sim.sid, "temp=21 °C")
            payloads.append((await taking).payload)
            assert await bus.is_writable()

    run(cell)
    assert settled == ["callback"] * 2
    assert payloads == ["temp=21 °C"] * 2
    assert bus.counts.commands == 2
    assert caplog.messages == []


async def elsewhere(work: Cell) -> None:
    """Run it in the event loop of another thread."""
    await asyncio.to_thread(asyncio.run, work())


async def test_a_bus_in_use_in_another_loop_is_rejected(inbox_url: str) -> None:
    bus = PostgresBus(inbox_url)
    here = CallbackReceiver("https://example.com", port=None, bus=bus)
    there = CallbackReceiver("https://example.com", port=None, bus=bus)

    async def take() -> None:
        await anext(there.commands())

    async with here:
        for work in (there.start, take, bus.stop):
            with pytest.raises(ConfigurationError, match="PostgresBus is in use in another event"):
                await elsewhere(work)
        assert await bus.is_writable()
    await elsewhere(there.start)  # now it is free
    async with here:  # the other loop has ended without a stop
        assert await bus.is_writable()

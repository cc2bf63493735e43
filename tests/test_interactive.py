"""`asyncsim.connect`: clients without `async with`."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator

import pytest

import asyncsim
from asyncsim import CallbackReceiver, Client, ClientClosed, ConfigurationError
from asyncsim.emulator import Emulator


@pytest.fixture(autouse=True)
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    async with Emulator(sims=2, speed=1000) as emulator:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", emulator.url)
        yield emulator


def test_it_takes_what_from_env_takes() -> None:
    assert inspect.signature(asyncsim.connect) == inspect.signature(Client.from_env).replace(
        return_annotation=Client
    )


async def test_it_returns_an_open_client() -> None:
    receiver = CallbackReceiver()
    client = await asyncsim.connect(receiver=receiver)
    assert receiver.port > 0
    assert len(await client.supersim.sims.list()) == 2
    await client.close()


async def test_the_vendor_may_be_chosen() -> None:
    client = await asyncsim.connect("kore")
    assert client.vendor is asyncsim.KORE
    await client.close()


async def test_connecting_again_closes_the_client_before(emulator: Emulator) -> None:
    client = first = await asyncsim.connect()
    sims = first.supersim.sims
    (sim, *_) = await sims.list()
    waiting = asyncio.create_task(sims.update_and_wait(sim.sid, status="active", timeout=1000))
    client = await asyncsim.connect()  # the cell is run again
    with pytest.raises(ClientClosed):
        await waiting
    with pytest.raises(ClientClosed, match=r"connect\(\) was called again.*the client it returned"):
        await sims.list()
    assert first.closed
    assert len(await client.supersim.sims.list()) == 2
    del first, sims
    gc.collect()  # without a warning
    await client.close()


async def test_clients_of_other_accounts_stay_open() -> None:
    twilio = await asyncsim.connect("twilio")
    kore = await asyncsim.connect("kore")
    other = Client.from_env("twilio")
    await other.open()
    assert not twilio.closed
    for client in (twilio, kore, other):
        await client.close()


async def test_a_closed_client_can_be_replaced() -> None:
    client = await asyncsim.connect()
    await client.close()
    client = await asyncsim.connect()
    assert not client.closed
    await client.close()


async def test_a_client_that_cannot_be_opened_leaves_nothing_open(emulator: Emulator) -> None:
    port = int(emulator.url.rpartition(":")[2])  # taken
    with pytest.raises(asyncsim.ReceiverError):
        await asyncsim.connect(receiver=CallbackReceiver(port=port))
    with pytest.raises(ConfigurationError, match="vendor="):
        await asyncsim.connect("vodafone")
    gc.collect()

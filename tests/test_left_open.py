"""Clients that nobody closed, used after `close`, or used in another event loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator

import pytest

from asyncsim import CallbackReceiver, Client, ClientClosed, ConfigurationError, ReceiverError
from asyncsim.emulator import Emulator

NAMED = r"asyncsim\.Client of <Twilio at http.*> was left open.*`await client\.close\(\)`"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator in a thread, so that it outlives the event loops of a test."""
    emulator = Emulator(sims=1)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(emulator.start(), loop).result()
    yield emulator
    asyncio.run_coroutine_threadsafe(emulator.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


async def use(client: Client) -> Client:
    assert await client.supersim.sims.list()
    return client


def collect(clients: list[Client]) -> None:
    clients.clear()
    gc.collect()


def test_a_client_that_is_left_open_says_so_when_its_loop_ends(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = CallbackReceiver()
    client = emulator.client(receiver=receiver)
    with pytest.warns(ResourceWarning, match=NAMED) as warned:
        asyncio.run(use(client))
    assert len(warned) == 1, "aiohttp adds none of its own"
    assert "its event loop has ended" in str(warned[0].message)
    assert [one.levelno for one in caplog.records if one.name == "asyncsim"] == [logging.WARNING]
    assert client.closed
    with pytest.raises(ReceiverError):
        receiver.port  # noqa: B018  # the property is under test
    asyncio.run(client.close())  # in another loop, after its own has ended: nothing is left
    gc.collect()


async def test_a_client_that_is_collected_says_so_and_its_connections_are_closed(
    emulator: Emulator,
) -> None:
    clients = [await use(emulator.client())]
    session = clients[0].context._sender._transport._session  # type: ignore[union-attr]  # open
    with pytest.warns(ResourceWarning, match=NAMED) as warned:
        collect(clients)
    assert len(warned) == 1
    assert session is not None
    for _ in range(10):
        await asyncio.sleep(0)
    assert session.closed


def test_one_that_outlives_its_closed_loop_says_so(emulator: Emulator) -> None:
    clients = [emulator.client()]
    loop = asyncio.new_event_loop()
    loop.run_until_complete(clients[0].open())
    loop.close()  # without the shutdown that `asyncio.run` does
    with pytest.warns(ResourceWarning, match=NAMED) as warned:
        collect(clients)
    assert len(warned) == 1


def test_one_whose_loop_has_stopped_says_so(emulator: Emulator) -> None:
    loop = asyncio.new_event_loop()
    clients = [loop.run_until_complete(use(emulator.client()))]
    with pytest.warns(ResourceWarning, match=NAMED) as warned:
        collect(clients)
    assert len(warned) == 1, "aiohttp adds none of its own"
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gc.collect()


def test_a_closed_client_says_nothing(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    async def close_twice() -> None:
        client = await use(emulator.client())
        await client.close()
        await client.close()

    asyncio.run(close_twice())
    gc.collect()
    assert caplog.records == []


async def test_a_client_is_closed_from_another_thread_in_its_own_loop(emulator: Emulator) -> None:
    client = await use(emulator.client())
    await asyncio.to_thread(asyncio.run, client.close())
    assert client.closed
    with pytest.raises(ClientClosed, match=r"await asyncsim\.connect\(\)"):
        await client.supersim.sims.list()


def test_use_in_another_loop_says_what_to_do(emulator: Emulator) -> None:
    client = emulator.client()
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.run_until_complete(use(client))
    advice = r"another event loop \(.*`client = await asyncsim\.connect\(\)`"
    with pytest.raises(ConfigurationError, match=advice):
        second.run_until_complete(use(client))
    first.run_until_complete(client.close())
    first.close()
    second.close()

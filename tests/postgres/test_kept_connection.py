"""The connection that is kept from one use to the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import psycopg
import pytest

from asyncsim.postgres import bounded
from asyncsim.postgres.engine import Connection, connect
from asyncsim.postgres.kept_connection import KeptConnection
from tests.postgres.proxy import LossyProxy

SOON = 4.0  # seconds: psycopg would give the server five to cancel a statement


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_AGAIN", 0.05)


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(postgres_url) as proxy:
        yield proxy


@pytest.fixture
async def kept(proxy: LossyProxy) -> AsyncIterator[KeptConnection]:
    kept = KeptConnection(partial(connect, proxy.url), 30.0)
    yield kept
    await kept.close()


async def session(connection: Connection) -> int:
    return connection.info.backend_pid


async def stand_still(connection: Connection) -> None:
    await connection.execute("SELECT pg_sleep(3600)")


async def test_it_is_opened_once_and_closed_once(proxy: LossyProxy, kept: KeptConnection) -> None:
    await kept.close()
    assert proxy.connections == 0
    first = await kept.use(session)
    assert await kept.use(session) == first
    await kept.close()
    await kept.close()
    assert await kept.use(session) != first
    assert proxy.connections == 2


async def test_uses_wait_for_each_other(kept: KeptConnection) -> None:
    in_use = 0

    async def use(connection: Connection) -> None:
        nonlocal in_use
        in_use += 1
        assert in_use == 1
        await connection.execute("SELECT 1")
        in_use -= 1

    await asyncio.gather(*(kept.use(use) for _ in range(5)))


async def test_after_an_error_the_next_use_has_a_new_one(kept: KeptConnection) -> None:
    first = await kept.use(session)
    with pytest.raises(psycopg.errors.UndefinedTable):
        await kept.use(lambda connection: connection.execute("SELECT * FROM nowhere"))
    assert await kept.use(session) != first


async def test_a_cancelled_use_ends_and_the_next_one_has_a_new_one(
    proxy: LossyProxy, kept: KeptConnection
) -> None:
    first = await kept.use(session)
    proxy.freeze()
    using = asyncio.create_task(kept.use(stand_still))
    await proxy.until(lambda: proxy.held)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(using, SOON)
    proxy.thaw()
    assert await kept.use(session) != first


@pytest.mark.parametrize("opened", [False, True], ids=["while it connects", "later"])
async def test_a_server_that_does_not_respond_is_given_up_in_time(
    proxy: LossyProxy, kept: KeptConnection, *, opened: bool
) -> None:
    if opened:
        await kept.use(session)
    kept._seconds = 0.1
    proxy.freeze()
    async with asyncio.timeout(SOON):
        with pytest.raises(TimeoutError, match=r"has not responded for 0\.1 s"):
            await kept.use(stand_still)
    proxy.thaw()


async def test_a_connection_that_comes_after_its_use_is_closed(proxy: LossyProxy) -> None:
    """A driver may lose a cancellation, and connect all the same."""
    arrived, opened = asyncio.Event(), list[Connection]()

    async def connect_late() -> Connection:
        is_first = not opened
        connection = await connect(proxy.url)
        opened.append(connection)
        while is_first and not arrived.is_set():
            with suppress(asyncio.CancelledError):
                await arrived.wait()
        return connection

    kept = KeptConnection(connect_late, 0.5)
    with pytest.raises(TimeoutError):
        await kept.use(session)
    second = await kept.use(session)
    [late] = [one for one in asyncio.all_tasks() if one.get_name() == "asyncsim-connection"]
    arrived.set()
    with pytest.raises(TimeoutError, match="too late"):
        await late
    assert opened[0].closed
    assert await kept.use(session) == second
    await kept.close()
    assert opened[1].closed

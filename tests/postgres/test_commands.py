"""Commands from devices at several replicas: each stored once, and handled by one loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from asyncsim import CallbackReceiver, InboundCommand, PostgresBus
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from asyncsim.errors import ConfigurationError
from asyncsim.postgres import commands
from asyncsim.postgres.engine import PostgresUrl, connect
from asyncsim.postgres.inbox_upkeep import purge_regularly
from asyncsim.postgres.inbox_writer import BusStats
from asyncsim.vendors import KORE
from tests.callbacks import senders
from tests.callbacks.conftest import register
from tests.callbacks.senders import Sent
from tests.postgres.replicas import LATENCY, Replica, advance_until, replica, until

SECRET = "emulated-webhook-secret"
HC = "HC" + "1" * 32


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(sims=2, latency=LATENCY) as emulator:
        yield emulator


@pytest.fixture
async def receiving(emulator: Emulator, inbox_url: str) -> AsyncIterator[Replica]:
    """A replica that the vendor reaches; nothing iterates there."""
    async with replica(emulator, inbox_url, serving="port") as opened:
        yield opened


@pytest.fixture
async def handling(
    emulator: Emulator, inbox_url: str, receiving: Replica
) -> AsyncIterator[Replica]:
    """A replica that the vendor does not reach."""
    async with replica(emulator, inbox_url, public_url=receiving.receiver.public_url) as opened:
        yield opened


def sent(receiving: Replica, payload: str, token: str = "") -> Sent:
    url = receiving.receiver.commands_url("kore", "supersim")
    one = senders.kore(url, {"CommandSid": HC, "Payload": payload}, secret=SECRET)
    if token:
        one.headers["kore-idempotency-token"] = token
    return one


async def post(receiving: Replica, *payloads: str) -> None:
    for payload in payloads:
        assert await sent(receiving, payload).post() == 204


async def take(receiver: CallbackReceiver, count: int = 1) -> list[str | None]:
    """Iterate as a user does; the last Command is left in hand, as by `break`."""
    found: list[str | None] = []
    async with asyncio.timeout(30):
        async for command in receiver.commands():
            found.append(command.payload)
            if len(found) == count:
                break
    return found


def rows(url: str) -> list[tuple[bool, bool]]:
    """For each Command, the oldest one first, whether a loop has it, and has handled it."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT taken_until IS NOT NULL, handled_at IS NOT NULL FROM asyncsim.commands"
            " ORDER BY arrived_at"
        ).fetchall()


async def until_asked(url: str) -> None:
    """Return once a loop has asked for a Command, and waits for the next one."""
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
        " AND query LIKE '%SET taken_until%'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        await until(lambda: connection.execute(query).fetchone())


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_device_sends_to_one_replica_and_a_loop_of_another_handles_it(
    emulator: Emulator, inbox_url: str, vendor: Any
) -> None:
    async with (
        replica(emulator, inbox_url, serving="port", vendor=vendor) as here,
        replica(emulator, inbox_url, public_url=here.receiver.public_url, vendor=vendor) as there,
        asyncio.timeout(30),
    ):
        url = there.receiver.commands_url(vendor, "supersim")
        await there.client.supersim.fleets.update("default", sms_commands_url=url)
        (sim, *_) = await there.client.supersim.sims.list()
        taking = asyncio.ensure_future(anext(there.receiver.commands()))
        emulator.world(vendor).send_command("supersim", sim.sid, "temp=21 °C")
        command = await taking
    assert (command.sim_sid, command.payload, command.signed) == (sim.sid, "temp=21 °C", True)
    assert (command.vendor, command.product) == (vendor, "supersim")
    assert rows(inbox_url) == [(True, True)]
    assert there.bus.counts.commands == 1


async def test_a_command_waits_in_the_database_until_somebody_asks_for_it(
    emulator: Emulator, inbox_url: str
) -> None:
    async with replica(emulator, inbox_url, serving="port") as receiving:
        await post(receiving, "one", "two")
        url = receiving.receiver.public_url
    assert rows(inbox_url) == [(False, False)] * 2
    async with replica(emulator, inbox_url, public_url=url) as later:
        assert await take(later.receiver, 2) == ["one", "two"]


async def test_loops_of_several_replicas_share_the_commands(
    inbox_url: str, receiving: Replica, handling: Replica
) -> None:
    payloads = [str(number) for number in range(100)]
    found: list[tuple[str, str | None]] = []

    async def iterate(name: str, one: Replica) -> None:
        async for command in one.receiver.commands():
            found.append((name, command.payload))
            await asyncio.sleep(0)

    names = {"a": receiving, "b": receiving, "c": handling, "d": handling}
    loops = [asyncio.create_task(iterate(name, one)) for name, one in names.items()]
    await asyncio.gather(*(sent(receiving, payload).post() for payload in payloads))
    await until(lambda: all(handled for _, handled in rows(inbox_url)))
    assert sorted(payload or "" for _, payload in found) == sorted(payloads)
    assert {name for name, _ in found} == set(names)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


async def test_deliveries_of_one_command_to_two_replicas_are_one(
    emulator: Emulator, inbox_url: str, receiving: Replica
) -> None:
    one = sent(receiving, "hello", token="of the Command")
    async with replica(emulator, inbox_url, serving="port") as other:
        # The same proxy in front of both: the URL that was signed is the first one's.
        other.receiver._handler.public_url = receiving.receiver.public_url
        there = one.url.replace(
            receiving.receiver.public_url, f"http://127.0.0.1:{other.receiver.port}"
        )
        assert {*await asyncio.gather(one.post(), one.post(to=there))} == {204}
        async with asyncio.timeout(30):
            assert (await anext(other.receiver.commands())).payload == "hello"
        assert await one.post(to=there) == 204  # after it was handled
        counts = [at.receiver.counts for at in (receiving, other)]
    assert sum(one.duplicates for one in counts) == 2
    assert rows(inbox_url) == [(True, True)]


async def test_what_a_loop_does_not_finish_goes_to_another_loop(
    emulator: Emulator, inbox_url: str, receiving: Replica, clock: ManualClock
) -> None:
    bus = PostgresBus(inbox_url, handle_within=0.1, clock=clock)
    other = CallbackReceiver(receiving.receiver.public_url, port=None, bus=bus)
    async with emulator.client("kore", receiver=other), asyncio.timeout(30):
        await post(receiving, "one")

        async def fails() -> None:
            async for _ in other.commands():
                raise OSError("while it was handled")

        with pytest.raises(OSError, match="while it was handled"):
            await fails()
        assert rows(inbox_url) == [(True, False)]
        taking = asyncio.ensure_future(anext(other.commands()))
        await advance_until(clock, taking.done)
        assert (await taking).payload == "one"
    assert rows(inbox_url) == [(True, True)]


async def test_a_loop_finishes_a_command_by_asking_for_the_next_one(
    inbox_url: str, receiving: Replica, handling: Replica
) -> None:
    await post(receiving, "one", "two")
    assert await take(handling.receiver, 2) == ["one", "two"]
    assert rows(inbox_url) == [(True, True), (True, False)]


async def test_a_loop_that_waits_ends_when_its_receiver_stops(
    emulator: Emulator, inbox_url: str, receiving: Replica
) -> None:
    found: list[str | None] = []
    started = asyncio.Event()

    async def iterate(receiver: CallbackReceiver) -> None:
        async for command in receiver.commands():
            found.append(command.payload)
            started.set()

    url = receiving.receiver.public_url
    async with replica(emulator, inbox_url, public_url=url) as stopping, asyncio.timeout(30):
        loop = asyncio.create_task(iterate(stopping.receiver))
        await post(receiving, "one")
        await started.wait()
    async with asyncio.timeout(30):
        await loop
    assert found == ["one"]
    await until(lambda: rows(inbox_url) == [(True, True)])


async def test_the_last_command_can_be_finished_after_the_receiver_has_stopped(
    emulator: Emulator, inbox_url: str, receiving: Replica
) -> None:
    url = receiving.receiver.public_url
    async with replica(emulator, inbox_url, public_url=url) as stopping, asyncio.timeout(30):
        await post(receiving, "one")
        loop = aiter(stopping.receiver.commands())
        assert (await anext(loop)).payload == "one"
    with pytest.raises(StopAsyncIteration):
        await anext(loop)
    assert rows(inbox_url) == [(True, True)]
    assert stopping.bus._taker._connection._connection is None


async def test_a_loop_waits_for_its_receiver_to_start(
    emulator: Emulator, inbox_url: str, receiving: Replica
) -> None:
    await post(receiving, "one")
    bus = PostgresBus(inbox_url)
    receiver = CallbackReceiver(receiving.receiver.public_url, port=None, bus=bus)
    loop = asyncio.ensure_future(anext(receiver.commands()))
    await asyncio.sleep(0.05)
    assert not loop.done()
    async with emulator.client("kore", receiver=receiver), asyncio.timeout(30):
        assert (await loop).payload == "one"


async def test_commands_of_another_account_are_left_to_its_processes(
    inbox_url: str, receiving: Replica
) -> None:
    await post(receiving, "of the first account")
    async with (
        CallbackReceiver(bus=PostgresBus(inbox_url)) as other,
        asyncio.timeout(30),
    ):
        register(other, KORE)
        url = other.commands_url("kore", "supersim")
        assert await senders.kore(url, {"Payload": "of the second"}).post() == 204
        assert (await anext(other.commands())).payload == "of the second"
        assert await senders.kore(url, {"Payload": "its next one"}).post() == 204
        assert (await anext(other.commands())).payload == "its next one"
        assert await take(receiving.receiver) == ["of the first account"]


async def test_a_loop_that_is_cancelled_while_it_waits_loses_nothing(
    inbox_url: str, receiving: Replica, handling: Replica
) -> None:
    waiting: asyncio.Future[InboundCommand] = asyncio.ensure_future(
        anext(handling.receiver.commands())
    )
    await until_asked(inbox_url)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await post(receiving, "one")
    assert await take(handling.receiver) == ["one"]


async def test_a_forged_command_is_never_stored(inbox_url: str, receiving: Replica) -> None:
    url = receiving.receiver.commands_url("kore", "supersim")
    assert await senders.kore(url, {"Payload": "forged"}, secret="wrong").post() == 403
    assert await sent(receiving, "one").post(to=url[:-4] + "AAAA") == 403
    assert rows(inbox_url) == []


async def test_a_row_that_is_no_command_is_skipped(
    inbox_url: str, receiving: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    await post(receiving, "one")
    with psycopg.connect(inbox_url) as connection:
        connection.execute("UPDATE asyncsim.commands SET callback = '[]'")
        copies = (
            "INSERT INTO asyncsim.commands (key, scope, callback)"
            " SELECT decode(md5(n::text), 'hex'), scope, callback"
            " FROM asyncsim.commands, generate_series(1, 20) AS n"
        )
        connection.execute(copies)
    await post(receiving, "two")
    assert await take(receiving.receiver) == ["two"]
    assert receiving.bus.counts.unreadable == 21
    assert caplog.text.count("skipping rows of asyncsim.commands that are not Commands") == 1


async def test_old_commands_are_deleted_and_those_that_nobody_wanted_are_reported(
    inbox_url: str, receiving: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    await post(receiving, "handled", "unhandled", "new")
    async with asyncio.timeout(30):
        await anext(receiving.receiver.commands())
    with psycopg.connect(inbox_url) as connection:
        connection.execute(
            "UPDATE asyncsim.commands SET handled_at = now() - interval '2 hours'"
            " WHERE handled_at IS NOT NULL"
        )
        connection.execute("UPDATE asyncsim.commands SET arrived_at = now() - interval '8 days'"
                           " WHERE callback->'params'->>'Payload' = 'unhandled'")  # fmt: skip

    async def connected() -> psycopg.AsyncConnection[Any]:
        return await connect(PostgresUrl.parse(inbox_url))

    clock: Any = receiving.client.context.clock
    stats = BusStats()
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr("asyncsim.postgres.inbox_upkeep._PURGE_EVERY", 0.001)
        purging = asyncio.create_task(purge_regularly(connected, clock, 3600, stats))
        await until(lambda: len(rows(inbox_url)) == 1)
        await until(lambda: caplog.messages)
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)
    assert stats.purged == 1
    assert "Commands from devices that no process has handled for 7 days: 1." in caplog.text


async def test_a_user_who_may_not_take_commands_is_told(inbox_url: str, receiving: Replica) -> None:
    await post(receiving, "one")
    with psycopg.connect(inbox_url, autocommit=True) as connection:
        connection.execute("REVOKE UPDATE ON asyncsim.commands FROM current_user")
    with pytest.raises(ConfigurationError, match="the user lacks a privilege"):
        await take(receiving.receiver)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_time_that_would_share_every_command_at_once_is_rejected(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="handle_within"):
        PostgresBus("postgresql://user@host/db", handle_within=seconds)


def test_unhandled_commands_are_kept_for_a_week() -> None:
    assert commands.UNHANDLED_FOR == 7 * 24 * 3600

"""The bus while connections are lost, the server restarts, and processes are killed."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psycopg
import pytest
from attrs import define

from asyncsim import Callback, CallbackReceiver, PostgresBus, Watching
from asyncsim.bulk.dispatch_procrastinate import ProcrastinateDispatch
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.callbacks.receiver import Registration
from asyncsim.clock import SYSTEM_CLOCK, ManualClock
from asyncsim.emulator import Emulator
from asyncsim.postgres import inbox, inbox_writer
from asyncsim.vendors import KORE
from tests.callbacks import senders
from tests.callbacks.conftest import register
from tests.callbacks.senders import SIM, Sent
from tests.postgres.cluster import Cluster
from tests.postgres.replicas import LATENCY, collect, replica, until, until_it_returns
from tests.postgres.test_bus import status_of

ROOT = Path(__file__).parent.parent.parent


@define
class Pair:
    """A receiver that callbacks reach, and another with everything that was read there."""

    receiver: CallbackReceiver
    bus: PostgresBus
    registration: Registration
    reading: PostgresBus
    found: list[Callback]

    def sent(self, name: str = SIM, **headers: str) -> Sent:
        """A signed callback."""
        sent = senders.kore(self.registration.issue_url("supersim", name)[0])
        sent.headers.update({key.replace("_", "-"): text for key, text in headers.items()})
        return sent

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.found]


@pytest.fixture
def cluster(postgres_cluster: Callable[..., Cluster]) -> Cluster:
    """A server of the test's own."""
    return postgres_cluster()


@pytest.fixture
async def url(cluster: Cluster) -> str:
    created = cluster.create_database("sims")
    await migrate(created)
    return created


@pytest.fixture
async def pair(url: str) -> AsyncIterator[Pair]:
    bus, reading = PostgresBus(url), PostgresBus(url)
    async with (
        CallbackReceiver(bus=bus) as receiver,
        CallbackReceiver(receiver.public_url, port=None, bus=reading) as other,
    ):
        found = collect(other)
        await until(lambda: reading.counts.reads)
        yield Pair(receiver, bus, register(receiver, KORE), reading, found)


def terminate_connections(cluster: Cluster, *, listening: bool | None = None) -> int:
    """End connections as an administrator does; returns how many."""
    condition = "" if listening is None else "AND query LIKE 'LISTEN%'"
    with cluster.connect() as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            f" WHERE datname = 'sims' {condition}"
        ).fetchone()
    return ended[0] if ended else 0


async def test_callbacks_arrive_after_the_listening_connection_was_terminated(
    cluster: Cluster, pair: Pair
) -> None:
    # It may still be connecting: the table is read beside it.
    await until(lambda: terminate_connections(cluster, listening=True))
    assert await pair.sent().post() == 204
    await until(lambda: pair.names == [SIM])


async def test_no_callback_is_refused_when_all_connections_are_terminated(
    cluster: Cluster, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    assert await pair.sent("HS1").post() == 204
    await until(lambda: pair.names == ["HS1"])
    assert terminate_connections(cluster) >= 3
    assert await pair.sent("HS2").post() == 204
    await until(lambda: pair.names == ["HS1", "HS2"])
    assert "callbacks" not in caplog.text  # one lost connection is no news


async def test_a_restart_of_the_server_refuses_and_loses_nothing(
    cluster: Cluster, pair: Pair
) -> None:
    restarting = asyncio.create_task(asyncio.to_thread(cluster.restart, "immediate"))
    names: list[str] = []
    while not restarting.done():
        names.append(f"HS{len(names)}")
        assert await pair.sent(names[-1]).post() == 204
    await restarting
    await until(lambda: len(pair.found) >= len(names))
    assert sorted(pair.names) == sorted(names)


async def test_a_long_outage_refuses_callbacks_and_then_recovers_by_itself(
    cluster: Cluster, pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inbox_writer, "PATIENCE", 3.0)
    health = f"{pair.receiver.public_url}/readyz"
    assert await status_of(health) == 200
    cluster.stop()
    assert await pair.sent("HS1").post() == 503
    began = asyncio.get_running_loop().time()
    assert await pair.sent("HS2").post() == 503
    assert asyncio.get_running_loop().time() - began < 2.0  # at once: it is known to be down
    assert pair.bus.counts.refused == pair.receiver.counts.refused == 2
    await until_it_returns(503, lambda: status_of(health))
    assert await status_of(f"{pair.receiver.public_url}/livez") == 200
    cluster.start()
    await until_it_returns(200, lambda: status_of(health))
    assert await pair.sent("HS3").post() == 204
    await until(lambda: pair.names == ["HS3"])
    text = caplog.text
    assert "callbacks cannot be stored: " in text
    assert "callbacks can be stored again" in text
    assert cluster.password not in text


async def test_a_wait_ends_by_polling_while_the_database_is_down(
    cluster: Cluster, url: str
) -> None:
    async with (
        Emulator(sims=1, latency=LATENCY) as emulator,
        replica(emulator, url, serving="port") as here,
        replica(
            emulator,
            url,
            public_url=here.receiver.public_url,
            watching=Watching(safety_every=0.2),
        ) as there,
        asyncio.timeout(60),
    ):
        (sim,) = await there.client.supersim.sims.list()
        cluster.stop()
        settled = await there.client.supersim.sims.update_and_wait(sim.sid, status="active")
        assert settled.status == "active"
        assert there.settled_by == ["read"]


async def test_a_silent_host_of_several_is_passed_over(url: str) -> None:
    """As the former primary after a failover, if its machine is lost."""
    await ProcrastinateDispatch(url, SYSTEM_CLOCK).install()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        login, _, host = urlsplit(url).netloc.rpartition("@")
        hosts = f"{login}@127.0.0.1:{silent.getsockname()[1]},{host}"
        both = urlsplit(url)._replace(netloc=hosts).geturl()
        async with CallbackReceiver(bus=PostgresBus(both)) as receiver:
            registration = register(receiver, KORE)
            found = collect(receiver)
            assert await senders.kore(registration.issue_url("supersim", SIM)[0]).post() == 204
            await until(lambda: len(found) == 1)
        async with ProcrastinateDispatch(both, SYSTEM_CLOCK) as dispatch:
            assert await dispatch.requeue_stalled() == 0


async def test_a_receiver_can_start_while_the_database_is_down(
    cluster: Cluster, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.stop()
    async with CallbackReceiver(bus=PostgresBus(url)) as receiver:
        registration = register(receiver, KORE)
        found = collect(receiver)
        assert ": the server cannot be reached" in caplog.text
        cluster.start()
        assert await senders.kore(registration.issue_url("supersim", SIM)[0]).post() == 204
        await until(lambda: len(found) == 1)


async def test_a_table_that_is_dropped_is_an_error_for_each_callback_until_it_is_back(
    cluster: Cluster, pair: Pair
) -> None:
    with cluster.connect("sims") as connection:
        connection.execute("ALTER TABLE asyncsim.inbox RENAME TO gone")
        assert await pair.sent("HS1").post() == 503
        connection.execute("ALTER TABLE asyncsim.gone RENAME TO inbox")
    await until_it_returns(204, lambda: pair.sent("HS2").post())
    await until(lambda: "HS2" in pair.names)


async def test_without_any_notification_the_table_is_polled(cluster: Cluster, pair: Pair) -> None:
    """As behind pgbouncer in transaction mode, where LISTEN hears nothing."""
    with cluster.connect("sims") as connection:
        connection.execute(
            "INSERT INTO asyncsim.inbox (key, place, callback)"
            """ VALUES ('\\x01', 0, '{"vendor": "kore", "product": "supersim", "name": "HS1","""
            """ "nonce": "n", "signed": true, "method": "POST", "params": {}}')"""
        )
    await until(lambda: pair.names == ["HS1"])


async def test_a_row_that_cannot_be_read_stops_nothing(
    cluster: Cluster, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with cluster.connect("sims") as connection:
        for key, text in enumerate(("[]", "[" * 3000 + "]" * 3000, "[1]")):
            connection.execute(
                "INSERT INTO asyncsim.inbox (key, place, callback) VALUES (%s, 0, %s)",
                (bytes([key]), text),
            )
    assert await pair.sent().post() == 204
    await until(lambda: pair.names == [SIM])
    assert caplog.text.count("skipping rows of asyncsim.inbox that are not callbacks") == 1


async def test_a_bug_in_the_reader_does_not_end_it(
    cluster: Cluster,
    pair: Pair,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: str) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("asyncsim.postgres.inbox_reader.InboxPosition.of", fail)
        await until(lambda: "the reader of asyncsim.inbox failed" in caplog.text)
    assert await pair.sent().post() == 204
    await until(lambda: pair.names == [SIM])


async def test_old_callbacks_are_purged_now_and_then(url: str, clock: ManualClock) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO asyncsim.inbox (key, place, callback, arrived_at)"
            " SELECT sha256(n::text::bytea), 0, '{}', now() - interval '1 hour' * n"
            f" FROM generate_series(0, {inbox.PURGED_AT_ONCE + 10}) AS n"
        )
    bus = PostgresBus(url, keep_hours=5.5, clock=clock)
    await bus.start()
    await clock.advance(121)
    await bus.stop()
    with psycopg.connect(url) as connection:
        left = connection.execute("SELECT count(*) FROM asyncsim.inbox").fetchone()
    assert left == (6,)
    assert bus.counts.purged == inbox.PURGED_AT_ONCE + 5


async def test_a_receiver_killed_between_storing_and_answering_loses_and_doubles_nothing(
    pair: Pair, url: str
) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.postgres.killed_receiver", url, pair.receiver.public_url),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        port = json.loads(await child.stdout.readline())
        sent = pair.sent(kore_idempotency_token="one")
        there = sent.url.replace(pair.receiver.public_url, f"http://127.0.0.1:{port}")
        with pytest.raises(aiohttp.ClientError):  # the vendor gets no response
            await sent.post(to=there)
        assert await asyncio.wait_for(child.wait(), 30) == -signal.SIGKILL
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    await until(lambda: pair.names == [SIM])  # it was durable
    assert await sent.post() == 204  # delivered again, to another replica
    assert pair.receiver.counts.duplicates == 1
    assert await pair.sent("HS2").post() == 204
    await until(lambda: pair.names == [SIM, "HS2"])


async def test_more_than_a_bounded_number_of_callbacks_do_not_wait(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_writer, "_WAITING", 3)
    sent = [pair.sent(f"HS{number}") for number in range(10)]
    paths = [one.url.removeprefix(pair.receiver.public_url) for one in sent]
    statuses = await asyncio.gather(
        *(
            pair.receiver.receive_async("POST", path, one.headers, one.body)
            for path, one in zip(paths, sent, strict=True)
        )
    )
    assert statuses == [204] * 3 + [503] * 7


async def test_a_callback_is_refused_before_the_receiver_is_started(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = CallbackReceiver("https://example.com", port=None, bus=PostgresBus(url))
    sent = senders.kore(register(receiver, KORE).issue_url("supersim", SIM)[0])
    path = sent.url.removeprefix("https://example.com")
    with caplog.at_level(logging.WARNING):
        assert await receiver.receive_async("POST", path, sent.headers, sent.body) == 503
    assert "the receiver is not running" in caplog.text


def command(pair: Pair, payload: str) -> Sent:
    """A Command from a device."""
    return senders.kore(pair.receiver.commands_url("kore", "supersim"), {"Payload": payload})


async def test_a_restart_of_the_server_loses_and_doubles_no_command(
    cluster: Cluster, pair: Pair
) -> None:
    found: list[str | None] = []

    async def iterate() -> None:
        async for one in pair.receiver.commands():
            found.append(one.payload)  # noqa: PERF401  # what came before the end counts

    loop = asyncio.create_task(iterate())
    restarting = asyncio.create_task(asyncio.to_thread(cluster.restart, "immediate"))
    payloads: list[str] = []
    while not restarting.done():
        payloads.append(str(len(payloads)))
        assert await command(pair, payloads[-1]).post() == 204
    await restarting
    await until(lambda: len(found) >= len(payloads))
    assert sorted(found, key=str) == sorted(payloads)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_a_loop_goes_on_after_a_long_outage(
    cluster: Cluster, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    commands = aiter(pair.receiver.commands())
    assert await command(pair, "one").post() == 204
    assert (await anext(commands)).payload == "one"
    cluster.stop()
    following = asyncio.ensure_future(anext(commands))
    await until(lambda: "Commands from devices cannot be read" in caplog.text)
    cluster.start()
    await until_it_returns(204, command(pair, "two").post)
    async with asyncio.timeout(30):
        assert (await following).payload == "two"
    with cluster.connect("sims") as connection:
        handled = connection.execute(
            "SELECT count(*) FROM asyncsim.commands WHERE handled_at IS NOT NULL"
        ).fetchone()
    assert handled == (1,)
    assert cluster.password not in caplog.text


async def test_a_command_of_a_killed_process_goes_to_another(pair: Pair, url: str) -> None:
    assert await command(pair, "one").post() == 204
    arguments = (url, pair.receiver.public_url, "1.0")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.postgres.killed_handler", *arguments), cwd=ROOT
    )
    assert await asyncio.wait_for(child.wait(), 60) == -signal.SIGKILL
    async with asyncio.timeout(30):
        assert (await anext(pair.receiver.commands())).payload == "one"

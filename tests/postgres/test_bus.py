"""Callbacks that arrive at one replica, and waits in another: a real server, real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Literal

import aiohttp
import psycopg
import pytest
from aiohttp import web
from attrs import evolve

from asyncsim import CallbackReceiver, PostgresBus
from asyncsim.emulator import Emulator
from asyncsim.errors import ConfigurationError, ReceiverError
from tests.callbacks import senders
from tests.callbacks.senders import SIM, Sent
from tests.postgres.replicas import LATENCY, Replica, Serving, collect, replica, until

SECRETS = {"twilio": "emulated-auth-token", "kore": "emulated-webhook-secret"}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(sims=3, latency=LATENCY) as emulator:
        yield emulator


@pytest.fixture
async def receiving(emulator: Emulator, inbox_url: str) -> AsyncIterator[Replica]:
    """A replica that callbacks reach."""
    async with replica(emulator, inbox_url, serving="port") as opened:
        yield opened


@pytest.fixture
async def waiting(emulator: Emulator, inbox_url: str, receiving: Replica) -> AsyncIterator[Replica]:
    """A replica that no callback reaches."""
    async with replica(emulator, inbox_url, public_url=receiving.receiver.public_url) as opened:
        yield opened


def signed(url: str, **headers: str) -> Sent:
    """A callback of KORE."""
    sent = senders.kore(url, secret=SECRETS["kore"])
    sent.headers.update(headers)
    return sent


def issue(here: Replica, name: str = SIM) -> str:
    registration = here.client.context.registration
    assert registration is not None
    return registration.issue_url("supersim", name)[0]


def rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM asyncsim.inbox").fetchone()
    return found[0] if found else -1


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize("serving", ["port", "aiohttp", "asgi"])
async def test_a_callback_at_one_replica_ends_a_wait_in_another(
    emulator: Emulator,
    inbox_url: str,
    serving: Serving,
    vendor: Literal["twilio", "kore"],
) -> None:
    async with (
        replica(emulator, inbox_url, serving=serving, vendor=vendor) as here,
        replica(emulator, inbox_url, public_url=here.receiver.public_url, vendor=vendor) as there,
        asyncio.timeout(30),
    ):
        (first, *_) = await there.client.supersim.sims.list()
        sim = await there.client.supersim.sims.update_and_wait(first.sid, status="active")
        assert sim.status == "active"
        assert there.settled_by == ["callback"]
        await until(lambda: here.receiver.counts.accepted == 1)  # counted after it was stored
        assert there.receiver.counts.accepted == 0


async def test_update_many_needs_no_read_for_a_signed_callback_from_elsewhere(
    emulator: Emulator, waiting: Replica
) -> None:
    sims = waiting.client.supersim.sims
    sids = [sim.sid async for sim in sims.list()]
    before = len(emulator.requests)
    outcomes = [one async for one in sims.update_many((sid, {"status": "active"}) for sid in sids)]
    assert [(one.settled_by, one.error) for one in outcomes] == [("callback", None)] * 3
    assert {one.method for one in list(emulator.requests)[before:]} == {"POST"}


async def test_a_web_request_waits_for_a_callback_that_another_replica_received(
    waiting: Replica, receiving: Replica
) -> None:
    async def activate(request: web.Request) -> web.Response:
        sims = waiting.client.supersim.sims
        sent = await sims.update(request.match_info["sid"], status="active")
        sim = await sims.await_transition(sent)
        return web.json_response({"status": sim.status})

    app = web.Application()
    app.router.add_post("/sims/{sid}/activate", activate)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (sim, *_) = await waiting.client.supersim.sims.list()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/sims/{sim.sid}/activate"
    async with (
        asyncio.timeout(30),
        aiohttp.ClientSession() as session,
        session.post(url) as response,
    ):
        assert await response.json() == {"status": "active"}
    await runner.cleanup()
    assert waiting.settled_by == ["callback"]
    await until(lambda: receiving.receiver.counts.accepted == 1)


async def test_a_token_resumed_in_another_replica_is_woken(inbox_url: str) -> None:
    latency = evolve(LATENCY, transition=1.0)  # so that the first read finds it pending
    async with (
        Emulator(sims=1, latency=latency) as emulator,
        replica(emulator, inbox_url, serving="port") as receiving,
        replica(emulator, inbox_url, public_url=receiving.receiver.public_url) as resuming,
        asyncio.timeout(30),
    ):
        url = receiving.receiver.public_url
        async with replica(emulator, inbox_url, public_url=url) as sending:
            (sim,) = await sending.client.supersim.sims.list()
            prepared = await sending.client.supersim.sims.prepare_update(
                sim.sid, status="active", timeout=60
            )
            await prepared.send()
        assert (await resuming.client.resume(prepared.token)).status == "active"
        assert resuming.settled_by == ["callback"]


async def test_a_callback_from_before_the_wait_is_not_lost(
    waiting: Replica, receiving: Replica
) -> None:
    (sim, *_) = await waiting.client.supersim.sims.list()
    sent = await waiting.client.supersim.sims.update(sim.sid, status="active")
    await until(lambda: receiving.receiver.counts.accepted)
    async with asyncio.timeout(30):
        assert (await waiting.client.supersim.sims.await_transition(sent)).status == "active"
    assert waiting.settled_by == ["callback"]


async def test_each_process_gets_a_callback_as_it_was_verified(
    waiting: Replica, receiving: Replica
) -> None:
    found = [collect(one.receiver) for one in (receiving, waiting)]
    url = issue(waiting)
    assert await signed(url).post() == 204
    assert await senders.kore_get(url, secret=SECRETS["kore"]).post() == 204
    await until(lambda: all(len(each) == 2 for each in found))
    assert found[0] == found[1]
    posted, got = found[1]
    assert (posted.signed, posted.method, posted.status) == (True, "POST", "active")
    assert (got.signed, got.method) == (False, "GET")
    assert posted.nonce in url


async def test_a_callback_delivered_to_two_replicas_is_published_once(
    emulator: Emulator, inbox_url: str, waiting: Replica, receiving: Replica
) -> None:
    found = collect(waiting.receiver)
    sent = signed(issue(receiving), **{"kore-idempotency-token": "one"})
    async with replica(emulator, inbox_url, serving="port") as other:
        # The same proxy in front of both: the URL that was signed is the first one's.
        other.receiver._handler.public_url = receiving.receiver.public_url
        there = sent.url.replace(
            receiving.receiver.public_url, f"http://127.0.0.1:{other.receiver.port}"
        )
        statuses = await asyncio.gather(
            sent.post(), sent.post(to=there), sent.post(), sent.post(to=there)
        )
        assert list(statuses) == [204] * 4
        counts = [one.receiver.counts for one in (receiving, other)]
        assert [
            sum(getattr(one, name) for one in counts) for name in ("accepted", "duplicates")
        ] == [4, 3]
    assert await signed(issue(receiving, "HS" + "9" * 32)).post() == 204
    await until(lambda: len(found) == 2)
    assert [one.name for one in found] == [SIM, "HS" + "9" * 32]
    assert rows(inbox_url) == 2


async def test_a_forged_callback_is_never_stored(
    inbox_url: str, receiving: Replica, waiting: Replica
) -> None:
    url = issue(receiving)
    assert await senders.kore(url, secret="wrong").post() == 403
    assert await signed(url[:-4] + "AAAA").post() == 403
    assert await Sent(method="PUT", url=url).post() == 405
    assert await senders.kore(url.replace("kore/", "twilio/"), secret=SECRETS["kore"]).post() == 403
    assert rows(inbox_url) == 0
    assert receiving.bus.counts.stored == 0


async def test_many_callbacks_are_stored_by_few_inserts_and_notifications(
    receiving: Replica, waiting: Replica
) -> None:
    found = collect(waiting.receiver)
    names = [f"HS{number:032}" for number in range(200)]
    statuses = await asyncio.gather(
        *(
            receiving.receiver.receive_async(
                "POST", sent.url[len(receiving.receiver.public_url) :], sent.headers, sent.body
            )
            for sent in (signed(issue(receiving, name)) for name in names)
        )
    )
    assert set(statuses) == {204}
    await until(lambda: len(found) == 200)
    assert [one.name for one in found] == names
    counts = receiving.bus.counts
    assert counts.stored == 200
    assert counts.notifications == counts.inserts <= 2


async def test_a_process_without_waits_reads_nothing(receiving: Replica) -> None:
    assert await signed(issue(receiving)).post() == 204
    assert (receiving.bus.counts.stored, receiving.bus.counts.reads) == (1, 0)


async def test_what_was_accepted_is_stored_before_it_stops(
    emulator: Emulator, inbox_url: str
) -> None:
    async with replica(emulator, inbox_url, serving="port") as stopping:
        sending = [
            asyncio.ensure_future(signed(issue(stopping, f"HS{number:032}")).post())
            for number in range(20)
        ]
        await until(lambda: stopping.bus._writer._waiting)
    statuses = await asyncio.gather(*sending, return_exceptions=True)
    assert rows(inbox_url) >= statuses.count(204) > 0


async def test_a_receiver_with_a_bus_cannot_answer_before_it_has_stored(
    receiving: Replica,
) -> None:
    with pytest.raises(ReceiverError, match="receive_async"):
        receiving.receiver.receive("POST", "/", {}, b"")
    sent = signed(issue(receiving))
    path = sent.url.removeprefix(receiving.receiver.public_url)
    status = await receiving.receiver.receive_async("POST", path, sent.headers, sent.body)
    assert status == 204
    assert await receiving.receiver.receive_async("POST", "/x", {}, b"") == 404


@pytest.mark.parametrize("hours", [0, -1, float("inf"), float("nan")])
def test_an_age_that_would_keep_nothing_or_everything_is_rejected(hours: float) -> None:
    with pytest.raises(ConfigurationError, match="keep_hours"):
        PostgresBus("postgresql://user@host/db", keep_hours=hours)


def test_its_repr_holds_no_password() -> None:
    bus = PostgresBus("postgresql://user:secret@host/db")
    assert "postgresql://user@host/db" in repr(bus)
    assert "secret" not in repr(bus)


async def test_a_database_without_the_table_is_an_error_that_says_what_to_run(
    postgres_url: str,
) -> None:
    receiver = CallbackReceiver("https://example.com", port=None, bus=PostgresBus(postgres_url))
    with pytest.raises(ConfigurationError, match="asyncsim jobs migrate"):
        await receiver.start()


@pytest.mark.parametrize("table", ["inbox", "commands"])
async def test_a_user_who_may_not_store_callbacks_is_an_error_at_the_start(
    inbox_url: str, table: str
) -> None:
    with psycopg.connect(inbox_url) as connection:
        connection.execute(f"REVOKE INSERT ON asyncsim.{table} FROM current_user")
    receiver = CallbackReceiver("https://example.com", port=None, bus=PostgresBus(inbox_url))
    with pytest.raises(ConfigurationError, match="have an administrator grant it"):
        await receiver.start()


async def test_the_port_is_closed_again_if_the_table_is_missing(postgres_url: str) -> None:
    receiver = CallbackReceiver(bus=PostgresBus(postgres_url))
    with pytest.raises(ConfigurationError):
        await receiver.start()
    with pytest.raises(ReceiverError, match="no port"):
        _ = receiver.port


async def status_of(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


@pytest.mark.parametrize("path", ["health", "healthz", "readyz", "livez", "ping", ""])
async def test_health_checks_say_whether_the_inbox_is_writable(
    receiving: Replica, path: str
) -> None:
    assert await status_of(f"{receiving.receiver.public_url}/{path}") == 200


def test_without_the_extra_it_says_what_to_install() -> None:
    code = """
import importlib, pkgutil, sys
sys.modules["psycopg"] = None  # as if it were not installed
from asyncsim import *
import asyncsim.postgres
uses = {name: lambda kind=kind: kind("postgresql://user@host/db")
    for name, kind in (("PostgresBus", PostgresBus), ("PostgresLimit", PostgresLimit))}
for module in pkgutil.iter_modules(asyncsim.postgres.__path__, "asyncsim.postgres."):
    uses[module.name] = lambda name=module.name: importlib.import_module(name)
for name, use in uses.items():
    try:
        use()
        print(name, "works")
    except ImportError as error:
        print(name, error)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines())
    clear = 'PostgreSQL needs an extra; install it with: pip install "asyncsim[postgres]"'
    del said["asyncsim.postgres.remedies"]  # only `engine` imports it
    assert {said["PostgresBus"], said["PostgresLimit"]} == {clear}
    assert set(said.values()) == {clear, "works"}

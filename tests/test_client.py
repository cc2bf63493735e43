from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from asyncsim import (
    AsyncSimError,
    AuthenticationError,
    CallbackReceiver,
    Client,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    Hosts,
    ReceiverError,
    RetryPolicy,
    Throttle,
    Timeout,
    Watching,
)
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from asyncsim.events import Event, ObservedClient
from asyncsim.vendors import EMULATOR_CREDENTIALS
from tests.integration.harness import LATENCY, complete

ONCE = RetryPolicy(attempts=1)
OWN = EMULATOR_CREDENTIALS
VARIABLES = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY",
    "TWILIO_API_SECRET",
    "ASYNCSIM_KORE_CLIENT_ID",
    "ASYNCSIM_KORE_CLIENT_SECRET",
    "ASYNCSIM_EMULATOR",
    "ASYNCSIM_EMULATOR_SPEED",
)
TWILIO = {"TWILIO_ACCOUNT_SID": OWN.account_sid, "TWILIO_AUTH_TOKEN": OWN.auth_token}
KEYED = {
    "TWILIO_ACCOUNT_SID": OWN.account_sid,
    "TWILIO_API_KEY": OWN.api_key,
    "TWILIO_API_SECRET": OWN.api_secret,
}
KORE = {
    "ASYNCSIM_KORE_CLIENT_ID": OWN.client_id,
    "ASYNCSIM_KORE_CLIENT_SECRET": OWN.client_secret,
}


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    async with Emulator(sims=2, clock=clock, latency=LATENCY) as running:
        yield running


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def set_all(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def first_sid(emulator: Emulator, vendor: str = "twilio", product: str = "supersim") -> str:
    return next(iter(emulator.world(vendor).sims(product)))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


# Credentials.


async def test_an_auth_token_and_an_api_key_both_log_in_at_twilio(emulator: Emulator) -> None:
    by_token = Client.twilio(OWN.account_sid, OWN.auth_token, hosts=emulator.hosts)
    by_key = Client.twilio(
        OWN.account_sid, api_key=OWN.api_key, api_secret=OWN.api_secret, hosts=emulator.hosts
    )
    for client in (by_token, by_key):
        async with client:
            sims = [sim async for sim in client.supersim.sims.list()]
            assert len(sims) == 2
            assert client.vendor.name == "twilio"


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_wrong_credentials_are_an_authentication_error_and_not_retried(
    emulator: Emulator, vendor: str
) -> None:
    make = Client.twilio if vendor == "twilio" else Client.kore
    async with make("AC" + "0" * 32, "wrong-secret", hosts=emulator.hosts_of(vendor)) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.supersim.sims.fetch(first_sid(emulator, vendor))
    assert caught.value.status == 401
    assert "wrong-secret" not in str(caught.value)
    assert len(emulator.requests) == 1


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"api_key": "SK1"},
        {"api_secret": "s"},
        {"api_key": "SK1", "api_secret": ""},
        {"auth_token": ""},
    ],
)
def test_incomplete_twilio_credentials_are_rejected_at_once(credentials: Any) -> None:
    with pytest.raises(ConfigurationError):
        Client.twilio("AC1", **credentials)


def test_empty_credentials_are_rejected_at_once() -> None:
    with pytest.raises(ConfigurationError, match="account_sid is empty"):
        Client.twilio("", "token")
    with pytest.raises(ConfigurationError, match="client_id is empty"):
        Client.kore("", "secret")
    with pytest.raises(ConfigurationError, match="client_secret is empty"):
        Client.kore("id", "")


def test_an_api_key_warns_that_it_cannot_verify_callbacks(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "asyncsim"):
        Client.twilio("AC1", api_key="SK1", api_secret="s", receiver=CallbackReceiver())
    assert "no auth_token" in caplog.text


def test_an_unknown_setting_is_rejected_with_a_suggestion() -> None:
    with pytest.raises(TypeError, match="no setting 'observer'; did you mean 'observers'"):
        Client.twilio("AC1", "token", observer=[])  # type: ignore[call-arg]  # the point
    with pytest.raises(TypeError, match=r"timeout=5: pass a asyncsim\.Timeout"):
        Client.kore("id", "secret", timeout=5)  # type: ignore[arg-type]


# The environment.


async def test_the_environment_of_either_vendor_logs_in(emulator: Emulator, env: Any) -> None:
    for variables, vendor in ((TWILIO, "twilio"), (KEYED, "twilio"), (KORE, "kore")):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**variables, "ASYNCSIM_EMULATOR": emulator.url}.items():
                patch.setenv(name, value)
            client = Client.from_env()
        assert client.vendor.name == vendor
        async with client:
            sid = first_sid(emulator, vendor, "wireless")
            assert (await client.wireless.sims.fetch(sid)).sid == sid


async def test_an_emulator_alone_in_the_environment_means_twilio_with_its_credentials(
    emulator: Emulator, env: Any
) -> None:
    env({"ASYNCSIM_EMULATOR": emulator.url + "/"})
    for vendor, client in (("twilio", Client.from_env()), ("kore", Client.from_env("kore"))):
        async with client:
            sid = first_sid(emulator, vendor)
            assert (await client.supersim.sims.fetch(sid)).sid == sid


def test_both_vendors_in_the_environment_require_a_choice(env: Any) -> None:
    env({**TWILIO, **KORE})
    with pytest.raises(ConfigurationError, match="vendor='twilio' or 'kore'"):
        Client.from_env()
    assert Client.from_env("kore").vendor.name == "kore"
    assert Client.from_env(vendor="twilio").vendor.name == "twilio"


@pytest.mark.parametrize(
    ("variables", "vendor", "message"),
    [
        ({}, None, "TWILIO_ACCOUNT_SID"),
        ({"TWILIO_AUTH_TOKEN": "t"}, None, "no credentials"),
        ({"TWILIO_ACCOUNT_SID": "AC1"}, None, "auth_token"),
        ({"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_API_KEY": "SK1"}, None, "go together"),
        ({"ASYNCSIM_KORE_CLIENT_ID": "i"}, None, "ASYNCSIM_KORE_CLIENT_SECRET is not set"),
        (TWILIO, "kore", "ASYNCSIM_KORE_CLIENT_ID is not set"),
        (KORE, "twilio", "TWILIO_ACCOUNT_SID is not set"),
        (TWILIO, "verizon", "must be twilio or kore"),
    ],
)
def test_a_missing_environment_variable_is_named(
    env: Any, variables: dict[str, str], vendor: str | None, message: str
) -> None:
    env(variables)
    with pytest.raises(ConfigurationError, match=message):
        Client.from_env(vendor)


def test_an_empty_variable_counts_as_unset(env: Any) -> None:
    env({**TWILIO, **dict.fromkeys(KORE, ""), "TWILIO_API_KEY": ""})
    assert Client.from_env().vendor.name == "twilio"


async def test_given_hosts_override_the_environment(emulator: Emulator, env: Any) -> None:
    env({"ASYNCSIM_EMULATOR": "http://127.0.0.1:1"})
    async with Client.from_env(hosts=emulator.hosts) as client:
        assert await client.supersim.sims.list()


# Base URLs.


async def test_an_unreachable_emulator_is_named_with_host_and_port() -> None:
    port = free_port()
    hosts = Hosts(supersim=f"http://127.0.0.1:{port}")
    async with Client.twilio("AC1", "token", hosts=hosts, retry=ONCE) as client:
        with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}.*nothing was sent"):
            await client.supersim.sims.fetch("depot")


async def test_each_base_url_can_be_replaced_separately(emulator: Emulator) -> None:
    only_supersim = Hosts(supersim=emulator.hosts.supersim)
    async with Client.twilio(OWN.account_sid, OWN.auth_token, hosts=only_supersim) as client:
        assert await client.supersim.sims.list()
        assert client.context.hosts.wireless == "https://wireless.twilio.com"


# Loops, sessions, opening and closing.


async def test_a_client_created_outside_a_loop_belongs_to_the_loop_that_uses_it(
    emulator: Emulator,
) -> None:
    client = await asyncio.to_thread(Client.twilio, OWN.account_sid, OWN.auth_token,
                                     hosts=emulator.hosts)  # fmt: skip
    async with client:
        assert await client.supersim.sims.list()


async def test_use_from_another_loop_is_rejected_with_the_reason(emulator: Emulator) -> None:
    errors: list[BaseException] = []

    def elsewhere(client: Client) -> None:
        try:
            asyncio.run(client.supersim.sims.fetch("depot"))
        except ConfigurationError as error:
            errors.append(error)

    async with emulator.client() as client:
        thread = threading.Thread(target=elsewhere, args=(client,))
        thread.start()
        await asyncio.to_thread(thread.join)
    assert "belongs to another event loop" in str(errors[0])


async def test_the_users_session_is_used_and_not_closed(emulator: Emulator) -> None:
    async with aiohttp.ClientSession(headers={"X-Mine": "1"}) as session:
        async with emulator.client(session=session) as client:
            assert await client.supersim.sims.list()
        assert not session.closed


async def test_a_client_may_be_closed_twice_or_unused(emulator: Emulator) -> None:
    client = emulator.client()
    await client.close()
    used = emulator.client()
    await used.supersim.sims.list()
    await used.close()
    await used.close()
    with pytest.raises(ClientClosed, match="closed"):
        await used.supersim.sims.fetch("depot")


async def test_closing_ends_requests_in_flight(emulator: Emulator, clock: ManualClock) -> None:
    from asyncsim.emulator import Faults

    emulator.faults = Faults(answer_takes=5.0)
    client = emulator.client(throttle=Throttle(limit=1, maximum=1))
    work = [asyncio.create_task(client.supersim.sims.fetch("depot")) for _ in range(3)]
    await clock.settle()
    await client.close()
    ends = asyncio.gather(*work, return_exceptions=True)
    assert all(isinstance(end, AsyncSimError) for end in await complete(clock, ends))
    await clock.advance(6)


async def test_a_client_shows_what_is_in_flight_queued_and_pending(
    emulator: Emulator, clock: ManualClock
) -> None:
    from asyncsim.emulator import Faults

    throttle = Throttle(limit=1, maximum=1)
    client = emulator.client(throttle=throttle)
    assert (client.in_flight, client.queued_requests, client.pending_waits) == (0, 0, 0)
    sims = client.supersim.sims
    (sim, *_) = await sims.list()
    emulator.faults = Faults(answer_takes=5.0)
    work = [asyncio.create_task(sims.fetch(sim.sid)) for _ in range(2)]
    work.append(asyncio.create_task(sims.update_and_wait(sim.sid, status="active")))
    await clock.settle()
    assert (client.in_flight, client.queued_requests, client.pending_waits) == (1, 2, 1)
    assert (client.concurrency_limit, client.throttle, client.closed) == (1, throttle, False)
    await complete(clock, asyncio.gather(*work))
    assert (client.in_flight, client.queued_requests, client.pending_waits) == (0, 0, 0)
    await client.close()
    assert client.closed


async def test_an_observer_of_clients_is_told_of_each_client(emulator: Emulator) -> None:
    class Observer:
        def __init__(self) -> None:
            self.clients: list[ObservedClient] = []

        def __call__(self, event: Event) -> None: ...

        def add_client(self, client: ObservedClient) -> None:
            self.clients.append(client)

    observer = Observer()
    async with (
        emulator.client(observers=[observer, lambda _: None]) as one,
        emulator.client("kore", observers=[observer]) as other,
    ):
        assert observer.clients == [one, other]


def test_an_invalid_emulator_url_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCSIM_EMULATOR", "localhost:8900")
    with pytest.raises(ConfigurationError, match="ASYNCSIM_EMULATOR must read http://host:port"):
        Client.from_env("twilio")


def test_the_emulators_speed_in_the_environment_scales_waits_unless_they_are_given(
    env: Any,
) -> None:
    env({"ASYNCSIM_EMULATOR_SPEED": "100"})  # without an emulator it means nothing
    with pytest.raises(ConfigurationError, match="no credentials in the environment"):
        Client.from_env()
    env({**TWILIO, "ASYNCSIM_EMULATOR_SPEED": "100"})
    assert Client.from_env().context.watching == Watching()
    env({"ASYNCSIM_EMULATOR": "http://127.0.0.1:1", "ASYNCSIM_EMULATOR_SPEED": "100"})
    assert Client.from_env().context.watching == Watching().at_speed(100)
    assert Client.from_env(watching=Watching(first=7)).context.watching == Watching(first=7)


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "inf", "nan"])
def test_an_impossible_speed_in_the_environment_is_rejected(env: Any, speed: str) -> None:
    env({"ASYNCSIM_EMULATOR": "http://127.0.0.1:1", "ASYNCSIM_EMULATOR_SPEED": speed})
    with pytest.raises(ConfigurationError, match="ASYNCSIM_EMULATOR_SPEED must be a number"):
        Client.from_env()


async def test_no_repr_shows_a_secret() -> None:
    receiver = CallbackReceiver(ticket_secrets=["ticket-secret"])
    clients = [
        Client.twilio("AC1", "auth-secret", receiver=receiver),
        Client.twilio("AC1", api_key="SK1", api_secret="key-secret"),
        Client.kore("id", "kore-secret", hosts=Hosts(supersim="https://gateway/x")),
    ]
    for client in clients:
        shown = repr([client, client.supersim.sims, client.wireless.sims, client.context])
        assert "secret" not in shown
    assert repr(clients[0]) == (
        "<asyncsim.Client of <Twilio at https://supersim.twilio.com>, not opened yet>"
    )


# Receivers.


async def test_a_receiver_starts_and_stops_with_the_client(emulator: Emulator) -> None:
    receiver = CallbackReceiver()
    async with emulator.client(receiver=receiver):
        assert receiver.port > 0
    with pytest.raises(ReceiverError):
        receiver.port  # noqa: B018  # the property is under test


async def test_a_receiver_may_serve_two_clients(emulator: Emulator, clock: ManualClock) -> None:
    receiver = CallbackReceiver(clock=clock)
    async with emulator.client(receiver=receiver) as twilio:
        async with emulator.client("kore", receiver=receiver) as kore:
            waits = [
                client.supersim.sims.update_and_wait(first_sid(emulator, name), status="active")
                for name, client in (("twilio", twilio), ("kore", kore))
            ]
            sims = await complete(clock, asyncio.gather(*waits))
            assert [sim.status for sim in sims] == ["active", "active"]
            assert receiver.counts.accepted == 2
        assert receiver.port > 0, "the other client still needs it"


async def test_a_closed_client_is_removed_from_the_receiver(
    emulator: Emulator, clock: ManualClock
) -> None:
    async with CallbackReceiver(clock=clock) as receiver:
        async with emulator.client(receiver=receiver) as client:
            await client.supersim.sims.update(first_sid(emulator), status="active")
        await clock.advance(LATENCY.transition + 1)
        assert (receiver.counts.accepted, receiver.counts.refused) == (0, 1)
        assert emulator.deliveries[0].status == 403, "its ticket belongs to no client any more"


async def test_a_pausing_request_ends_when_its_client_closes(
    emulator: Emulator, clock: ManualClock
) -> None:
    nowhere = Hosts(supersim=f"http://127.0.0.1:{free_port()}")
    client = emulator.client(hosts=nowhere, retry=RetryPolicy(base=100.0, cap=100.0))
    work = asyncio.create_task(client.supersim.sims.fetch("depot"))
    await clock.settle()
    await client.close()
    with pytest.raises(ClientClosed, match="the client was closed"):
        await work
    assert clock.next_timer is None


async def test_a_cancelled_close_leaves_neither_session_nor_port_open(
    emulator: Emulator, clock: ManualClock
) -> None:
    receiver = CallbackReceiver()
    client = emulator.client(receiver=receiver)
    await client.supersim.sims.list()
    session = client.context._sender._transport._session  # type: ignore[union-attr]  # open
    client.context.on_close(asyncio.Event().wait)
    closing = asyncio.create_task(client.close())
    await clock.settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert session is not None
    assert session.closed
    with pytest.raises(ReceiverError):
        receiver.port  # noqa: B018  # the property is under test


async def test_after_a_failure_while_closing_the_rest_is_closed_and_the_failure_raised(
    emulator: Emulator,
) -> None:
    async def broken() -> None:
        raise OSError("it would not close")

    receiver = CallbackReceiver()
    client = emulator.client(receiver=receiver)
    await client.open()
    client.context.on_close(broken)
    with pytest.raises(OSError, match="would not"):
        await client.close()
    with pytest.raises(ReceiverError):
        receiver.port  # noqa: B018  # the property is under test


async def test_closing_while_opening_is_not_undone(emulator: Emulator) -> None:
    receiver = CallbackReceiver()
    client = emulator.client(receiver=receiver)
    opening = [asyncio.create_task(client.open()) for _ in range(2)]
    await asyncio.sleep(0)
    await client.close()
    ends = await asyncio.gather(*opening, return_exceptions=True)
    assert [type(end) for end in ends] == [ClientClosed] * 2
    with pytest.raises(ReceiverError):
        receiver.port  # noqa: B018  # the property is under test
    with pytest.raises(ClientClosed, match="closed"):
        await client.supersim.sims.list()


async def test_a_port_in_use_is_a_receiver_error_and_leaves_nothing_open(
    emulator: Emulator,
) -> None:
    async with CallbackReceiver() as taken:
        client = emulator.client(receiver=CallbackReceiver(port=taken.port))
        with pytest.raises(ReceiverError, match=f"127.0.0.1:{taken.port}"):
            async with client:
                pytest.fail("it opened")
        with pytest.raises(ClientClosed, match="closed"):
            await client.supersim.sims.list()
    assert list(emulator.requests) == []


async def test_a_failure_after_the_receiver_started_stops_it(emulator: Emulator) -> None:
    receiver, throttle = CallbackReceiver(), Throttle()
    here, in_use = asyncio.get_running_loop(), asyncio.Event()
    there, enough = asyncio.new_event_loop(), asyncio.Event()

    async def use_it() -> None:
        async with Client.twilio("AC1", "token", throttle=throttle):
            here.call_soon_threadsafe(in_use.set)
            await enough.wait()

    thread = threading.Thread(target=there.run_until_complete, args=(use_it(),))
    thread.start()
    await in_use.wait()
    with pytest.raises(ConfigurationError, match="another event loop"):
        async with emulator.client(receiver=receiver, throttle=throttle):
            pytest.fail("it opened")
    with pytest.raises(ReceiverError):
        receiver.port  # noqa: B018  # the property is under test
    there.call_soon_threadsafe(enough.set)
    await asyncio.to_thread(thread.join)
    there.close()


async def test_a_request_timeout_is_a_setting_of_the_client(emulator: Emulator) -> None:
    async with emulator.client(timeout=Timeout(request=3.0)) as client:
        assert client.context.timeout.request == 3.0

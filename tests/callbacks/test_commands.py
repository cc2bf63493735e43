"""Commands sent by devices: from the vendor's POST to the user's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from asyncsim import CallbackReceiver, Client, InboundCommand, ReceiverError
from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.commands import InboundCommands
from asyncsim.callbacks.receiver import Registration
from asyncsim.clock import ManualClock
from asyncsim.events import CallbackReceived, CallbackRefused, Event
from asyncsim.vendors import KORE, TWILIO
from tests.callbacks import senders
from tests.callbacks.conftest import register
from tests.callbacks.senders import SIM, Sent

HC, HG, DC = "HC" + "1" * 32, "HG" + "1" * 32, "DC" + "1" * 32
ACCOUNT = "AC" + "1" * 32

# As captured from Twilio; `Command` is repeated for users of the older resource.
SMS = {
    "Status": "received",
    "ApiVersion": "v1",
    "Command": "temp=21",
    "Payload": "temp=21",
    "PayloadType": "text",
    "SimSid": SIM,
    "SimUniqueName": "fridge",
    "Direction": "from_sim",
    "CommandSid": HC,
    "AccountSid": ACCOUNT,
}
IP = {
    "CommandSid": HG,
    "SimSid": SIM,
    "SimIccid": "89883070000004537266",
    "Payload": "aGVsbG8=",
    "PayloadType": "binary",
    "DeviceIp": "100.64.0.7",
    "DevicePort": "4242",
    "Direction": "from_sim",
    "Status": "received",
}
WIRELESS = {"CommandSid": DC, "SimSid": "DE" + "0" * 32, "Command": "hi", "CommandMode": "text"}


@pytest.fixture
async def open_receiver(clock: ManualClock, events: list[Event]) -> AsyncIterator[CallbackReceiver]:
    async with CallbackReceiver(clock=clock, observers=[events.append]) as receiver:
        yield receiver


@pytest.fixture
def registrations(open_receiver: CallbackReceiver) -> list[Registration]:
    return [register(open_receiver, vendor) for vendor in (TWILIO, KORE)]


def inbound(sid: str) -> Callback:
    """A Command that was verified."""
    params = {**SMS, "CommandSid": sid}
    return Callback(
        vendor="twilio",
        product="supersim",
        name=SIM,
        nonce="n",
        signed=True,
        method="POST",
        params=params,
    )


async def take(receiver: CallbackReceiver, count: int) -> list[InboundCommand]:
    async with asyncio.timeout(10):
        return [await anext(receiver.commands()) for _ in range(count)]


def test_loops_wait_in_one_event_loop_after_another() -> None:
    receiver = CallbackReceiver()

    async def cell() -> list[InboundCommand]:
        async with receiver:
            taking = asyncio.ensure_future(take(receiver, 1))
            await asyncio.sleep(0)  # it waits
            register(receiver, TWILIO)
            assert (
                await senders.twilio(receiver.commands_url("twilio", "supersim"), SMS).post() == 204
            )
            return await taking

    assert [one.sid for one in asyncio.run(cell()) + asyncio.run(cell())] == [HC, HC]


async def next_sid(commands: InboundCommands) -> str | None:
    return (await anext(aiter(commands))).sid


async def test_loops_get_commands_in_the_order_in_which_they_began_to_wait() -> None:
    commands = InboundCommands()
    loops = [asyncio.create_task(next_sid(commands)) for _ in range(50)]
    await asyncio.sleep(0)  # they wait
    sids = [f"HC{number}" for number in range(50)]
    for sid in sids:
        commands.add(inbound(sid))
    assert await asyncio.gather(*loops) == sids


def test_a_loop_that_was_closed_around_a_wait_costs_no_command() -> None:
    commands, closed = InboundCommands(), asyncio.new_event_loop()
    abandoned = closed.create_task(next_sid(commands))
    closed.run_until_complete(asyncio.sleep(0))
    closed.close()

    async def later() -> str | None:
        taking = asyncio.create_task(next_sid(commands))
        await asyncio.sleep(0)
        commands.add(inbound(HC))
        return await taking

    assert asyncio.run(later()) == HC
    assert not abandoned.done()
    abandoned._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio would warn


@pytest.mark.usefixtures("registrations")
async def test_a_text_from_a_device_arrives_over_a_real_socket(
    open_receiver: CallbackReceiver,
) -> None:
    url = open_receiver.commands_url("twilio", "supersim")
    assert await senders.twilio(url, SMS).post() == 204
    (command,) = await take(open_receiver, 1)
    assert (command.vendor, command.product, command.signed) == ("twilio", "supersim", True)
    assert (command.sid, command.sim_sid, command.sim_unique_name) == (HC, SIM, "fridge")
    assert (command.payload, command.payload_type) == ("temp=21", "text")
    assert command.params == SMS


@pytest.mark.usefixtures("registrations")
async def test_a_datagram_from_a_device_has_its_source_address(
    open_receiver: CallbackReceiver,
) -> None:
    url = open_receiver.commands_url("kore", "supersim")
    assert await senders.kore(url, IP).post() == 204
    (command,) = await take(open_receiver, 1)
    assert (command.sid, command.sim_iccid) == (HG, "89883070000004537266")
    assert (command.device_ip, command.device_port) == ("100.64.0.7", 4242)
    assert (command.payload, command.payload_type) == ("aGVsbG8=", "binary")


@pytest.mark.usefixtures("registrations")
async def test_a_programmable_wireless_command_has_its_payload_in_command(
    open_receiver: CallbackReceiver,
) -> None:
    url = open_receiver.commands_url("kore", "wireless")
    assert await senders.kore(url, WIRELESS).post() == 204
    (command,) = await take(open_receiver, 1)
    assert (command.sid, command.payload, command.payload_type) == (DC, "hi", "text")


@pytest.mark.parametrize("port", ["", "x", "-1", "４", "123456"])
@pytest.mark.usefixtures("registrations")
async def test_an_invalid_port_is_left_out(open_receiver: CallbackReceiver, port: str) -> None:
    url = open_receiver.commands_url("twilio", "supersim")
    senders.twilio(url, IP | {"DevicePort": port}).received_by(open_receiver)
    (command,) = await take(open_receiver, 1)
    assert (command.device_port, command.params["DevicePort"]) == (None, port)


@pytest.mark.usefixtures("registrations")
async def test_the_parameters_of_a_get_from_kore_are_unsigned(
    open_receiver: CallbackReceiver,
) -> None:
    url = open_receiver.commands_url("kore", "supersim")
    assert await senders.kore_get(url, IP).post() == 204
    (command,) = await take(open_receiver, 1)
    assert (command.signed, command.payload) == (False, "aGVsbG8=")


@pytest.mark.usefixtures("registrations")
async def test_a_forged_command_is_rejected(open_receiver: CallbackReceiver) -> None:
    url = open_receiver.commands_url("twilio", "supersim")
    assert await senders.twilio(url, SMS, secret="wrong").post() == 403
    assert await senders.twilio(url[:-4] + "AAAA", SMS).post() == 403
    assert len(open_receiver.commands()) == 0


@pytest.mark.usefixtures("registrations")
async def test_a_command_delivered_twice_arrives_once(open_receiver: CallbackReceiver) -> None:
    sent = senders.twilio(open_receiver.commands_url("twilio", "supersim"), SMS)
    sent.headers["I-Twilio-Idempotency-Token"] = "one"
    assert [await sent.post(), await sent.post()] == [204, 204]
    assert len(open_receiver.commands()) == 1
    assert open_receiver.counts.duplicates == 1


def fill(receiver: CallbackReceiver, most: int = 1) -> Sent:
    """Fill a receiver that holds `most` commands; returns a delivery that no longer fits."""
    receiver.commands()._limit = most
    url = receiver.commands_url("kore", "supersim")
    for number in range(most):
        assert senders.kore(url, IP | {"Payload": str(number)}).received_by(receiver) == 204
    late = senders.kore(url, IP)
    late.headers["kore-idempotency-token"] = "late"
    return late


@pytest.mark.usefixtures("registrations")
async def test_without_room_a_command_is_rejected_and_accepted_on_retry(
    open_receiver: CallbackReceiver, events: list[Event]
) -> None:
    late = fill(open_receiver)
    assert await late.post() == 503
    assert (open_receiver.counts.accepted, open_receiver.counts.refused) == (1, 1)
    assert [type(event) for event in events] == [CallbackReceived, CallbackRefused]
    await take(open_receiver, 1)
    assert await late.post() == 204  # KORE retries once after a 5xx
    assert [one.payload for one in await take(open_receiver, 1)] == ["aGVsbG8="]
    assert open_receiver.counts.duplicates == 0


async def test_pending_waits_are_notified_even_when_no_loop_reads_the_commands(
    open_receiver: CallbackReceiver, registrations: list[Registration]
) -> None:
    fill(open_receiver)
    assert await senders.kore(registrations[1].issue_url("supersim", SIM)[0]).post() == 204


async def test_the_loop_yields_what_has_arrived_and_ends_when_the_receiver_stops(
    clock: ManualClock,
) -> None:
    receiver = CallbackReceiver(clock=clock, ticket_secrets=["own"])
    seen: list[str | None] = []

    async def loop() -> None:
        async for command in receiver.commands():
            seen.append(command.payload)  # noqa: PERF401  # what was seen before the end counts

    await receiver.start()
    url = receiver.commands_url("twilio", "supersim")
    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    for payload in ("first", "second"):
        senders.twilio(url, SMS | {"Payload": payload}).received_by(receiver)
    await receiver.stop()
    async with asyncio.timeout(10):
        await task
    assert seen == ["first", "second"]
    await receiver.start()
    senders.twilio(receiver.commands_url("twilio", "supersim"), SMS).received_by(receiver)
    assert len(await take(receiver, 1)) == 1
    await receiver.stop()


async def test_several_loops_share_the_commands(open_receiver: CallbackReceiver) -> None:
    register(open_receiver, TWILIO)
    url = open_receiver.commands_url("twilio", "supersim")
    takers = [asyncio.create_task(take(open_receiver, 1)) for _ in range(2)]
    await asyncio.sleep(0)
    for payload in ("a", "b"):
        senders.twilio(url, SMS | {"Payload": payload}).received_by(open_receiver)
    found = await asyncio.gather(*takers)
    assert sorted(str(one.payload) for (one,) in found) == ["a", "b"]


async def test_a_loop_that_is_cancelled_loses_nothing(open_receiver: CallbackReceiver) -> None:
    register(open_receiver, TWILIO)
    taker = asyncio.create_task(take(open_receiver, 1))
    await asyncio.sleep(0)
    url = open_receiver.commands_url("twilio", "supersim")
    senders.twilio(url, SMS).received_by(open_receiver)
    taker.cancel()
    await asyncio.gather(taker, return_exceptions=True)
    assert len(open_receiver.commands()) == 1


# The commands URL for the vendor.


@pytest.mark.parametrize("ticket_secrets", [[], ["the receiver's"]])
def test_a_command_may_be_signed_by_any_registered_account_of_its_vendor(
    clock: ManualClock, ticket_secrets: list[str]
) -> None:
    receiver = CallbackReceiver("https://example.com", ticket_secrets=ticket_secrets, clock=clock)
    for account in ("one", "two"):
        receiver.register(
            TWILIO,
            account=account,
            signing_secrets=[account],
            ticket_secrets=[account.encode()],
        )
    url = receiver.commands_url("twilio", "supersim")
    for secret, status in (("one", 204), ("two", 204), ("three", 403)):
        assert senders.twilio(url, SMS, secret=secret).received_by(receiver) == status
    assert [command.signed for command in receiver.commands()._queue] == [True, True]


async def test_a_commands_url_needs_a_ticket_secret(open_receiver: CallbackReceiver) -> None:
    with pytest.raises(ReceiverError, match="open a client of twilio that uses it first"):
        open_receiver.commands_url("twilio", "supersim")


@pytest.mark.parametrize("where", [("twillio", "supersim"), ("twilio", "monitor"), ("kore", "")])
async def test_a_commands_url_for_an_unknown_vendor_or_product_is_rejected(
    where: tuple[str, str], clock: ManualClock
) -> None:
    receiver = CallbackReceiver("https://example.com", ticket_secrets=["own"], clock=clock)
    with pytest.raises(ValueError, match="Commands come from"):
        receiver.commands_url(*where)


async def test_a_commands_url_stays_valid_after_a_restart(clock: ManualClock) -> None:
    url = ""
    for _ in range(2):
        receiver = CallbackReceiver("https://example.com/x", clock=clock, ticket_secrets=["own"])
        url = url or receiver.commands_url("twilio", "supersim")
        assert senders.twilio(url, SMS).received_by(receiver) == 204
        assert len(receiver.commands()) == 1


async def test_a_commands_url_stays_valid_with_the_same_client_credentials(
    clock: ManualClock,
) -> None:
    urls = []
    for _ in range(2):
        receiver = CallbackReceiver("https://example.com/x", port=None, clock=clock)
        async with Client.twilio(ACCOUNT, "auth-token", receiver=receiver, clock=clock):
            urls.append(receiver.commands_url("twilio", "supersim"))
            assert senders.twilio(urls[0], SMS).received_by(receiver) == 204
    assert urls[0] != urls[1]


def test_ten_thousand_commands_are_kept_by_default() -> None:
    assert not InboundCommands().full
    assert InboundCommands(limit=0).full

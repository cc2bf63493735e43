"""Inbound Commands, from the emulated device to the user's loop, over real sockets."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest

from asyncsim import CallbackReceiver, InboundCommand
from asyncsim.emulator import Faults
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

BINARY = base64.b64encode(bytes(range(200, 256))).decode()


class DeviceTransport(NamedTuple):
    """How a device of one product sends."""

    vendor: Any
    product: Any
    sends_by: Any

    @property
    def setting(self) -> str:
        """The keyword for the commands URL."""
        if self.product == "wireless":
            return "commands_callback_url"
        return f"{self.sends_by}_commands_url"


TRANSPORTS = [
    DeviceTransport(vendor, product, transport)
    for vendor in ("twilio", "kore")
    for product, transport in (("supersim", "sms"), ("supersim", "ip"), ("wireless", "sms"))
]

of_all = pytest.mark.parametrize("transport", TRANSPORTS, ids="-".join)


async def open_inbound(
    start_harness: OpenHarness, transport: DeviceTransport, **settings: Any
) -> tuple[Harness, Any]:
    """A client with a receiver that its account's inbound Commands are sent to."""
    harness = await start_harness(
        Api(transport.vendor, transport.product), listens=True, **settings
    )
    harness.put(harness.sid, status="active", unique_name="fridge")
    receiver = listener(harness)
    url = receiver.commands_url(transport.vendor, transport.product)
    if transport.product == "wireless":
        await harness.sims.update(harness.sid, commands_callback_url=url)
    else:
        fleets: Any = harness.client.supersim.fleets  # the keyword is chosen at run time
        await fleets.update("default", **{transport.setting: url})
    return harness, harness.emulator.world(transport.vendor)


def listener(harness: Harness) -> CallbackReceiver:
    assert harness.receiver is not None
    return harness.receiver


async def receive(harness: Harness, count: int) -> list[InboundCommand]:
    async def next_commands() -> list[InboundCommand]:
        found: list[InboundCommand] = []
        async for command in listener(harness).commands():
            found.append(command)
            if len(found) == count:
                break
        return found

    return await harness.complete(next_commands())


@of_all
async def test_an_inbound_command_arrives_signed(
    start_harness: OpenHarness, transport: DeviceTransport
) -> None:
    harness, world = await open_inbound(start_harness, transport)
    is_ip = transport.sends_by == "ip"
    payload = BINARY if is_ip else "temp=21 °C & rising"
    sent = world.send_command(transport.product, "fridge", payload, transport=transport.sends_by)
    (command,) = await receive(harness, 1)
    assert (command.vendor, command.product, command.signed) == (
        transport.vendor,
        transport.product,
        True,
    )
    assert (command.sid, command.sim_sid) == (sent.sid, harness.sid)
    assert (command.sim_unique_name, command.account_sid) == ("fridge", world.account_sid)
    assert (command.payload, command.payload_type) == (payload, "binary" if is_ip else "text")
    if is_ip:
        assert (command.device_ip, command.device_port) == (sent.device_ip, sent.device_port)
        assert command.sim_iccid == harness.store[harness.sid].iccid


@of_all
async def test_an_inbound_command_is_in_the_list_of_commands(
    start_harness: OpenHarness, transport: DeviceTransport
) -> None:
    harness, world = await open_inbound(start_harness, transport)
    world.send_command(transport.product, "fridge", BINARY, transport=transport.sends_by)
    (command,) = await receive(harness, 1)
    product = getattr(harness.client, transport.product)
    kind = "commands" if transport.product == "wireless" else f"{transport.sends_by}_commands"
    (listed,) = await getattr(product, kind).list(direction="from_sim", status="received")
    assert (listed.sid, listed.sim_sid) == (command.sid, command.sim_sid)
    text = listed.command if transport.product == "wireless" else listed.payload
    assert text == command.payload


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_programmable_wireless_delivers_bytes_as_base64(
    start_harness: OpenHarness, vendor: str
) -> None:
    harness, world = await open_inbound(start_harness, DeviceTransport(vendor, "wireless", "sms"))
    world.send_command("wireless", "fridge", BINARY, binary=True)
    (command,) = await receive(harness, 1)
    assert (command.payload, command.payload_type) == (BINARY, "binary")
    assert base64.b64decode(command.payload or "") == bytes(range(200, 256))


@of_all
async def test_commands_that_are_delivered_twice_arrive_once(
    start_harness: OpenHarness, transport: DeviceTransport
) -> None:
    world_settings = {"faults": Faults(doubled_callbacks=0.5, seed=1)}
    harness, world = await open_inbound(start_harness, transport, world=world_settings)
    sent = {
        world.send_command(transport.product, "fridge", str(n), transport=transport.sends_by).sid
        for n in range(50)
    }
    found = await receive(harness, 50)
    await harness.clock.advance(60)
    assert {one.sid for one in found} == sent
    assert len(listener(harness).commands()) == 0
    assert listener(harness).counts.duplicates > 0


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_command_signed_by_another_account_never_arrives(
    start_harness: OpenHarness, vendor: str
) -> None:
    """Another account, whose secret the receiver does not know, calls the same URL."""
    harness, world = await open_inbound(start_harness, DeviceTransport(vendor, "supersim", "sms"))
    sub = world.subaccounts[world.add_subaccount().account_sid]
    url = listener(harness).commands_url(vendor, "supersim")
    fleet = sub.add_fleet("theirs", sms_commands_url=url)
    sim = sub.add_sim("supersim", status="active", fleet_sid=fleet.sid)
    sub.send_command("supersim", sim.sid, "let me in")
    await harness.clock.advance(60)
    counts = listener(harness).counts
    assert (counts.accepted, len(listener(harness).commands())) == (0, 0)
    assert counts.refused >= 1


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_commands_and_updates_share_a_receiver(
    start_harness: OpenHarness, vendor: str
) -> None:
    harness, world = await open_inbound(start_harness, DeviceTransport(vendor, "supersim", "sms"))
    changing = await harness.start(harness.sims.update_and_wait(harness.sids[1], status="active"))
    world.send_command("supersim", "fridge", "ping")
    (command,) = await receive(harness, 1)
    assert command.sim_sid == harness.sid
    sent = harness.client.supersim.sms_commands.send_and_wait(sim=harness.sid, payload="pong")
    assert (await harness.complete(sent)).status == "sent"
    assert (await harness.complete(changing)).status == "active"
    assert len(listener(harness).commands()) == 0

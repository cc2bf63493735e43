"""Commands that devices send: from the emulated device to the user's loop, over real sockets."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest

from asyncsim import CallbackReceiver, InboundCommand
from asyncsim.emulator import Faults
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

BINARY = base64.b64encode(bytes(range(200, 256))).decode()


class Way(NamedTuple):
    """How a device sends."""

    vendor: Any
    product: Any
    transport: Any

    @property
    def setting(self) -> str:
        """The keyword that takes the URL."""
        if self.product == "wireless":
            return "commands_callback_url"
        return f"{self.transport}_commands_url"


WAYS = [
    Way(vendor, product, transport)
    for vendor in ("twilio", "kore")
    for product, transport in (("supersim", "sms"), ("supersim", "ip"), ("wireless", "sms"))
]

of_all = pytest.mark.parametrize("way", WAYS, ids="-".join)


async def set_scene(start_harness: OpenHarness, way: Way, **settings: Any) -> tuple[Harness, Any]:
    """A client that listens, and whose account sends Commands from devices to it."""
    harness = await start_harness(Api(way.vendor, way.product), listens=True, **settings)
    harness.put(harness.sid, status="active", unique_name="fridge")
    receiver = listener(harness)
    url = receiver.commands_url(way.vendor, way.product)
    if way.product == "wireless":
        await harness.sims.update(harness.sid, commands_callback_url=url)
    else:
        fleets: Any = harness.client.supersim.fleets  # its keywords are not known before this runs
        await fleets.update("default", **{way.setting: url})
    return harness, harness.emulator.world(way.vendor)


def listener(harness: Harness) -> CallbackReceiver:
    assert harness.receiver is not None
    return harness.receiver


async def take(harness: Harness, count: int) -> list[InboundCommand]:
    async def taken() -> list[InboundCommand]:
        found: list[InboundCommand] = []
        async for command in listener(harness).commands():
            found.append(command)
            if len(found) == count:
                break
        return found

    return await harness.complete(taken())


@of_all
async def test_what_a_device_sends_arrives_signed(start_harness: OpenHarness, way: Way) -> None:
    harness, world = await set_scene(start_harness, way)
    is_ip = way.transport == "ip"
    payload = BINARY if is_ip else "temp=21 °C & rising"
    sent = world.send_command(way.product, "fridge", payload, transport=way.transport)
    (command,) = await take(harness, 1)
    assert (command.vendor, command.product, command.signed) == (way.vendor, way.product, True)
    assert (command.sid, command.sim_sid) == (sent.sid, harness.sid)
    assert (command.sim_unique_name, command.account_sid) == ("fridge", world.account_sid)
    assert (command.payload, command.payload_type) == (payload, "binary" if is_ip else "text")
    if is_ip:
        assert (command.device_ip, command.device_port) == (sent.device_ip, sent.device_port)
        assert command.sim_iccid == harness.store[harness.sid].iccid


@of_all
async def test_it_is_in_the_list_of_commands_too(start_harness: OpenHarness, way: Way) -> None:
    harness, world = await set_scene(start_harness, way)
    world.send_command(way.product, "fridge", BINARY, transport=way.transport)
    (command,) = await take(harness, 1)
    product = getattr(harness.client, way.product)
    kind = "commands" if way.product == "wireless" else f"{way.transport}_commands"
    (listed,) = await getattr(product, kind).list(direction="from_sim", status="received")
    assert (listed.sid, listed.sim_sid) == (command.sid, command.sim_sid)
    text = listed.command if way.product == "wireless" else listed.payload
    assert text == command.payload


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_programmable_wireless_sends_bytes_as_base64(
    start_harness: OpenHarness, vendor: str
) -> None:
    harness, world = await set_scene(start_harness, Way(vendor, "wireless", "sms"))
    world.send_command("wireless", "fridge", BINARY, binary=True)
    (command,) = await take(harness, 1)
    assert (command.payload, command.payload_type) == (BINARY, "binary")
    assert base64.b64decode(command.payload or "") == bytes(range(200, 256))


@of_all
async def test_many_come_once_each_though_they_are_delivered_twice(
    start_harness: OpenHarness, way: Way
) -> None:
    world_settings = {"faults": Faults(doubled_callbacks=0.5, seed=1)}
    harness, world = await set_scene(start_harness, way, world=world_settings)
    sent = {
        world.send_command(way.product, "fridge", str(n), transport=way.transport).sid
        for n in range(50)
    }
    found = await take(harness, 50)
    await harness.clock.advance(60)
    assert {one.sid for one in found} == sent
    assert len(listener(harness).commands()) == 0
    assert listener(harness).counts.duplicates > 0


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_command_whose_signature_is_not_ours_never_arrives(
    start_harness: OpenHarness, vendor: str
) -> None:
    """The same URL, but called by another account, whose secret the receiver does not know."""
    harness, world = await set_scene(start_harness, Way(vendor, "supersim", "sms"))
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
    harness, world = await set_scene(start_harness, Way(vendor, "supersim", "sms"))
    changing = await harness.start(harness.sims.update_and_wait(harness.sids[1], status="active"))
    world.send_command("supersim", "fridge", "ping")
    (command,) = await take(harness, 1)
    assert command.sim_sid == harness.sid
    sent = harness.client.supersim.sms_commands.send_and_wait(sim=harness.sid, payload="pong")
    assert (await harness.complete(sent)).status == "sent"
    assert (await harness.complete(changing)).status == "active"
    assert len(listener(harness).commands()) == 0

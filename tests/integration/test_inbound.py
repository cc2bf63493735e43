"""Commands that devices send: from the emulated device to the user's loop, over real sockets."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest

from asyncsim import CallbackReceiver, InboundCommand
from asyncsim.emulator import Faults
from tests.integration.conftest import OpenStage
from tests.integration.stage import Place, Stage

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


async def set_scene(set_stage: OpenStage, way: Way, **settings: Any) -> tuple[Stage, Any]:
    """A client that listens, and whose account sends Commands from devices to it."""
    stage = await set_stage(Place(way.vendor, way.product), listens=True, **settings)
    stage.put(stage.sid, status="active", unique_name="fridge")
    receiver = listener(stage)
    url = receiver.commands_url(way.vendor, way.product)
    if way.product == "wireless":
        await stage.sims.update(stage.sid, commands_callback_url=url)
    else:
        fleets: Any = stage.client.supersim.fleets  # its keywords are not known before this runs
        await fleets.update("default", **{way.setting: url})
    return stage, stage.emulator.world(way.vendor)


def listener(stage: Stage) -> CallbackReceiver:
    assert stage.receiver is not None
    return stage.receiver


async def take(stage: Stage, count: int) -> list[InboundCommand]:
    async def taken() -> list[InboundCommand]:
        found: list[InboundCommand] = []
        async for command in listener(stage).commands():
            found.append(command)
            if len(found) == count:
                break
        return found

    return await stage.play(taken())


@of_all
async def test_what_a_device_sends_arrives_signed(set_stage: OpenStage, way: Way) -> None:
    stage, world = await set_scene(set_stage, way)
    is_ip = way.transport == "ip"
    payload = BINARY if is_ip else "temp=21 °C & rising"
    sent = world.send_command(way.product, "fridge", payload, transport=way.transport)
    (command,) = await take(stage, 1)
    assert (command.vendor, command.product, command.signed) == (way.vendor, way.product, True)
    assert (command.sid, command.sim_sid) == (sent.sid, stage.sid)
    assert (command.sim_unique_name, command.account_sid) == ("fridge", world.account_sid)
    assert (command.payload, command.payload_type) == (payload, "binary" if is_ip else "text")
    if is_ip:
        assert (command.device_ip, command.device_port) == (sent.device_ip, sent.device_port)
        assert command.sim_iccid == stage.store[stage.sid].iccid


@of_all
async def test_it_is_in_the_list_of_commands_too(set_stage: OpenStage, way: Way) -> None:
    stage, world = await set_scene(set_stage, way)
    world.send_command(way.product, "fridge", BINARY, transport=way.transport)
    (command,) = await take(stage, 1)
    product = getattr(stage.client, way.product)
    kind = "commands" if way.product == "wireless" else f"{way.transport}_commands"
    (listed,) = await getattr(product, kind).list(direction="from_sim", status="received")
    assert (listed.sid, listed.sim_sid) == (command.sid, command.sim_sid)
    text = listed.command if way.product == "wireless" else listed.payload
    assert text == command.payload


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_programmable_wireless_sends_bytes_as_base64(
    set_stage: OpenStage, vendor: str
) -> None:
    stage, world = await set_scene(set_stage, Way(vendor, "wireless", "sms"))
    world.send_command("wireless", "fridge", BINARY, binary=True)
    (command,) = await take(stage, 1)
    assert (command.payload, command.payload_type) == (BINARY, "binary")
    assert base64.b64decode(command.payload or "") == bytes(range(200, 256))


@of_all
async def test_many_come_once_each_though_they_are_delivered_twice(
    set_stage: OpenStage, way: Way
) -> None:
    world_settings = {"faults": Faults(doubled_callbacks=0.5, seed=1)}
    stage, world = await set_scene(set_stage, way, world=world_settings)
    sent = {
        world.send_command(way.product, "fridge", str(n), transport=way.transport).sid
        for n in range(50)
    }
    found = await take(stage, 50)
    await stage.clock.advance(60)
    assert {one.sid for one in found} == sent
    assert len(listener(stage).commands()) == 0
    assert listener(stage).counts.duplicates > 0


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_command_whose_signature_is_not_ours_never_arrives(
    set_stage: OpenStage, vendor: str
) -> None:
    """The same URL, but called by another account, whose secret the receiver does not know."""
    stage, world = await set_scene(set_stage, Way(vendor, "supersim", "sms"))
    sub = world.subaccounts[world.add_subaccount().account_sid]
    url = listener(stage).commands_url(vendor, "supersim")
    fleet = sub.add_fleet("theirs", sms_commands_url=url)
    sim = sub.add_sim("supersim", status="active", fleet_sid=fleet.sid)
    sub.send_command("supersim", sim.sid, "let me in")
    await stage.clock.advance(60)
    counts = listener(stage).counts
    assert (counts.accepted, len(listener(stage).commands())) == (0, 0)
    assert counts.refused >= 1


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_commands_and_updates_share_a_receiver(set_stage: OpenStage, vendor: str) -> None:
    stage, world = await set_scene(set_stage, Way(vendor, "supersim", "sms"))
    changing = await stage.start(stage.sims.update_and_wait(stage.sids[1], status="active"))
    world.send_command("supersim", "fridge", "ping")
    (command,) = await take(stage, 1)
    assert command.sim_sid == stage.sid
    sent = stage.client.supersim.sms_commands.send_and_wait(sim=stage.sid, payload="pong")
    assert (await stage.play(sent)).status == "sent"
    assert (await stage.play(changing)).status == "active"
    assert len(listener(stage).commands()) == 0

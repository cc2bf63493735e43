"""Super SIM SMS and IP Commands, in both directions."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Literal

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Faults
from tests.emulator.api import Api, Listener

SMS, IP = "/v1/SmsCommands", "/v1/IpCommands"
SENT, CONFIRMED = 2.0, 5.0


def active(api: Api, status: str = "active", **fields: Any) -> Any:
    fleet = next(iter(api.world.fleets))
    return api.world.add_sim("supersim", **{"status": status, "fleet_sid": fleet, **fields})


async def test_a_text_message_calls_back_at_each_status(
    any_supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    sim = active(any_supersim, unique_name="one")
    got = await any_supersim.post(SMS, Sim="one", Payload="hello", CallbackUrl=listener.url)
    assert (got.status, got.body["status"], got.body["payload"]) == (201, "queued", "hello")
    await clock.advance(CONFIRMED)
    sid = got.body["sid"]
    assert (await any_supersim.get(f"{SMS}/{sid}")).body["status"] == "delivered"
    assert [call.params["Status"] for call in listener.calls] == ["sent", "delivered"]
    # The captured callback's names; the payload keeps its older name, too.
    assert listener.calls[1].params == {
        "Status": "delivered",
        "ApiVersion": "v1",
        "Command": "hello",
        "Payload": "hello",
        "PayloadType": "text",
        "SimSid": sim.sid,
        "SimUniqueName": "one",
        "Direction": "to_sim",
        "CommandSid": sid,
        "AccountSid": sim.account_sid,
    }


async def test_a_message_stays_sent_when_nothing_confirms_it_for_a_day(
    supersim: Api, clock: ManualClock
) -> None:
    sim = active(supersim)
    supersim.world.detach("supersim", sim.sid)
    sid = (await supersim.post(SMS, Sim=sim.sid, Payload="x")).body["sid"]
    await clock.advance(25 * 3600)
    supersim.world.attach("supersim", sim.sid)
    await clock.advance(3600)
    assert (await supersim.get(f"{SMS}/{sid}")).body["status"] == "sent"


async def test_five_messages_make_a_ready_sim_active_and_ip_commands_do_not(
    any_supersim: Api, clock: ManualClock
) -> None:
    api = any_supersim
    sim = active(api, status="ready")
    for _ in range(5):
        api.world.send_command("supersim", sim.sid, "aGk=", transport="ip")
    for _ in range(4):
        await api.post(SMS, Sim=sim.sid, Payload="x")
    await clock.advance(CONFIRMED)
    assert api.sim(sim.sid).status == "ready"
    api.world.send_command("supersim", sim.sid, "x")
    assert api.sim(sim.sid).status == "active"


async def test_an_ip_command_is_sent_and_shows_the_device_address(
    any_supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    sim = active(any_supersim)
    got = await any_supersim.post(
        IP, Sim=sim.sid, Payload="hello", DevicePort=7000, CallbackUrl=listener.url
    )
    assert (got.status, got.body["status"], got.body["device_ip"]) == (201, "queued", None)
    assert (got.body["device_port"], got.body["payload_type"]) == (7000, "text")
    assert got.body["sim_iccid"] == sim.iccid
    await clock.advance(60)
    body = (await any_supersim.get(f"{IP}/{got.body['sid']}")).body
    (address,) = await any_supersim.rows(f"/v1/Sims/{sim.sid}/IpAddresses")
    assert (body["status"], body["device_ip"]) == ("sent", address["ip_address"])
    (call,) = listener.calls
    assert call.params["DeviceIp"] == address["ip_address"]
    assert call.params["DevicePort"] == "7000"


async def test_the_address_may_appear_before_the_command_is_sent(supersim: Api) -> None:
    supersim.emulator.behaviour = Behaviour(ip_command_shows_address=True)
    sim = active(supersim)
    got = await supersim.post(IP, Sim=sim.sid, Payload="x", DevicePort=7)
    assert got.body["device_ip"].startswith("100.")


@pytest.mark.parametrize(("detached", "code"), [(True, "83401"), (False, "83400")])
async def test_a_failed_ip_command_has_an_error(
    supersim: Api, clock: ManualClock, listener: Listener, detached: bool, code: str
) -> None:
    sim = active(supersim)
    if detached:
        supersim.world.detach("supersim", sim.sid)
    else:
        supersim.emulator.faults = Faults(failing_commands=1.0)
    got = await supersim.post(IP, Sim=sim.sid, Payload="x", DevicePort=7, CallbackUrl=listener.url)
    await clock.advance(SENT)
    assert (await supersim.get(f"{IP}/{got.body['sid']}")).body["status"] == "failed"
    (call,) = listener.calls
    assert (call.params["Status"], call.params["ErrorCode"]) == ("failed", code)


async def test_a_rejected_ip_callback_is_83402_in_the_log(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    listener.statuses.append(404)
    sim = active(supersim)
    await supersim.post(IP, Sim=sim.sid, Payload="x", DevicePort=7, CallbackUrl=listener.url)
    await clock.advance(SENT + 1)
    assert [one.code for one in supersim.emulator.deliveries] == [83402]


@pytest.mark.parametrize(
    ("path", "form", "status", "code"),
    [
        (SMS, {"Payload": "x"}, 400, 20002),
        (SMS, {"Sim": "one"}, 400, 20002),
        (SMS, {"Sim": "missing", "Payload": "x"}, 404, 83005),
        (SMS, {"Sim": "one", "Payload": "x" * 161}, 400, 20001),
        (SMS, {"Sim": "idle", "Payload": "x"}, 400, 20001),
        (SMS, {"Sim": "mute", "Payload": "x"}, 400, 20001),
        (IP, {"Sim": "one", "Payload": "x"}, 400, 20002),
        (IP, {"Sim": "one", "Payload": "x", "DevicePort": "0"}, 400, 20001),
        (IP, {"Sim": "one", "Payload": "x", "DevicePort": "65536"}, 400, 20001),
        (IP, {"Sim": "one", "Payload": "x" * 1301, "DevicePort": "7"}, 400, 20001),
        (
            IP,
            {"Sim": "one", "Payload": "?", "PayloadType": "binary", "DevicePort": "7"},
            400,
            20001,
        ),
        (IP, {"Sim": "missing", "Payload": "x", "DevicePort": "7"}, 404, 83005),
        (IP, {"Sim": "idle", "Payload": "x", "DevicePort": "7"}, 400, 83400),
        (IP, {"Sim": "mute", "Payload": "x", "DevicePort": "7"}, 400, 83400),
    ],
)
async def test_every_rejection_has_its_code(
    supersim: Api, path: str, form: dict[str, str], status: int, code: int
) -> None:
    active(supersim, unique_name="one")
    active(supersim, status="inactive", unique_name="idle")
    mute = supersim.world.add_fleet("mute", sms_commands_enabled=False, data_enabled=False)
    active(supersim, unique_name="mute", fleet_sid=mute.sid)
    got = await supersim.post(path, **form)
    assert (got.status, got.code) == (status, code)


async def test_the_longest_payloads_are_accepted(supersim: Api) -> None:
    sim = active(supersim)
    assert (await supersim.post(SMS, Sim=sim.sid, Payload="x" * 160)).status == 201
    payload = b64encode(b"x" * 1300).decode()
    form = {"Sim": sim.sid, "DevicePort": 1, "PayloadType": "binary", "Payload": payload}
    assert (await supersim.post(IP, **form)).status == 201


@pytest.mark.parametrize("transport", ["sms", "ip"])
async def test_a_devices_command_is_sent_to_the_url_of_its_fleet(
    any_supersim: Api,
    clock: ManualClock,
    listener: Listener,
    transport: Literal["sms", "ip"],
) -> None:
    world = any_supersim.world
    fleet = world.add_fleet("called", **{f"{transport}_commands_url": listener.url})
    sim = active(any_supersim, fleet_sid=fleet.sid)
    command = world.send_command("supersim", sim.sid, "aGk=", transport=transport)
    await clock.advance(1)
    (call,) = listener.calls
    assert call.method == "POST"
    expected = {
        "Status": "received", "Direction": "from_sim", "CommandSid": command.sid,
        "SimSid": sim.sid, "Payload": "aGk=",
        "PayloadType": "text" if transport == "sms" else "binary",
    }  # fmt: skip
    assert call.params | expected == call.params
    assert call.headers.keys() & {"x-twilio-signature", "kore-signature"}


async def test_a_devices_command_is_received_even_without_a_url(
    supersim: Api, clock: ManualClock
) -> None:
    sim = active(supersim, fleet_sid=None)
    sid = supersim.world.send_command("supersim", sim.sid, "x").sid
    assert (await supersim.get(f"{SMS}/{sid}")).body["status"] == "received"
    await clock.advance(1)
    assert list(supersim.emulator.deliveries) == []


async def test_commands_are_filtered_and_kores_ip_pages_are_small(kore_supersim: Api) -> None:
    api = kore_supersim
    one, two = active(api), active(api)
    first = (await api.post(IP, Sim=one.sid, Payload="x", DevicePort=7)).body["sid"]
    second = api.world.send_command("supersim", two.sid, "aGk=", transport="ip").sid
    assert [row["sid"] for row in await api.rows(IP)] == [second, first]
    assert [row["sid"] for row in await api.rows(IP, SimIccid=one.iccid)] == [first]
    assert [row["sid"] for row in await api.rows(IP, Sim=two.sid)] == [second]
    assert [row["sid"] for row in await api.rows(IP, Status="received")] == [second]
    assert (await api.get(IP, PageSize=100)).status == 200
    assert (await api.get(IP, PageSize=101)).status == 400
    assert (await api.get(SMS, PageSize=1000)).status == 200

"""Programmable Wireless Commands: delivery, callbacks, counting, retention."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Faults
from tests.emulator.api import Api, Listener

COMMANDS = "/v1/Commands"
SENT, CONFIRMED = 2.0, 5.0
"""Seconds from the request: the default latencies."""


def active(api: Api, status: str = "active", **fields: Any) -> Any:
    plan = next(iter(api.world.rate_plans))
    return api.world.add_sim("wireless", status=status, rate_plan_sid=plan, **fields)


async def status_of(api: Api, sid: str) -> str:
    return str((await api.get(f"{COMMANDS}/{sid}")).body["status"])


async def test_a_command_is_queued_sent_and_delivered(
    any_wireless: Api, clock: ManualClock
) -> None:
    sim = active(any_wireless)
    got = await any_wireless.post(COMMANDS, Sim=sim.sid, Command="hello")
    assert got.status == 201
    sid = got.body["sid"]
    assert (got.body["status"], got.body["direction"]) == ("queued", "to_sim")
    assert (got.body["command"], got.body["transport"]) == ("hello", "sms")
    await clock.advance(SENT)
    assert await status_of(any_wireless, sid) == "sent"
    await clock.advance(CONFIRMED - SENT)
    assert await status_of(any_wireless, sid) == "delivered"


async def test_without_a_receipt_request_it_stays_sent(wireless: Api, clock: ManualClock) -> None:
    active(wireless, unique_name="one")
    got = await wireless.post(COMMANDS, Sim="one", Command="x", DeliveryReceiptRequested="false")
    assert got.body["delivery_receipt_requested"] is False
    await clock.advance(86400)
    assert await status_of(wireless, got.body["sid"]) == "sent"


async def test_each_step_calls_back(
    any_wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    sim = active(any_wireless, unique_name="one")
    got = await any_wireless.post(COMMANDS, Sim="one", Command="hello", CallbackUrl=listener.url)
    await clock.advance(CONFIRMED)
    assert [call.params["Status"] for call in listener.calls] == ["sent", "delivered"]
    assert listener.calls[0].params == {
        "CommandSid": got.body["sid"],
        "SimSid": sim.sid,
        "SimUniqueName": "one",
        "Command": "hello",
        "CommandMode": "text",
        "Direction": "to_sim",
        "Status": "sent",
        "ApiVersion": "v1",
        "AccountSid": sim.account_sid,
    }


async def test_the_statuses_that_call_back_are_a_setting(
    wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    wireless.emulator.behaviour = Behaviour(wireless_command_callbacks=frozenset({"delivered"}))
    sim = active(wireless)
    await wireless.post(COMMANDS, Sim=sim.sid, Command="hello", CallbackUrl=listener.url)
    await clock.advance(CONFIRMED)
    assert [call.params["Status"] for call in listener.calls] == ["delivered"]


async def test_a_failed_command_has_status_failed(
    wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    wireless.emulator.faults = Faults(failing_commands=1.0)
    sim = active(wireless)
    got = await wireless.post(COMMANDS, Sim=sim.sid, Command="hello", CallbackUrl=listener.url)
    await clock.advance(CONFIRMED)
    assert await status_of(wireless, got.body["sid"]) == "failed"
    (call,) = listener.calls
    assert (call.params["Status"], call.params["ErrorCode"]) == ("failed", "33000")


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"Sim": "one"}, 400, 33102),
        ({"Command": "x"}, 400, 33102),
        ({"Sim": "missing", "Command": "x"}, 404, 33107),
        ({"Sim": "idle", "Command": "x"}, 400, 33104),
        ({"Sim": "one", "Command": "x" * 161}, 400, 33111),
        ({"Sim": "one", "Command": "x" * 129, "IncludeSid": "start"}, 400, 33111),
        ({"Sim": "one", "Command": "QQ==" * 64, "CommandMode": "binary"}, 400, 33101),
        ({"Sim": "one", "Command": "QUFB" * 47, "CommandMode": "binary"}, 400, 33111),
        ({"Sim": "one", "Command": "x", "IncludeSid": "middle"}, 400, 33101),
        ({"Sim": "one", "Command": "x", "DeliveryReceiptRequested": "maybe"}, 400, 33101),
        ({"Sim": "one", "Command": "x", "CallbackUrl": "nowhere"}, 400, 11100),
        ({"Sim": "mute", "Command": "x"}, 403, 33201),
    ],
)
async def test_every_rejection_has_its_code(
    wireless: Api, form: dict[str, str], status: int, code: int
) -> None:
    active(wireless, unique_name="one")
    active(wireless, status="suspended", unique_name="idle")
    mute = wireless.world.add_rate_plan("mute", messaging_enabled=False)
    wireless.world.add_sim("wireless", status="active", unique_name="mute", rate_plan_sid=mute.sid)
    got = await wireless.post(COMMANDS, **form)
    assert (got.status, got.code) == (status, code)


async def test_the_longest_commands_are_accepted(wireless: Api) -> None:
    active(wireless, unique_name="one")
    for form in (
        {"Command": "x" * 160},
        {"Command": "x" * 128, "IncludeSid": "end"},
        {"Command": "QUFB" * 46 + "QUE=", "CommandMode": "binary"},
    ):
        assert (await wireless.post(COMMANDS, Sim="one", **form)).status == 201


async def test_a_narrowband_sim_has_at_most_a_hundred_queued_commands(wireless: Api) -> None:
    sim = active(wireless, narrowband=True)
    for _ in range(100):
        assert (await wireless.post(COMMANDS, Sim=sim.sid, Command="x")).status == 201
    assert (await wireless.post(COMMANDS, Sim=sim.sid, Command="x")).code == 33118


async def test_the_fifth_command_makes_a_ready_sim_active(
    any_wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    api = any_wireless
    sid = api.sims[0].sid
    await api.update(sid, Status="ready", CallbackUrl=listener.url)
    await clock.advance(20)
    for _ in range(2):
        await api.post(COMMANDS, Sim=sid, Command="x")
        await clock.advance(CONFIRMED)
    for _ in range(2):
        api.world.send_command("wireless", sid, "y")
    assert api.sim(sid).status == "ready"
    api.world.send_command("wireless", sid, "y")
    assert api.sim(sid).status == "active"
    await clock.advance(1)
    # The second callback of the update that made it ready.
    assert listener.received_statuses == ["ready", "active"]


async def test_the_directions_that_count_are_a_setting(wireless: Api) -> None:
    wireless.emulator.behaviour = Behaviour(wireless_counted_commands=frozenset({"to_sim"}))
    sim = active(wireless, status="ready")
    for _ in range(6):
        wireless.world.send_command("wireless", sim.sid, "y")
    assert wireless.sim(sim.sid).status == "ready"


async def test_a_device_off_the_network_confirms_when_it_is_back(
    wireless: Api, clock: ManualClock
) -> None:
    sim = active(wireless)
    wireless.world.detach("wireless", sim.sid)
    got = await wireless.post(COMMANDS, Sim=sim.sid, Command="x")
    await clock.advance(3600)
    assert await status_of(wireless, got.body["sid"]) == "sent"
    wireless.world.attach("wireless", sim.sid)
    await clock.advance(600)
    assert await status_of(wireless, got.body["sid"]) == "delivered"


async def test_a_devices_command_is_received_and_called_back(
    any_wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    sim = active(any_wireless, commands_callback_url=listener.url, commands_callback_method="GET")
    command = any_wireless.world.send_command("wireless", sim.sid, "hi & bye")
    await clock.advance(1)
    (call,) = listener.calls
    assert (call.method, call.params["Command"], call.params["Status"]) == (
        "GET",
        "hi & bye",
        "received",
    )
    assert call.params["CommandSid"] == command.sid
    rows = await any_wireless.rows(COMMANDS, Direction="from_sim")
    assert [row["sid"] for row in rows] == [command.sid]


async def test_commands_are_filtered(wireless: Api, clock: ManualClock) -> None:
    one, two = active(wireless, unique_name="one"), active(wireless)
    first = (await wireless.post(COMMANDS, Sim=one.sid, Command="x")).body["sid"]
    await clock.advance(CONFIRMED)
    second = (await wireless.post(COMMANDS, Sim=two.sid, Command="x")).body["sid"]

    async def found(**query: str) -> list[str]:
        return [row["sid"] for row in await wireless.rows(COMMANDS, **query)]

    assert await found() == [second, first]
    assert await found(Sim="one") == [first]
    assert await found(Sim="missing") == []
    assert await found(Status="queued") == [second]
    assert await found(Transport="ip") == []
    assert (await wireless.get(COMMANDS, Status="lost")).code == 33101


async def test_a_deleted_command_is_never_sent(
    any_wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    sim = active(any_wireless)
    got = await any_wireless.post(COMMANDS, Sim=sim.sid, Command="x", CallbackUrl=listener.url)
    assert (await any_wireless.delete(got.body["sid"], COMMANDS)).status == 204
    await clock.advance(CONFIRMED)
    assert listener.calls == []
    assert (await any_wireless.get(f"{COMMANDS}/{got.body['sid']}")).status == 404


async def test_kore_may_use_its_other_statuses(kore_wireless: Api) -> None:
    kore_wireless.emulator.behaviour = Behaviour(
        kore_command_create_status=202, kore_command_delete_status=202
    )
    sim = active(kore_wireless)
    got = await kore_wireless.post(COMMANDS, Sim=sim.sid, Command="x")
    assert got.status == 202
    assert (await kore_wireless.delete(got.body["sid"], COMMANDS)).status == 202


async def test_commands_are_kept_for_thirty_days(wireless: Api, clock: ManualClock) -> None:
    sim = active(wireless)
    sid = wireless.world.send_command("wireless", sim.sid, "y").sid
    await clock.advance(30 * 86400)
    assert await status_of(wireless, sid) == "received"
    await clock.advance(1)
    assert (await wireless.get(f"{COMMANDS}/{sid}")).status == 404
    assert await wireless.rows(COMMANDS) == []

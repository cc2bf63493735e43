"""Twilio's own SDK, blocking and async, carries out every operation of both products."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, World
from tests.parity.documents import operations

# The SDK logs in by a parameter that aiohttp 3.14 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Do = Callable[..., Coroutine[Any, Any, Any]]
DAY = 86400.0


@pytest.fixture(params=["blocking", "asynchronous"])
def sdk(request: pytest.FixtureRequest) -> tuple[Any, Do]:
    """A client, and a function that calls its methods."""

    async def in_a_thread(owner: Any, verb: str, *args: Any, **keywords: Any) -> Any:
        return await asyncio.to_thread(getattr(owner, verb), *args, **keywords)

    async def awaited(owner: Any, verb: str, *args: Any, **keywords: Any) -> Any:
        return await getattr(owner, f"{verb}_async")(*args, **keywords)

    do = in_a_thread if request.param == "blocking" else awaited
    return request.getfixturevalue(request.param), do


def shown(rows: list[Any]) -> list[Any]:
    """What identifies rows: their SIDs, else all fields."""
    return [getattr(row, "sid", None) or vars(row).get("period") or str(row) for row in rows]


async def listed(do: Do, resource: Any, **filters: Any) -> list[Any]:
    """All rows, read once in one page and once in pages of one."""
    rows: list[Any] = await do(resource, "list", **filters)
    assert rows, resource
    assert shown(await do(resource, "list", page_size=1, **filters)) == shown(rows)
    page = await do(resource, "page", page_size=1, **filters)
    assert shown(list(page)) == shown(rows[:1])
    return rows


async def rate_plans(v1: Any, do: Do) -> None:
    plan = await do(
        v1.rate_plans, "create", unique_name="mine", data_limit=5, international_roaming=["data"]
    )
    assert (plan.unique_name, plan.data_limit) == ("mine", 5)
    assert (await do(plan, "update", friendly_name="Mine")).friendly_name == "Mine"
    assert (await do(v1.rate_plans("mine"), "fetch")).international_roaming == ["data"]
    assert len(await listed(do, v1.rate_plans)) == 3
    assert await do(plan, "delete")


async def wireless_sims(v1: Any, do: Do, world: World) -> None:
    sids = list(world.sims("wireless"))
    assert {row.sid for row in await listed(do, v1.sims)} == set(sids)
    sim = await do(v1.sims(sids[0]), "fetch")
    assert (await do(sim, "update", friendly_name="one")).friendly_name == "one"
    assert await do(v1.sims(sids[-1]), "delete")


async def commands(v1: Any, do: Do, world: World) -> None:
    sim = world.add_sim("wireless", status="active", unique_name="talker")
    world.send_command("wireless", sim.sid, "from the device")
    command = await do(v1.commands, "create", "hello", sim="talker", callback_method="GET")
    assert (command.status, command.direction) == ("queued", "to_sim")
    assert len(await listed(do, v1.commands, sim="talker")) == 2
    assert (await do(v1.commands(command.sid), "fetch")).command == "hello"
    assert await do(command, "delete")


async def wireless_usage(v1: Any, do: Do, world: World) -> None:
    sim = next(one for one in world.sims("wireless").values() if one.status == "active")
    context = v1.sims(sim.sid)
    sessions = await listed(do, context.data_sessions)
    total = sum(one.packets_uploaded + one.packets_downloaded for one in sessions)
    rows = await listed(do, context.usage_records, granularity="daily")
    assert sum(row.data["total"] for row in rows) == total
    start = datetime(2026, 1, 1, tzinfo=UTC)
    (row,) = await listed(do, v1.usage_records, start=start, granularity="all")
    assert row.data["total"] >= total
    assert row.commands["from_sim"] == 1


async def supersim_sims(v1: Any, do: Do, world: World) -> None:
    card = world.registrable[0]
    sim = await do(v1.sims, "create", card.iccid, card.registration_code)
    assert (await do(sim, "update", unique_name="mine")).unique_name == "mine"
    assert (await do(v1.sims("mine"), "fetch")).iccid == card.iccid
    assert len(await listed(do, v1.sims)) == len(world.sims("supersim"))


async def networks(v1: Any, do: Do, world: World) -> None:
    rows = await listed(do, v1.networks)
    (one,) = await listed(do, v1.networks, mcc="310", mnc="410")
    assert (await do(v1.networks(one.sid), "fetch")).iso_country == "US"
    profile = await do(
        v1.network_access_profiles, "create", unique_name="mine", networks=[rows[0].sid, one.sid]
    )
    own = v1.network_access_profiles(profile.sid).networks
    assert {row.sid for row in await listed(do, own)} == {rows[0].sid, one.sid}
    added = await do(own, "create", rows[1].sid)
    assert (await do(own(added.sid), "fetch")).network_access_profile_sid == profile.sid
    assert await do(added, "delete")
    assert (await do(profile, "update", unique_name="ours")).unique_name == "ours"
    assert (await do(v1.network_access_profiles("ours"), "fetch")).sid == profile.sid
    assert len(await listed(do, v1.network_access_profiles)) == 2


async def fleets(v1: Any, do: Do) -> None:
    fleet = await do(v1.fleets, "create", "ours", unique_name="mine", data_limit=7)
    assert (await do(fleet, "update", data_limit=8)).data_limit == 8
    assert (await do(v1.fleets("mine"), "fetch")).sid == fleet.sid
    assert len(await listed(do, v1.fleets)) == 3
    assert shown(await listed(do, v1.fleets, network_access_profile="ours")) == [fleet.sid]


async def supersim_commands(v1: Any, do: Do, sim: str) -> None:
    sms = await do(v1.sms_commands, "create", sim, "hello")
    assert (await do(v1.sms_commands(sms.sid), "fetch")).payload == "hello"
    assert shown(await listed(do, v1.sms_commands)) == [sms.sid]
    ip = await do(v1.ip_commands, "create", sim, "hello", 7000, payload_type="text")
    assert (await do(v1.ip_commands(ip.sid), "fetch")).device_port == 7000
    assert shown(await listed(do, v1.ip_commands)) == [ip.sid]


async def esim_profiles(v1: Any, do: Do, clock: ManualClock) -> None:
    profile = await do(v1.esim_profiles, "create", generate_matching_id=True)
    assert profile.status == "new"
    await clock.advance(60)
    fetched = await do(v1.esim_profiles(profile.sid), "fetch")
    assert fetched.activation_code.startswith("1$SM-DP-PLUS.")
    assert shown(await listed(do, v1.esim_profiles, status="available")) == [profile.sid]


async def supersim_usage(v1: Any, do: Do, sim: str) -> None:
    assert len(await listed(do, v1.settings_updates)) == 2
    assert len(await listed(do, v1.sims(sim).sim_ip_addresses)) == 1
    assert len(await listed(do, v1.sims(sim).billing_periods)) == 1
    (whole,) = await listed(do, v1.usage_records)
    rows = await listed(do, v1.usage_records, group="network", granularity="day")
    assert sum(row.data_total for row in rows) == whole.data_total > 0


def template_of(path: str, method: str) -> str | None:
    """The documented path template of a request path."""
    for operation in operations():
        pattern = re.sub(r"\{\w+\}", "[^/]+", operation.path)
        if operation.method == method.lower() and re.fullmatch(pattern, path):
            return operation.path
    return None


async def test_all_forty_seven_operations_work(
    emulator: Emulator, sdk: tuple[Any, Do], clock: ManualClock
) -> None:
    client, do = sdk
    world = emulator.world("twilio")
    sim = world.add_sim("supersim", status="active", fleet_sid=next(iter(world.fleets)))
    wireless, supersim = client.wireless.v1, client.supersim.v1
    await rate_plans(wireless, do)
    await wireless_sims(wireless, do, world)
    await commands(wireless, do, world)
    await supersim_sims(supersim, do, world)
    await networks(supersim, do, world)
    await fleets(supersim, do)
    await supersim_commands(supersim, do, sim.sid)
    await esim_profiles(supersim, do, clock)
    await clock.advance(10 * DAY)
    await wireless_usage(wireless, do, world)
    await supersim_usage(supersim, do, sim.sid)
    done = {
        (one.product, one.method.lower(), template_of(one.path, one.method))
        for one in emulator.requests
    }
    every = {
        (one.product, one.method, one.path)
        for one in operations()
        if one.document in ("twilio_wireless_v1", "twilio_supersim_v1")
    }
    assert len(every) == 47
    assert done == every


async def test_the_sdk_reads_monitor_events(
    emulator: Emulator, sdk: tuple[Any, Do], clock: ManualClock
) -> None:
    client, do = sdk
    sids = list(emulator.world("twilio").sims("wireless"))
    for sid in sids[:2]:
        await do(client.wireless.v1.sims(sid), "update", status="active")
    await clock.advance(60)
    events = client.monitor.v1.events
    assert len(await listed(do, events)) == 2
    (one,) = await listed(do, events, resource_sid=sids[0])
    fetched = await do(events(one.sid), "fetch")
    assert fetched.event_data["resource_properties"]["status"]["updated"] == "active"

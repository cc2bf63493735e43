"""Lifecycles of Fleets, RatePlans, NetworkAccessProfiles and Networks."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import Client, Conflict, NotFound, OutcomeUnknown
from asyncsim.emulator import Behaviour, Faults
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness


@pytest.fixture(params=["twilio", "kore"])
async def harness(request: pytest.FixtureRequest, start_harness: OpenHarness) -> Harness:
    return await start_harness(Api(request.param, "supersim"))


@pytest.fixture
def client(harness: Harness) -> Client:
    return harness.client


async def names(pager: Any) -> list[str]:
    return [one.unique_name async for one in pager]


async def test_a_fleet_is_created_fetched_and_updated(harness: Harness, client: Client) -> None:
    fleets = client.supersim.fleets
    created = await fleets.create(
        network_access_profile="default",
        unique_name="depot 7/left",
        data_limit=500,
        sms_commands_enabled=False,
        ip_commands_url="https://example.com/ip?a=1&b=2",
        ip_commands_method="GET",
    )
    assert (created.data_limit, created.sms_commands_enabled, created.data_enabled) == (
        500,
        False,
        True,
    )
    assert (created.ip_commands_url, created.ip_commands_method) == (
        "https://example.com/ip?a=1&b=2",
        "GET",
    )
    assert await fleets.fetch(created.sid) == await fleets.fetch("depot 7/left") == created
    await harness.clock.advance(60)
    changed = await fleets.update(
        "depot 7/left", data_limit=1_000_000, ip_commands_url=None, unique_name="depot 8"
    )
    assert (changed.sid, changed.data_limit, changed.unique_name) == (
        created.sid,
        1_000_000,
        "depot 8",
    )
    assert not changed.ip_commands_url
    assert changed.date_updated is not None
    assert created.date_created is not None
    assert (changed.date_updated - created.date_created).total_seconds() == 60
    assert set(await names(fleets.list())) == {"default", "other", "depot 8"}


async def test_sims_are_moved_to_a_new_fleet_and_listed_by_it(
    harness: Harness, client: Client
) -> None:
    created = await client.supersim.fleets.create(
        network_access_profile="default", unique_name="fresh"
    )
    changed = client.supersim.sims.update_and_wait(harness.sid, fleet="fresh", status="active")
    assert (await harness.complete(changed)).fleet_sid == created.sid
    (found,) = await client.supersim.sims.list(fleet="fresh")
    assert found.sid == harness.sid


async def test_a_profile_gains_and_loses_networks(client: Client) -> None:
    first, second, third, *_ = [one async for one in client.supersim.networks.list()]
    profiles = client.supersim.network_access_profiles
    networks = client.supersim.network_access_profile_networks
    profile = await profiles.create(unique_name="few", networks=[first.sid, second.sid])
    assert {one.sid async for one in networks.list(profile.sid)} == {first.sid, second.sid}
    added = await networks.create(profile.sid, network=third.sid)
    assert (added.sid, added.network_access_profile_sid) == (third.sid, profile.sid)
    assert added.identifiers == third.identifiers
    assert (await networks.fetch(profile.sid, third.sid)).friendly_name == third.friendly_name
    await networks.delete(profile.sid, first.sid)
    assert [one.sid async for one in networks.list("few")] == [second.sid, third.sid]
    with pytest.raises(NotFound):
        await networks.fetch(profile.sid, first.sid)
    assert (await profiles.update("few", unique_name="two")).sid == profile.sid
    assert set(await names(profiles.list())) == {"default", "two"}


async def test_fleets_are_listed_by_profile(client: Client) -> None:
    profile = await client.supersim.network_access_profiles.create(unique_name="few")
    fleet = await client.supersim.fleets.create(network_access_profile="few")
    (found,) = await client.supersim.fleets.list(network_access_profile="few")
    assert (found.sid, found.network_access_profile_sid) == (fleet.sid, profile.sid)
    moved = await client.supersim.fleets.update(fleet.sid, network_access_profile="default")
    assert moved.network_access_profile_sid != profile.sid
    assert len(await client.supersim.fleets.list(network_access_profile="few")) == 0


async def test_networks_are_found_by_country_and_code(client: Client) -> None:
    networks = client.supersim.networks
    (found,) = await networks.list(mcc="262", mnc="02")
    assert (found.friendly_name, found.iso_country) == ("Vodafone", "DE")
    assert {one.iso_country async for one in networks.list(iso_country="US")} == {"US"}
    assert await networks.fetch(found.sid) == found


async def test_a_rate_plan_is_created_updated_and_deleted(client: Client) -> None:
    plans = client.wireless.rate_plans
    plan = await plans.create(
        unique_name="travel",
        friendly_name="Travel",
        data_limit=250,
        messaging_enabled=True,
        international_roaming=["data", "messaging"],
        international_roaming_data_limit=50,
    )
    assert (plan.data_limit, plan.international_roaming_data_limit) == (250, 50)
    assert tuple(plan.international_roaming or ()) == ("data", "messaging")
    assert await plans.fetch("travel") == plan
    changed = await plans.update("travel", friendly_name=None, unique_name="trip")
    assert (changed.sid, changed.unique_name, changed.friendly_name) == (plan.sid, "trip", None)
    assert set(await names(plans.list())) == {"default", "other", "trip"}
    await plans.delete(plan.sid)
    with pytest.raises(NotFound):
        await plans.fetch("trip")


async def test_a_plan_can_be_deleted_once_no_sim_uses_it(harness: Harness, client: Client) -> None:
    plan = await client.wireless.rate_plans.create(unique_name="brief")
    (sim, *_) = await client.wireless.sims.list()
    await client.wireless.sims.update(sim.sid, rate_plan="brief")
    with pytest.raises(Conflict):
        await client.wireless.rate_plans.delete(plan.sid)
    await client.wireless.sims.update(sim.sid, rate_plan=None)
    await client.wireless.rate_plans.delete(plan.sid)


async def test_a_delete_whose_response_is_lost_succeeds(harness: Harness, client: Client) -> None:
    plan = await client.wireless.rate_plans.create(unique_name="brief")
    harness.emulator.faults = Faults(server_errors=0.7, share_processed=1.0, seed=4)
    await harness.complete(client.wireless.rate_plans.delete(plan.sid))
    harness.emulator.faults = Faults()
    assert set(await names(client.wireless.rate_plans.list())) == {"default", "other"}


async def test_a_create_whose_response_is_lost_is_found_by_name(
    harness: Harness, client: Client
) -> None:
    await client.supersim.fleets.list()  # at KORE: fetches the token
    harness.emulator.faults = Faults(dropped=1.0, share_processed=1.0)
    create = client.supersim.fleets.create
    with pytest.raises(OutcomeUnknown, match=r"fleets\.list\(\)"):
        await harness.complete(create(network_access_profile="default", unique_name="fresh"))
    harness.emulator.faults = Faults()
    assert (await client.supersim.fleets.fetch("fresh")).unique_name == "fresh"


async def test_a_deleted_command_is_never_sent(harness: Harness, client: Client) -> None:
    sims, commands = client.wireless.sims, client.wireless.commands
    (sim, *_) = await sims.list()
    await harness.complete(sims.update_and_wait(sim.sid, status="active"))
    command = await commands.create(command="wake up", sim=sim.sid)
    await commands.delete(command.sid)
    await harness.clock.advance(60)
    with pytest.raises(NotFound):
        await commands.fetch(command.sid)
    assert len(await commands.list()) == 0


async def test_every_success_status_that_kore_documents_is_accepted(
    start_harness: OpenHarness,
) -> None:
    behaviour = Behaviour(
        kore_rate_plan_create_status=202,
        kore_command_create_status=202,
        kore_command_delete_status=202,
    )
    harness = await start_harness(Api("kore", "wireless"), world={"behaviour": behaviour})
    client = harness.client
    plan = await client.wireless.rate_plans.create(unique_name="fresh")
    await harness.complete(
        client.wireless.sims.update_and_wait(harness.sid, status="active", rate_plan="fresh")
    )
    send = client.wireless.commands.send_and_wait
    command = await harness.complete(send(command="wake up", sim=harness.sid))
    await client.wireless.commands.delete(command.sid)
    assert (await client.wireless.sims.fetch(harness.sid)).rate_plan_sid == plan.sid
    assert len(await client.wireless.commands.list()) == 0

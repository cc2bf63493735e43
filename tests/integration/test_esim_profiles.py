"""ESimProfiles: reserved, downloaded, installed, and their SIMs."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import BadRequest, OutcomeUnknown, TransitionFailed
from asyncsim.emulator import Behaviour, Faults, Latency
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

EID = "89033023427100000000000000000123"
LATENCY = Latency(reserving=1.0, reservation=15.0, callback=0.0)
AVAILABLE = 16.0


@pytest.fixture(params=["twilio", "kore"])
def vendor(request: pytest.FixtureRequest) -> Any:
    return request.param


async def open_harness_for(start_harness: OpenHarness, vendor: Any, **settings: Any) -> Harness:
    world = {"latency": LATENCY, **settings.pop("world", {})}
    return await start_harness(Api(vendor, "supersim"), world=world, **settings)


@pytest.mark.parametrize("first", ["new", "reserving"])
@pytest.mark.parametrize("until", [None, "available", {"available"}])
@pytest.mark.parametrize("listens", [False, True])
async def test_a_profile_is_awaited_until_it_is_available(
    start_harness: OpenHarness, vendor: Any, until: Any, first: Any, *, listens: bool
) -> None:
    world = {"behaviour": Behaviour(esim_first_status=first)}
    harness = await open_harness_for(start_harness, vendor, listens=listens, world=world)
    create = harness.client.supersim.esim_profiles.create_and_wait
    profile = await harness.complete(create(eid=EID, until=until))
    assert (profile.status, profile.eid) == ("available", EID)
    sim = await harness.sims.fetch(profile.sim_sid)
    assert (sim.status, sim.iccid) == ("new", profile.iccid)
    if listens:
        assert harness.clock.now() == (AVAILABLE if first == "new" else AVAILABLE - 1)


async def test_a_profile_without_an_eid_has_a_matching_id(
    start_harness: OpenHarness, vendor: Any
) -> None:
    harness = await open_harness_for(start_harness, vendor)
    create = harness.client.supersim.esim_profiles.create_and_wait
    profile = await harness.complete(create(generate_matching_id=True))
    host = profile.smdp_plus_address or ""
    assert profile.activation_code == f"1${host.upper()}${profile.matching_id}"
    assert host
    assert profile.matching_id
    assert profile.eid is None


@pytest.mark.parametrize("listens", [False, True])
async def test_a_failed_reservation_raises_the_vendors_reason(
    start_harness: OpenHarness, vendor: Any, *, listens: bool
) -> None:
    world = {"faults": Faults(failing_reservations=1.0)}
    harness = await open_harness_for(start_harness, vendor, listens=listens, world=world)
    before = len(harness.sids)
    create = harness.client.supersim.esim_profiles.create_and_wait
    with pytest.raises(TransitionFailed, match="No eSIM profiles are available") as caught:
        await harness.complete(create(eid=EID))
    assert caught.value.error_code == 83500
    assert caught.value.actual.sim_sid is None
    assert len(harness.sids) == before


@pytest.mark.parametrize("calls", [frozenset({"available"}), frozenset({"installed"})])
async def test_a_profile_is_awaited_until_a_device_has_installed_it(
    start_harness: OpenHarness, vendor: Any, calls: frozenset[str]
) -> None:
    world = {"behaviour": Behaviour(esim_callbacks=calls)}
    harness = await open_harness_for(start_harness, vendor, listens=True, world=world)
    profiles = harness.client.supersim.esim_profiles
    profile = await harness.complete(profiles.create_and_wait(eid=EID))
    waiting = await harness.start(
        profiles.await_transition(profile, until="installed", timeout=900)
    )
    emulated = harness.emulator.world(vendor)
    for status in ("downloaded", "installed"):
        await harness.clock.advance(60)
        assert not waiting.done(), status
        emulated.move_esim_profile(profile.sid, status)
    assert (await harness.complete(waiting)).status == "installed"


async def test_the_new_sim_can_be_activated(start_harness: OpenHarness, vendor: Any) -> None:
    harness = await open_harness_for(start_harness, vendor, listens=True)
    profile = await harness.complete(harness.client.supersim.esim_profiles.create_and_wait(eid=EID))
    changed = harness.sims.update_and_wait(profile.sim_sid, fleet="default", status="active")
    assert (await harness.complete(changed)).status == "active"
    assert profile.sim_sid
    (listed,) = await harness.client.supersim.esim_profiles.list(sim_sid=profile.sim_sid)
    assert listed.sid == profile.sid


async def test_a_profile_with_neither_eid_nor_matching_id_is_rejected(
    start_harness: OpenHarness, vendor: Any
) -> None:
    harness = await open_harness_for(start_harness, vendor)
    with pytest.raises(BadRequest) as caught:
        await harness.complete(harness.client.supersim.esim_profiles.create_and_wait())
    assert caught.value.code == 20002


async def test_a_lost_response_reserves_at_most_one_profile(
    start_harness: OpenHarness, vendor: Any
) -> None:
    harness = await open_harness_for(start_harness, vendor)
    profiles = harness.client.supersim.esim_profiles
    await profiles.list()  # at KORE: fetches the token
    harness.emulator.faults = Faults(server_errors=1.0, share_processed=1.0)
    with pytest.raises(OutcomeUnknown, match=r"esim_profiles\.list\(\)"):
        await harness.complete(profiles.create_and_wait(eid=EID))
    harness.emulator.faults = Faults()
    (found,) = await profiles.list(eid=EID)
    assert (await harness.complete(profiles.await_transition(found))).status == "available"

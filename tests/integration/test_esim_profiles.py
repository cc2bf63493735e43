"""ESimProfiles: reserved, downloaded, installed; and what becomes of their SIMs."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import BadRequest, OutcomeUnknown, TransitionFailed
from asyncsim.emulator import Behaviour, Faults, Latency
from tests.integration.conftest import OpenStage
from tests.integration.stage import Place, Stage

EID = "89033023427100000000000000000123"
LATENCY = Latency(reserving=1.0, reservation=15.0, callback=0.0)
AVAILABLE = 16.0


@pytest.fixture(params=["twilio", "kore"])
def vendor(request: pytest.FixtureRequest) -> Any:
    return request.param


async def set_scene(set_stage: OpenStage, vendor: Any, **settings: Any) -> Stage:
    world = {"latency": LATENCY, **settings.pop("world", {})}
    return await set_stage(Place(vendor, "supersim"), world=world, **settings)


@pytest.mark.parametrize("first", ["new", "reserving"])
@pytest.mark.parametrize("until", [None, "available", {"available"}])
@pytest.mark.parametrize("listens", [False, True])
async def test_a_profile_is_awaited_until_it_is_available(
    set_stage: OpenStage, vendor: Any, until: Any, first: Any, *, listens: bool
) -> None:
    world = {"behaviour": Behaviour(esim_first_status=first)}
    stage = await set_scene(set_stage, vendor, listens=listens, world=world)
    create = stage.client.supersim.esim_profiles.create_and_wait
    profile = await stage.play(create(eid=EID, until=until))
    assert (profile.status, profile.eid) == ("available", EID)
    sim = await stage.sims.fetch(profile.sim_sid)
    assert (sim.status, sim.iccid) == ("new", profile.iccid)
    if listens:
        assert stage.clock.now() == (AVAILABLE if first == "new" else AVAILABLE - 1)


async def test_a_profile_for_anybody_has_a_code_to_download_it_with(
    set_stage: OpenStage, vendor: Any
) -> None:
    stage = await set_scene(set_stage, vendor)
    create = stage.client.supersim.esim_profiles.create_and_wait
    profile = await stage.play(create(generate_matching_id=True))
    host = profile.smdp_plus_address or ""
    assert profile.activation_code == f"1${host.upper()}${profile.matching_id}"
    assert host
    assert profile.matching_id
    assert profile.eid is None


@pytest.mark.parametrize("listens", [False, True])
async def test_a_reservation_that_fails_says_why(
    set_stage: OpenStage, vendor: Any, *, listens: bool
) -> None:
    world = {"faults": Faults(failing_reservations=1.0)}
    stage = await set_scene(set_stage, vendor, listens=listens, world=world)
    before = len(stage.sids)
    create = stage.client.supersim.esim_profiles.create_and_wait
    with pytest.raises(TransitionFailed, match="No eSIM profiles are available") as caught:
        await stage.play(create(eid=EID))
    assert caught.value.error_code == 83500
    assert caught.value.actual.sim_sid is None
    assert len(stage.sids) == before


@pytest.mark.parametrize("calls", [frozenset({"available"}), frozenset({"installed"})])
async def test_a_profile_is_awaited_until_a_device_has_installed_it(
    set_stage: OpenStage, vendor: Any, calls: frozenset[str]
) -> None:
    world = {"behaviour": Behaviour(esim_callbacks=calls)}
    stage = await set_scene(set_stage, vendor, listens=True, world=world)
    profiles = stage.client.supersim.esim_profiles
    profile = await stage.play(profiles.create_and_wait(eid=EID))
    waiting = await stage.start(profiles.await_transition(profile, until="installed", timeout=900))
    emulated = stage.emulator.world(vendor)
    for status in ("downloaded", "installed"):
        await stage.clock.advance(60)
        assert not waiting.done(), status
        emulated.move_esim_profile(profile.sid, status)
    assert (await stage.play(waiting)).status == "installed"


async def test_the_new_sim_can_be_activated(set_stage: OpenStage, vendor: Any) -> None:
    stage = await set_scene(set_stage, vendor, listens=True)
    profile = await stage.play(stage.client.supersim.esim_profiles.create_and_wait(eid=EID))
    changed = stage.sims.update_and_wait(profile.sim_sid, fleet="default", status="active")
    assert (await stage.play(changed)).status == "active"
    assert profile.sim_sid
    (listed,) = await stage.client.supersim.esim_profiles.list(sim_sid=profile.sim_sid)
    assert listed.sid == profile.sid


async def test_neither_an_eid_nor_a_matching_id_is_refused(
    set_stage: OpenStage, vendor: Any
) -> None:
    stage = await set_scene(set_stage, vendor)
    with pytest.raises(BadRequest) as caught:
        await stage.play(stage.client.supersim.esim_profiles.create_and_wait())
    assert caught.value.code == 20002


async def test_a_lost_answer_reserves_one_profile_at_most(
    set_stage: OpenStage, vendor: Any
) -> None:
    stage = await set_scene(set_stage, vendor)
    profiles = stage.client.supersim.esim_profiles
    await profiles.list()  # at KORE: the token
    stage.emulator.faults = Faults(server_errors=1.0, share_processed=1.0)
    with pytest.raises(OutcomeUnknown, match=r"esim_profiles\.list\(\)"):
        await stage.play(profiles.create_and_wait(eid=EID))
    stage.emulator.faults = Faults()
    (found,) = await profiles.list(eid=EID)
    assert (await stage.play(profiles.await_transition(found))).status == "available"

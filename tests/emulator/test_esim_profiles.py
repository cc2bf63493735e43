"""eSIM profiles: reserved by the vendor, downloaded and installed by a device."""

from __future__ import annotations

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Faults
from tests.emulator.api import Api, Listener

PROFILES = "/v1/ESimProfiles"
EID = "89049032005008882600033489000000"
RESERVED = 16.0


async def test_a_reservation_creates_a_new_sim(
    any_supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    api = any_supersim
    got = await api.post(PROFILES, Eid=EID, CallbackUrl=listener.url)
    assert (got.status, got.body["status"], got.body["eid"]) == (201, "new", EID)
    assert (got.body["sim_sid"], got.body["smdp_plus_address"]) == (None, None)
    path = f"{PROFILES}/{got.body['sid']}"
    await clock.advance(1)
    assert (await api.get(path)).body["status"] == "reserving"
    await clock.advance(RESERVED - 1)
    body = (await api.get(path)).body
    sim = api.sim(body["sim_sid"])
    assert (body["status"], body["iccid"]) == ("available", sim.iccid)
    assert (sim.status, sim.fleet_sid) == ("new", None)
    assert body["smdp_plus_address"].startswith("sm-dp-plus.")
    assert (body["matching_id"], body["activation_code"]) == (None, None)
    (call,) = listener.calls
    assert call.params | {"ESimProfileSid": body["sid"], "Status": "available"} == call.params
    assert (await api.update(sim.sid, Fleet="default", Status="active")).status == 202


async def test_a_matching_id_comes_with_an_activation_code(
    supersim: Api, clock: ManualClock
) -> None:
    got = await supersim.post(PROFILES, GenerateMatchingId="true")
    assert (got.body["eid"], got.body["matching_id"]) == (None, None)
    await clock.advance(RESERVED)
    body = (await supersim.get(f"{PROFILES}/{got.body['sid']}")).body
    assert len(body["matching_id"]) == 29
    host = body["smdp_plus_address"].upper()
    assert body["activation_code"] == f"1${host}${body['matching_id']}"


async def test_the_first_status_is_a_setting(supersim: Api, clock: ManualClock) -> None:
    supersim.emulator.behaviour = Behaviour(esim_first_status="reserving")
    got = await supersim.post(PROFILES, Eid=EID)
    assert got.body["status"] == "reserving"
    await clock.advance(RESERVED)
    assert (await supersim.get(f"{PROFILES}/{got.body['sid']}")).body["status"] == "available"


async def test_a_device_downloads_and_installs_the_profile(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    supersim.emulator.behaviour = Behaviour(esim_callbacks=frozenset({"available", "downloaded"}))
    sid = (await supersim.post(PROFILES, Eid=EID, CallbackUrl=listener.url)).body["sid"]
    await clock.advance(RESERVED)
    supersim.world.move_esim_profile(sid, "downloaded")
    supersim.world.move_esim_profile(sid, "installed")
    await clock.advance(1)
    assert [call.params["Status"] for call in listener.calls] == ["available", "downloaded"]
    assert (await supersim.get(f"{PROFILES}/{sid}")).body["status"] == "installed"


async def test_without_a_free_profile_it_fails_with_83500(
    supersim: Api, clock: ManualClock
) -> None:
    supersim.emulator.faults = Faults(failing_reservations=1.0)
    before = len(supersim.sims)
    sid = (await supersim.post(PROFILES, Eid=EID)).body["sid"]
    await clock.advance(RESERVED)
    body = (await supersim.get(f"{PROFILES}/{sid}")).body
    assert (body["status"], body["error_code"]) == ("failed", "83500")
    assert body["error_message"]
    assert len(supersim.sims) == before


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 20002),
        ({"GenerateMatchingId": "false"}, 20002),
        ({"GenerateMatchingId": "yes"}, 20001),
        ({"Eid": EID, "CallbackUrl": "nowhere"}, 11100),
    ],
)
async def test_every_rejection_has_its_code(supersim: Api, form: dict[str, str], code: int) -> None:
    got = await supersim.post(PROFILES, **form)
    assert (got.status, got.code) == (400, code)


async def test_profiles_are_filtered(supersim: Api, clock: ManualClock) -> None:
    first = (await supersim.post(PROFILES, Eid=EID)).body["sid"]
    await clock.advance(RESERVED)
    second = (await supersim.post(PROFILES, GenerateMatchingId="true")).body["sid"]
    sim_sid = (await supersim.get(f"{PROFILES}/{first}")).body["sim_sid"]
    for query, found in (
        ({}, [second, first]),
        ({"Eid": EID}, [first]),
        ({"SimSid": sim_sid}, [first]),
        ({"Status": "new"}, [second]),
    ):
        assert [row["sid"] for row in await supersim.rows(PROFILES, **query)] == found

"""Super SIM Sims: asynchronous changes, and every rejection."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Faults
from tests.emulator.api import Api, Listener
from tests.emulator.conftest import TRANSITION


def add(api: Api, **fields: Any) -> Any:
    return api.emulator.world(api.vendor).add_sim(api.product, **fields)


def fleet(api: Api, name: str = "default") -> str:
    found = api.emulator.world(api.vendor).fleets.find(name)
    assert found is not None
    return found.sid


async def test_activation_is_accepted_with_202_and_settles_later(
    any_supersim: Api, clock: ManualClock
) -> None:
    api = any_supersim
    sid = api.sims[0].sid
    got = await api.update(sid, Status="active")
    assert (got.status, got.body["status"]) == (202, "scheduled")
    await clock.advance(TRANSITION - 0.001)
    assert (await api.get(f"/v1/Sims/{sid}")).body["status"] == "scheduled"
    await clock.advance(0.001)
    assert (await api.get(f"/v1/Sims/{sid}")).body["status"] == "active"


async def test_a_name_changes_at_once_and_the_empty_string_clears_it(supersim: Api) -> None:
    sid = supersim.sims[0].sid
    got = await supersim.update(sid, UniqueName="My SIM")
    assert (got.status, got.body["unique_name"], got.body["status"]) == (200, "My SIM", "new")
    got = await supersim.update(sid, UniqueName="")
    assert got.body["unique_name"] is None


async def test_the_fleet_of_a_new_sim_changes_at_once(supersim: Api) -> None:
    got = await supersim.update(supersim.sims[0].sid, Fleet="other")
    assert (got.status, got.body["fleet_sid"]) == (200, fleet(supersim, "other"))


async def test_the_fleet_of_an_active_sim_changes_only_when_it_settles(
    supersim: Api, clock: ManualClock
) -> None:
    sim = add(supersim, status="active", fleet_sid=fleet(supersim))
    got = await supersim.update(sim.sid, Fleet="other")
    assert (got.status, got.body["status"], got.body["fleet_sid"]) == (
        202,
        "scheduled",
        sim.fleet_sid,
    )
    await clock.advance(TRANSITION)
    assert supersim.sim(sim.sid).status == "active"
    assert supersim.sim(sim.sid).fleet_sid == fleet(supersim, "other")


async def test_status_and_fleet_may_change_in_one_request(
    supersim: Api, clock: ManualClock
) -> None:
    sim = add(supersim)
    got = await supersim.update(sim.sid, Status="ready", Fleet=fleet(supersim))
    assert (got.status, got.body["fleet_sid"]) == (202, None)
    await clock.advance(TRANSITION)
    settled = supersim.sim(sim.sid)
    assert (settled.status, settled.fleet_sid) == ("ready", fleet(supersim))


async def test_the_fleet_may_be_removed_together_with_deactivation(
    supersim: Api, clock: ManualClock
) -> None:
    sim = add(supersim, status="active", fleet_sid=fleet(supersim))
    assert (await supersim.update(sim.sid, Status="inactive", Fleet="")).status == 202
    await clock.advance(TRANSITION)
    settled = supersim.sim(sim.sid)
    assert (settled.status, settled.fleet_sid) == ("inactive", None)


async def test_an_update_to_the_current_values_changes_nothing(supersim: Api) -> None:
    sim = add(supersim, status="active", fleet_sid=fleet(supersim))
    account = supersim.emulator.credentials.account_sid
    got = await supersim.update(sim.sid, Status="active", Fleet="default", AccountSid=account)
    assert got.status == 200
    assert supersim.sim(sim.sid) == sim


@pytest.mark.parametrize(
    ("fields", "form", "status", "code"),
    [
        ({}, {"Status": "active"}, 400, 83007),
        ({}, {"Fleet": "nowhere"}, 404, 83006),
        ({}, {"Status": "inactive"}, 400, 83010),
        ({"status": "active", "fleet_sid": "default"}, {"Status": "ready"}, 400, 83010),
        ({"status": "active", "fleet_sid": "default"}, {"Fleet": ""}, 400, 83008),
        ({"status": "scheduled"}, {"Fleet": "other"}, 409, 83009),
        ({"status": "scheduled"}, {"Status": "active"}, 400, 83010),
        ({}, {"UniqueName": "taken"}, 409, 83011),
        ({}, {"Status": "new"}, 400, 20001),
        ({}, {"Status": "nonsense"}, 400, 20001),
        ({}, {"CallbackMethod": "PUT"}, 400, 20001),
        ({}, {"CallbackUrl": "not a url"}, 400, 11100),
        ({}, {"CallbackUrl": "http://[::1"}, 400, 11100),
        ({}, {"CallbackUrl": "http://127.0.0.1:99999/"}, 400, 11100),
        ({}, {"AccountSid": "AC" + "0" * 32}, 403, 20006),
    ],
)
async def test_every_rejection_has_its_code(
    supersim: Api, fields: dict[str, str], form: dict[str, str], status: int, code: int
) -> None:
    add(supersim, unique_name="taken")
    if "fleet_sid" in fields:
        fields = {**fields, "fleet_sid": fleet(supersim)}
    sim = add(supersim, **fields)
    got = await supersim.update(sim.sid, **form)
    assert (got.status, got.code) == (status, code)
    assert supersim.sim(sim.sid) == sim


async def test_the_http_status_of_a_code_is_a_setting(supersim: Api) -> None:
    supersim.emulator.behaviour = Behaviour(http_status={83007: 422})
    got = await supersim.update(add(supersim).sid, Status="active")
    assert (got.status, got.body["status"], got.code) == (422, 422, 83007)


async def test_a_card_can_be_registered_once(supersim: Api) -> None:
    card = supersim.emulator.world("twilio").registrable[0]
    form = {"Iccid": card.iccid, "RegistrationCode": card.registration_code}
    got = await supersim.post("/v1/Sims", **form)
    assert got.status == 201
    assert (
        got.body["iccid"],
        got.body["status"],
        got.body["fleet_sid"],
        got.body["unique_name"],
    ) == (
        card.iccid,
        "new",
        None,
        "",
    )
    second = await supersim.post("/v1/Sims", **form)
    assert (second.status, second.code) == (400, 83003)
    assert got.body["sid"] in second.body["message"]
    assert (await supersim.get(f"/v1/Sims/{got.body['sid']}")).body["unique_name"] is None


@pytest.mark.parametrize(
    ("iccid", "code", "expected"),
    [
        ("", "ABCDEFGHIJ", 83001),
        (None, "ABCDEFGHIJ", 83001),
        ("card", "", 83001),
        ("card", "WRONGCODE0", 83002),
        ("8988999000000000000", "ABCDEFGHIJ", 83002),
    ],
)
async def test_every_rejection_of_a_registration_has_its_code(
    supersim: Api, iccid: str | None, code: str, expected: int
) -> None:
    card = supersim.emulator.world("twilio").registrable[0]
    form = {"Iccid": card.iccid if iccid == "card" else iccid, "RegistrationCode": code}
    got = await supersim.post(
        "/v1/Sims", **{key: text for key, text in form.items() if text is not None}
    )
    assert (got.status, got.code) == (400, expected)


async def test_a_ready_sim_becomes_active_after_three_months(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    sid = supersim.sims[0].sid
    await supersim.update(sid, Status="ready", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    assert supersim.sim(sid).status == "ready"
    await clock.advance(90 * 86400 - 1)
    assert supersim.sim(sid).status == "ready"
    await clock.advance(1)
    assert supersim.sim(sid).status == "active"
    assert listener.received_statuses == ["ready"]  # unlike Programmable Wireless, once


async def test_a_failed_update_shows_only_as_the_old_status(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    supersim.emulator.faults = Faults(failing_updates=1.0)
    sim = add(supersim, status="active", fleet_sid=fleet(supersim))
    await supersim.update(sim.sid, Fleet="other", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    settled = supersim.sim(sim.sid)
    assert (settled.status, settled.fleet_sid) == ("active", sim.fleet_sid)
    assert set(listener.calls[0].params) == {"SimSid", "SimUniqueName", "SimStatus", "AccountSid"}


async def test_a_ready_sim_whose_update_failed_still_becomes_active_in_time(
    supersim: Api, clock: ManualClock
) -> None:
    sid = supersim.sims[0].sid
    await supersim.update(sid, Status="ready")
    await clock.advance(TRANSITION + 90 * 86400 - 5)
    supersim.emulator.faults = Faults(failing_updates=1.0)
    await supersim.update(sid, Status="inactive")
    await clock.advance(TRANSITION - 1)
    assert supersim.sim(sid).status == "scheduled"
    await clock.advance(1)
    assert supersim.sim(sid).status == "active"


@pytest.mark.parametrize("moves", [True, False])
async def test_whether_date_updated_moves_on_settling_is_a_setting(
    supersim: Api, clock: ManualClock, moves: bool
) -> None:
    supersim.emulator.behaviour = Behaviour(date_updated_moves_on_settle=moves)
    await clock.advance(5)
    sid = supersim.sims[0].sid
    got = await supersim.update(sid, Status="active")
    assert got.body["date_updated"] == "2026-01-01T00:00:05Z"
    await clock.advance(TRANSITION)
    settled = await supersim.get(f"/v1/Sims/{sid}")
    expected = "2026-01-01T00:00:25Z" if moves else "2026-01-01T00:00:05Z"
    assert settled.body["date_updated"] == expected

"""The response of an accepted change cannot be read: one field is not what the documents say."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import DecodeError, OutcomeUnknown, TransitionFailed, TransitionTimeout
from tests.http.server import Received, ScriptedResponse
from tests.resources.scripted import ScriptedApi, sid

HS, HC = sid("HS", "1"), sid("HC")
ACTIVE: Any = {"status": "active"}
D1, D2 = "2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"


def sim(status: str, **more: Any) -> dict[str, Any]:
    return {"sid": HS, "status": status, "date_updated": D2, **more}


ODD = ScriptedResponse(202, {"sid": HS, "status": "scheduled", "date_updated": "last Tuesday"})


def posts(scripted: ScriptedApi) -> int:
    return sum(one.method == "POST" for one in scripted.received)


async def update(scripted: ScriptedApi, name: str = HS) -> Any:
    return await scripted.client.supersim.sims.update(name, status="active")


async def update_and_wait(scripted: ScriptedApi, name: str = HS) -> Any:
    return await scripted.client.supersim.sims.update_and_wait(name, status="active", timeout=120)


async def update_many(scripted: ScriptedApi, name: str = HS) -> Any:
    many = scripted.client.supersim.sims.update_many({name: ACTIVE}, timeout=120)
    (outcome,) = [one async for one in many]
    if outcome.error is not None:
        raise outcome.error
    return outcome.sim


async def test_an_update_reads_what_its_response_could_not_tell(scripted: ScriptedApi) -> None:
    scripted.plan(ODD, sim("scheduled"))
    assert (await scripted.complete(update(scripted))).status == "scheduled"
    assert posts(scripted) == 1


@pytest.mark.parametrize(
    "read",
    [
        ODD,
        ScriptedResponse(404),
        ScriptedResponse(401),
        ScriptedResponse(200, "<html>"),
        ScriptedResponse(200, sim("new")),
    ],
)
@pytest.mark.parametrize("name", [HS, "pump"])
async def test_an_update_says_that_it_was_accepted_and_of_which_sim(
    scripted: ScriptedApi, name: str, read: ScriptedResponse
) -> None:
    scripted.plan(ODD, read)
    with pytest.raises(DecodeError, match=f"change of {HS} was accepted") as caught:
        await scripted.complete(update(scripted, name))
    assert (caught.value.accepted, posts(scripted)) == (HS, 1)
    assert "date_updated" in str(caught.value)
    assert f"await_transition('{HS}')" in str(caught.value)
    assert not caught.value.outcome_unknown


async def test_what_it_asked_for_is_remembered_and_can_be_awaited(scripted: ScriptedApi) -> None:
    scripted.plan(ODD, ScriptedResponse(200, "<html>"))
    with pytest.raises(DecodeError, match="accepted"):
        await scripted.complete(update(scripted))
    scripted.plan(sim("scheduled"), sim("scheduled"), *[sim("inactive")] * 9)
    with pytest.raises(TransitionFailed, match="status='active'"):
        await scripted.complete(scripted.client.supersim.sims.await_transition(HS))


@pytest.mark.parametrize("way", [update_and_wait, update_many])
@pytest.mark.parametrize("name", [HS, "pump"])
async def test_a_wait_goes_on_by_reads_of_that_sim(
    scripted: ScriptedApi, way: Any, name: str
) -> None:
    scripted.plan(ODD, sim("scheduled"), ODD, sim("active"))
    found = await scripted.complete(way(scripted, name))
    assert (found.status, posts(scripted)) == ("active", 1)
    assert {one.raw_path for one in scripted.received if one.method == "GET"} == {f"/v1/Sims/{HS}"}


@pytest.mark.parametrize("way", [update_and_wait, update_many])
async def test_a_wait_whose_reads_are_as_odd_ends_at_its_deadline(
    scripted: ScriptedApi, way: Any
) -> None:
    async def answer(one: Received) -> ScriptedResponse:
        return ODD

    scripted.script = answer
    with pytest.raises(TransitionTimeout, match=HS) as caught:
        await scripted.complete(way(scripted))
    assert isinstance(caught.value.__cause__, DecodeError)
    assert posts(scripted) == 1
    assert "the vendor may still finish it" in str(caught.value)


@pytest.mark.parametrize("way", [update_and_wait, update_many])
async def test_a_change_that_settles_elsewhere_is_not_sent_once_more(
    scripted: ScriptedApi, way: Any
) -> None:
    scripted.plan(ODD, sim("scheduled"), *[sim("new")] * 20)
    with pytest.raises(TransitionFailed, match="settled as 'new'"):
        await scripted.complete(way(scripted))
    assert posts(scripted) == 1


@pytest.mark.parametrize("body", ["<html>", "", "[]", {}, {"code": 1, "status": 500}])
async def test_what_names_no_sim_proves_nothing(scripted: ScriptedApi, body: Any) -> None:
    scripted.plan(ScriptedResponse(200, body), sim("new"), ScriptedResponse(202, sim("scheduled")))
    assert (await scripted.complete(update(scripted))).status == "scheduled"
    assert posts(scripted) == 2


async def test_a_create_names_what_was_created(scripted: ScriptedApi) -> None:
    odd = {"sid": HC, "status": "queued", "date_created": "last Tuesday"}
    scripted.plan(ScriptedResponse(201, odd))
    with pytest.raises(OutcomeUnknown, match=f"created as {HC}"):
        await scripted.complete(
            scripted.client.supersim.sms_commands.create(sim=HS, payload="wake up")
        )
    assert posts(scripted) == 1


async def test_so_do_the_update_of_a_fleet_and_a_registration(scripted: ScriptedApi) -> None:
    fleet = sid("HF")
    scripted.plan({"sid": fleet, "date_created": "last Tuesday"})
    with pytest.raises(DecodeError, match=f"change of {fleet} was accepted"):
        await scripted.complete(scripted.client.supersim.fleets.update(fleet, data_limit=1))
    scripted.plan(ODD)
    sims = scripted.client.supersim.sims
    registering = sims.register(iccid="8988307000000000001", registration_code="H3LL0W0RLD")
    with pytest.raises(DecodeError, match=f"change of {HS} was accepted"):
        await scripted.complete(registering)
    assert posts(scripted) == 2

"""Accepted changes with a malformed response: one field is not as documented."""

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


MALFORMED = ScriptedResponse(
    202, {"sid": HS, "status": "scheduled", "date_updated": "last Tuesday"}
)


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


async def test_an_update_with_a_malformed_response_reads_the_sim(scripted: ScriptedApi) -> None:
    scripted.plan(MALFORMED, sim("scheduled"))
    assert (await scripted.complete(update(scripted))).status == "scheduled"
    assert posts(scripted) == 1


@pytest.mark.parametrize(
    "read",
    [
        MALFORMED,
        ScriptedResponse(404),
        ScriptedResponse(401),
        ScriptedResponse(200, "<html>"),
        ScriptedResponse(200, sim("new")),
    ],
)
@pytest.mark.parametrize("name", [HS, "pump"])
async def test_the_error_says_that_the_change_was_accepted_and_names_the_sim(
    scripted: ScriptedApi, name: str, read: ScriptedResponse
) -> None:
    scripted.plan(MALFORMED, read)
    with pytest.raises(DecodeError, match=f"change of {HS} was accepted") as caught:
        await scripted.complete(update(scripted, name))
    assert (caught.value.accepted, posts(scripted)) == (HS, 1)
    assert "date_updated" in str(caught.value)
    assert f"await_transition('{HS}')" in str(caught.value)
    assert not caught.value.outcome_unknown


async def test_the_requested_target_is_remembered_and_can_be_awaited(scripted: ScriptedApi) -> None:
    scripted.plan(MALFORMED, ScriptedResponse(200, "<html>"))
    with pytest.raises(DecodeError, match="accepted"):
        await scripted.complete(update(scripted))
    scripted.plan(sim("scheduled"), sim("scheduled"), *[sim("inactive")] * 9)
    with pytest.raises(TransitionFailed, match="status='active'"):
        await scripted.complete(scripted.client.supersim.sims.await_transition(HS))


@pytest.mark.parametrize("call", [update_and_wait, update_many])
@pytest.mark.parametrize("name", [HS, "pump"])
async def test_a_wait_continues_with_reads_of_that_sim(
    scripted: ScriptedApi, call: Any, name: str
) -> None:
    scripted.plan(MALFORMED, sim("scheduled"), MALFORMED, sim("active"))
    found = await scripted.complete(call(scripted, name))
    assert (found.status, posts(scripted)) == ("active", 1)
    assert {one.raw_path for one in scripted.received if one.method == "GET"} == {f"/v1/Sims/{HS}"}


@pytest.mark.parametrize("call", [update_and_wait, update_many])
async def test_a_wait_whose_reads_are_malformed_too_ends_at_its_deadline(
    scripted: ScriptedApi, call: Any
) -> None:
    async def respond(one: Received) -> ScriptedResponse:
        return MALFORMED

    scripted.script = respond
    with pytest.raises(TransitionTimeout, match=HS) as caught:
        await scripted.complete(call(scripted))
    assert isinstance(caught.value.__cause__, DecodeError)
    assert posts(scripted) == 1
    assert "the vendor may still finish it" in str(caught.value)


@pytest.mark.parametrize("call", [update_and_wait, update_many])
async def test_a_change_that_settles_off_target_is_not_resent(
    scripted: ScriptedApi, call: Any
) -> None:
    scripted.plan(MALFORMED, sim("scheduled"), *[sim("new")] * 20)
    with pytest.raises(TransitionFailed, match="settled as 'new'"):
        await scripted.complete(call(scripted))
    assert posts(scripted) == 1


@pytest.mark.parametrize("body", ["<html>", "", "[]", {}, {"code": 1, "status": 500}])
async def test_a_response_without_a_sid_counts_as_lost(scripted: ScriptedApi, body: Any) -> None:
    scripted.plan(ScriptedResponse(200, body), sim("new"), ScriptedResponse(202, sim("scheduled")))
    assert (await scripted.complete(update(scripted))).status == "scheduled"
    assert posts(scripted) == 2


async def test_a_create_names_the_created_sid(scripted: ScriptedApi) -> None:
    malformed = {"sid": HC, "status": "queued", "date_created": "last Tuesday"}
    scripted.plan(ScriptedResponse(201, malformed))
    with pytest.raises(OutcomeUnknown, match=f"created as {HC}"):
        await scripted.complete(
            scripted.client.supersim.sms_commands.create(sim=HS, payload="wake up")
        )
    assert posts(scripted) == 1


async def test_a_fleet_update_and_a_registration_name_the_accepted_sid(
    scripted: ScriptedApi,
) -> None:
    fleet = sid("HF")
    scripted.plan({"sid": fleet, "date_created": "last Tuesday"})
    with pytest.raises(DecodeError, match=f"change of {fleet} was accepted"):
        await scripted.complete(scripted.client.supersim.fleets.update(fleet, data_limit=1))
    scripted.plan(MALFORMED)
    sims = scripted.client.supersim.sims
    registering = sims.register(iccid="8988307000000000001", registration_code="H3LL0W0RLD")
    with pytest.raises(DecodeError, match=f"change of {HS} was accepted"):
        await scripted.complete(registering)
    assert posts(scripted) == 2

"""One code says "busy" and "no way leads there": update_many finds out which of them it is."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import APIError, BadRequest, Conflict, RetryPolicy, TransitionTimeout
from tests.http.server import Received, ScriptedResponse
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import ScriptedApi, sid

HS, DE = sid("HS", "1"), sid("DE", "1")
ACTIVE: Any = {"status": "active"}
REFUSED = ScriptedResponse(400, {"code": 83010, "message": "Status not reachable", "status": 400})
REFUSED_WIRELESS = ScriptedResponse(
    400, {"code": 33105, "message": "Transition invalid", "status": 400}
)


def sim(status: str, name: str = HS) -> dict[str, Any]:
    return {"sid": name, "status": status, "date_updated": "2026-01-01T00:00:20Z"}


async def change(scripted: ScriptedApi, status: str = "active", name: str = HS) -> Any:
    product = scripted.client.supersim if name.startswith("HS") else scripted.client.wireless
    sims: Any = product.sims
    (outcome,) = [one async for one in sims.update_many({name: {"status": status}})]
    return outcome


def methods(scripted: ScriptedApi) -> list[str]:
    return [one.method for one in scripted.received]


async def test_a_conflict_that_has_gone_when_it_is_read_was_one_all_the_same(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(REFUSED, sim("ready"), ScriptedResponse(202, sim("scheduled")), sim("active"))
    outcome = await scripted.complete(change(scripted))
    assert (outcome.ok, outcome.sim.status) == (True, "active")
    assert methods(scripted) == ["POST", "GET", "POST", "GET"]
    assert outcome.requests == 4


async def test_so_it_is_with_programmable_wireless(scripted: ScriptedApi) -> None:
    scripted.plan(REFUSED_WIRELESS, sim("ready", DE), sim("updating", DE), sim("active", DE))
    outcome = await scripted.complete(change(scripted, name=DE))
    assert (outcome.ok, outcome.sim.status) == (True, "active")
    assert methods(scripted) == ["POST", "GET", "POST", "GET"]


async def test_what_the_other_change_has_brought_about_is_not_sent(scripted: ScriptedApi) -> None:
    scripted.plan(REFUSED, sim("active"))
    outcome = await scripted.complete(change(scripted))
    assert (outcome.ok, outcome.confirmed, outcome.sim.status) == (True, True, "active")
    assert methods(scripted) == ["POST", "GET"]


async def test_where_no_way_leads_to_the_target_the_refusal_stands_at_once(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(REFUSED, sim("active"))
    outcome = await scripted.complete(change(scripted, "ready"))
    assert type(outcome.error) is BadRequest
    assert outcome.error.code == 83010
    assert methods(scripted) == ["POST", "GET"]


async def test_where_no_way_leads_from_what_the_other_change_settles_as_neither(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(REFUSED, sim("scheduled"), sim("scheduled"), sim("active"))
    outcome = await scripted.complete(change(scripted, "ready"))
    assert isinstance(outcome.error, Conflict)
    assert methods(scripted).count("POST") == 1


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_refusal_that_goes_on_is_believed_after_the_attempts_are_used_up(
    set_scripted: OpenScripted, attempts: int
) -> None:
    scripted = await set_scripted(retry=RetryPolicy(attempts=attempts))

    async def answer(one: Received) -> ScriptedResponse:
        return REFUSED if one.method == "POST" else ScriptedResponse(200, sim("ready"))

    scripted.script = answer
    outcome = await scripted.complete(change(scripted))
    assert type(outcome.error) is BadRequest
    assert methods(scripted) == ["POST", "GET"] * (1 + attempts)


@pytest.mark.parametrize(
    "read",
    [
        ScriptedResponse(200, "<html>"),
        ScriptedResponse(404),
        ScriptedResponse(503),
        ScriptedResponse(401),
    ],
)
async def test_a_read_that_fails_says_nothing_of_the_conflict(
    scripted: ScriptedApi, read: ScriptedResponse
) -> None:
    scripted.plan(REFUSED, read)
    if read.status == 503:
        scripted.plan(*[read] * 5)  # those of one read
    scripted.plan(
        sim("scheduled"), sim("ready"), ScriptedResponse(202, sim("scheduled")), sim("active")
    )
    outcome = await scripted.complete(change(scripted))
    assert (outcome.error, outcome.ok) == (None, True)
    assert methods(scripted).count("POST") == 2


@pytest.mark.parametrize("way", ["update", "update_and_wait"])
@pytest.mark.parametrize(("status", "kind"), [("scheduled", Conflict), ("ready", BadRequest)])
async def test_a_single_change_never_waits_for_another(
    scripted: ScriptedApi, way: str, status: str, kind: type[APIError]
) -> None:
    scripted.plan(REFUSED, sim(status))
    with pytest.raises(kind) as caught:
        await scripted.complete(getattr(scripted.client.supersim.sims, way)(HS, status="active"))
    assert type(caught.value) is kind
    assert "send" not in str(caught.value)
    assert methods(scripted) == ["POST", "GET"]


async def test_a_conflict_that_outlasts_the_deadline_says_that_the_change_was_not_accepted(
    scripted: ScriptedApi,
) -> None:
    async def answer(one: Received) -> ScriptedResponse:
        return REFUSED if one.method == "POST" else ScriptedResponse(200, sim("scheduled"))

    scripted.script = answer
    outcome = await scripted.complete(change(scripted))
    assert type(outcome.error) is TransitionTimeout
    assert outcome.error.refused is not None
    assert outcome.error.refused.code == 83010
    assert "did not accept status='active'" in str(outcome.error)
    assert methods(scripted).count("POST") == 1

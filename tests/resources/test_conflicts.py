"""One code means both "busy" and "illegal transition": update_many finds out which."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import APIError, BadRequest, Conflict, RetryPolicy, TransitionTimeout
from tests.http.server import Received, ScriptedResponse
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import ScriptedApi, sid

HS, DE = sid("HS", "1"), sid("DE", "1")
ACTIVE: Any = {"status": "active"}
REJECTED = ScriptedResponse(400, {"code": 83010, "message": "Status not reachable", "status": 400})
REJECTED_WIRELESS = ScriptedResponse(
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


async def test_a_conflict_that_is_over_when_read_is_retried(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(REJECTED, sim("ready"), ScriptedResponse(202, sim("scheduled")), sim("active"))
    outcome = await scripted.complete(change(scripted))
    assert (outcome.ok, outcome.sim.status) == (True, "active")
    assert methods(scripted) == ["POST", "GET", "POST", "GET"]
    assert outcome.requests == 4


async def test_a_programmable_wireless_conflict_that_is_over_when_read_is_retried(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(REJECTED_WIRELESS, sim("ready", DE), sim("updating", DE), sim("active", DE))
    outcome = await scripted.complete(change(scripted, name=DE))
    assert (outcome.ok, outcome.sim.status) == (True, "active")
    assert methods(scripted) == ["POST", "GET", "POST", "GET"]


async def test_a_change_that_another_update_already_made_is_not_resent(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(REJECTED, sim("active"))
    outcome = await scripted.complete(change(scripted))
    assert (outcome.ok, outcome.confirmed, outcome.sim.status) == (True, True, "active")
    assert methods(scripted) == ["POST", "GET"]


async def test_an_unreachable_target_raises_the_rejection_at_once(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(REJECTED, sim("active"))
    outcome = await scripted.complete(change(scripted, "ready"))
    assert type(outcome.error) is BadRequest
    assert outcome.error.code == 83010
    assert methods(scripted) == ["POST", "GET"]


async def test_a_target_unreachable_after_the_other_change_raises_a_conflict(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(REJECTED, sim("scheduled"), sim("scheduled"), sim("active"))
    outcome = await scripted.complete(change(scripted, "ready"))
    assert isinstance(outcome.error, Conflict)
    assert methods(scripted).count("POST") == 1


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_lasting_rejection_is_raised_after_all_attempts(
    open_scripted_api: OpenScripted, attempts: int
) -> None:
    scripted = await open_scripted_api(retry=RetryPolicy(attempts=attempts))

    async def respond(one: Received) -> ScriptedResponse:
        return REJECTED if one.method == "POST" else ScriptedResponse(200, sim("ready"))

    scripted.script = respond
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
async def test_a_failed_read_does_not_decide_about_the_conflict(
    scripted: ScriptedApi, read: ScriptedResponse
) -> None:
    scripted.plan(REJECTED, read)
    if read.status == 503:
        scripted.plan(*[read] * 5)  # the retries of one read
    scripted.plan(
        sim("scheduled"), sim("ready"), ScriptedResponse(202, sim("scheduled")), sim("active")
    )
    outcome = await scripted.complete(change(scripted))
    assert (outcome.error, outcome.ok) == (None, True)
    assert methods(scripted).count("POST") == 2


@pytest.mark.parametrize("verb", ["update", "update_and_wait"])
@pytest.mark.parametrize(("status", "kind"), [("scheduled", Conflict), ("ready", BadRequest)])
async def test_update_and_update_and_wait_raise_a_conflict_at_once(
    scripted: ScriptedApi, verb: str, status: str, kind: type[APIError]
) -> None:
    scripted.plan(REJECTED, sim(status))
    with pytest.raises(kind) as caught:
        await scripted.complete(getattr(scripted.client.supersim.sims, verb)(HS, status="active"))
    assert type(caught.value) is kind
    assert "send" not in str(caught.value)
    assert methods(scripted) == ["POST", "GET"]


async def test_a_conflict_past_the_deadline_says_that_the_change_was_not_accepted(
    scripted: ScriptedApi,
) -> None:
    async def respond(one: Received) -> ScriptedResponse:
        return REJECTED if one.method == "POST" else ScriptedResponse(200, sim("scheduled"))

    scripted.script = respond
    outcome = await scripted.complete(change(scripted))
    assert type(outcome.error) is TransitionTimeout
    assert outcome.error.refused is not None
    assert outcome.error.refused.code == 83010
    assert "did not accept status='active'" in str(outcome.error)
    assert methods(scripted).count("POST") == 1

"""One code says "busy" and "no way leads there": update_many finds out which of them it is."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import APIError, BadRequest, Conflict, RetryPolicy, TransitionTimeout
from tests.http.server import Answer, Received
from tests.resources.conftest import SetFar
from tests.resources.far import Far, sid

HS, DE = sid("HS", "1"), sid("DE", "1")
ACTIVE: Any = {"status": "active"}
REFUSED = Answer(400, {"code": 83010, "message": "Status not reachable", "status": 400})
REFUSED_WIRELESS = Answer(400, {"code": 33105, "message": "Transition invalid", "status": 400})


def sim(status: str, name: str = HS) -> dict[str, Any]:
    return {"sid": name, "status": status, "date_updated": "2026-01-01T00:00:20Z"}


async def change(far: Far, status: str = "active", name: str = HS) -> Any:
    product = far.client.supersim if name.startswith("HS") else far.client.wireless
    sims: Any = product.sims
    (outcome,) = [one async for one in sims.update_many({name: {"status": status}})]
    return outcome


def methods(far: Far) -> list[str]:
    return [one.method for one in far.received]


async def test_a_conflict_that_has_gone_when_it_is_read_was_one_all_the_same(far: Far) -> None:
    far.plan(REFUSED, sim("ready"), Answer(202, sim("scheduled")), sim("active"))
    outcome = await far.play(change(far))
    assert (outcome.ok, outcome.sim.status) == (True, "active")
    assert methods(far) == ["POST", "GET", "POST", "GET"]
    assert outcome.requests == 4


async def test_so_it_is_with_programmable_wireless(far: Far) -> None:
    far.plan(REFUSED_WIRELESS, sim("ready", DE), sim("updating", DE), sim("active", DE))
    outcome = await far.play(change(far, name=DE))
    assert (outcome.ok, outcome.sim.status) == (True, "active")
    assert methods(far) == ["POST", "GET", "POST", "GET"]


async def test_what_the_other_change_has_brought_about_is_not_sent(far: Far) -> None:
    far.plan(REFUSED, sim("active"))
    outcome = await far.play(change(far))
    assert (outcome.ok, outcome.confirmed, outcome.sim.status) == (True, True, "active")
    assert methods(far) == ["POST", "GET"]


async def test_where_no_way_leads_to_the_target_the_refusal_stands_at_once(far: Far) -> None:
    far.plan(REFUSED, sim("active"))
    outcome = await far.play(change(far, "ready"))
    assert type(outcome.error) is BadRequest
    assert outcome.error.code == 83010
    assert methods(far) == ["POST", "GET"]


async def test_where_no_way_leads_from_what_the_other_change_settles_as_neither(far: Far) -> None:
    far.plan(REFUSED, sim("scheduled"), sim("scheduled"), sim("active"))
    outcome = await far.play(change(far, "ready"))
    assert isinstance(outcome.error, Conflict)
    assert methods(far).count("POST") == 1


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_refusal_that_goes_on_is_believed_after_the_attempts_are_used_up(
    set_far: SetFar, attempts: int
) -> None:
    far = await set_far(retry=RetryPolicy(attempts=attempts))

    async def answer(one: Received) -> Answer:
        return REFUSED if one.method == "POST" else Answer(200, sim("ready"))

    far.script = answer
    outcome = await far.play(change(far))
    assert type(outcome.error) is BadRequest
    assert methods(far) == ["POST", "GET"] * (1 + attempts)


@pytest.mark.parametrize("read", [Answer(200, "<html>"), Answer(404), Answer(503), Answer(401)])
async def test_a_read_that_fails_says_nothing_of_the_conflict(far: Far, read: Answer) -> None:
    far.plan(REFUSED, read)
    if read.status == 503:
        far.plan(*[read] * 5)  # those of one read
    far.plan(sim("scheduled"), sim("ready"), Answer(202, sim("scheduled")), sim("active"))
    outcome = await far.play(change(far))
    assert (outcome.error, outcome.ok) == (None, True)
    assert methods(far).count("POST") == 2


@pytest.mark.parametrize("way", ["update", "update_and_wait"])
@pytest.mark.parametrize(("status", "kind"), [("scheduled", Conflict), ("ready", BadRequest)])
async def test_a_single_change_never_waits_for_another(
    far: Far, way: str, status: str, kind: type[APIError]
) -> None:
    far.plan(REFUSED, sim(status))
    with pytest.raises(kind) as caught:
        await far.play(getattr(far.client.supersim.sims, way)(HS, status="active"))
    assert type(caught.value) is kind
    assert "send" not in str(caught.value)
    assert methods(far) == ["POST", "GET"]


async def test_a_conflict_that_outlasts_the_deadline_says_that_the_change_was_not_accepted(
    far: Far,
) -> None:
    async def answer(one: Received) -> Answer:
        return REFUSED if one.method == "POST" else Answer(200, sim("scheduled"))

    far.script = answer
    outcome = await far.play(change(far))
    assert type(outcome.error) is TransitionTimeout
    assert outcome.error.refused is not None
    assert outcome.error.refused.code == 83010
    assert "did not accept status='active'" in str(outcome.error)
    assert methods(far).count("POST") == 1

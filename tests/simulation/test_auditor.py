"""The auditor finds what is wrong in a story, and nothing in a good one."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.errors import BadRequest, TransitionFailed
from tests.simulation.auditor import audit
from tests.simulation.gateway import NO_FAULTS, NO_PROCESS, Exchange
from tests.simulation.history import Attempt, Goal, History, StateChange
from tests.simulation.scenario import Scenario, draw

SID = "HS" + "0" * 32
NEW = {"status": "new", "fleet_sid": "HF1"}
SCHEDULED = {"status": "scheduled", "fleet_sid": "HF1"}
ACTIVE = {"status": "active", "fleet_sid": "HF1"}


def scenario(**parts: Any) -> Scenario:
    plain = evolve(
        draw(1),
        product="supersim",
        work="many",
        goals=({"status": "active"},),
        gateway_faults=NO_FAULTS,
    )
    return evolve(plain, **{"kills": 1, "faults": {}, **parts})


def post(at: float, **parts: Any) -> Exchange:
    given: dict[str, Any] = {
        "form": {"Status": "active"},
        "carried_out": 202,
        "status": 202,
        "body": {"sid": SID, **SCHEDULED},
        **parts,
    }
    return Exchange(
        number=int(at),
        arrived=at,
        method="POST",
        path=f"/v1/Sims/{SID}",
        product="supersim",
        query={},
        passed_on=at,
        responded=at + 0.1,
        returned=at + 0.1,
        **given,
    )


def read(at: float, shown: dict[str, str]) -> Exchange:
    body = {"sid": SID, **shown}
    return evolve(
        post(at), method="GET", form={}, carried_out=200, status=200, body=body, shown=body
    )


def story(state_changes: list[tuple[float, dict[str, str]]], **parts: Any) -> History:
    """A SIM's life, and the goal that it be active, of which somebody was told at 9 seconds."""
    tried = Attempt(began=1.0, ended=9.0, ok=True)
    goal = Goal(SID, {"status": "active"}, [tried])
    told = [
        StateChange(when, SID, state_changes[place - 1][1] if place else None, after)
        for place, (when, after) in enumerate(state_changes)
    ]
    return History(**{"state_changes": told, "goals": [goal], **parts})


GOOD = [(0.0, NEW), (2.05, SCHEDULED), (5.0, ACTIVE)]


def test_a_good_story_is_good() -> None:
    assert audit(scenario(), story(GOOD, exchanges=[post(2)])) == []


def test_a_request_that_belongs_to_no_process_is_found() -> None:
    history = story(GOOD, exchanges=[post(2, sender=NO_PROCESS)])
    assert any("no process" in fault for fault in audit(scenario(), history))


def test_a_success_that_never_was_is_found() -> None:
    history = story(GOOD[:2], exchanges=[post(2)])
    assert any("called a success" in fault for fault in audit(scenario(), history))


def test_a_failure_that_is_none_is_found() -> None:
    history = story(GOOD, exchanges=[post(2)])
    error = TransitionFailed(SID, {"status": "active"}, None)
    history.goals[0].attempts = [Attempt(began=1.0, ended=4.0, error=error)]
    assert any("called failed, while it is" in fault for fault in audit(scenario(), history))


def test_a_refusal_of_what_was_carried_out_is_found() -> None:
    history = story(GOOD, exchanges=[post(2)])
    error = BadRequest(400, 83010, "no", None, None, asked="update")
    history.goals[0].attempts = [Attempt(began=1.0, ended=4.0, error=error)]
    assert any("nothing can excuse" in fault for fault in audit(scenario(), history))


def test_sending_again_without_a_look_is_found_and_after_a_look_is_not() -> None:
    lost = {"status": None, "carried_out": None, "body": None}
    twice = [post(2, **lost), post(3)]
    state_changes = [(0.0, NEW), (3.05, SCHEDULED), (5.0, ACTIVE)]
    assert any(
        "unseen" in fault for fault in audit(scenario(), story(state_changes, exchanges=twice))
    )
    looked = [twice[0], read(2.5, NEW), twice[1]]
    assert audit(scenario(), story(state_changes, exchanges=looked)) == []


def test_a_change_that_begins_again_after_it_was_there_is_found() -> None:
    state_changes = [*GOOD, (6.05, SCHEDULED), (7.0, ACTIVE)]
    history = story(state_changes, exchanges=[post(2), read(5.5, NEW), post(6)])
    assert any("after it was there" in fault for fault in audit(scenario(), history))


def test_a_text_that_is_sent_twice_is_found() -> None:
    text: dict[str, Any] = {
        "path": "/v1/SmsCommands",
        "form": {"Payload": "text 0"},
        "body": {"sid": "HC1"},
    }
    sent = [evolve(post(at, carried_out=201, status=201), **text) for at in (2, 3)]
    history = story([(0.0, ACTIVE)], exchanges=sent)
    history.goals = [Goal(SID, {"payload": "text 0"}, [Attempt(1.0, 9.0, ok=True)])]
    texts = scenario(work="creates", goals=())
    assert any("sent 2 times" in fault for fault in audit(texts, history))
    history.exchanges = sent[:1]
    assert audit(texts, history) == []


def test_a_vendor_that_does_what_no_document_says_is_found() -> None:
    state_changes = [(0.0, NEW), (2.0, ACTIVE)]
    assert any("no document knows" in fault for fault in audit(scenario(), story(state_changes)))
    busy = story(GOOD, exchanges=[post(2), post(3)])
    assert any("the vendor said" in fault for fault in audit(scenario(), busy))

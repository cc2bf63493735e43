"""The auditor's own state machine, against what the vendors' pages say."""

from __future__ import annotations

import pytest

from tests.simulation.model import Says, fits, may_follow, meets, says

NEW = {"status": "new", "fleet_sid": "HF1"}
ACTIVE = {"status": "active", "fleet_sid": "HF1"}
SCHEDULED = {"status": "scheduled", "fleet_sid": "HF1"}
SUSPENDED = {"status": "suspended", "rate_plan_sid": "WP1"}
UPDATING = {"status": "updating", "rate_plan_sid": "WP1"}


@pytest.mark.parametrize(
    ("product", "state", "wanted", "said"),
    [
        ("supersim", NEW, {"status": "active"}, Says.BEGINS),
        ("supersim", ACTIVE, {"status": "active"}, Says.NOTHING),
        ("supersim", ACTIVE, {"status": "ready"}, Says.REFUSED),
        ("supersim", SCHEDULED, {"status": "active"}, Says.BUSY),
        ("supersim", NEW, {"fleet": "HF2"}, Says.AT_ONCE),
        ("supersim", ACTIVE, {"fleet": "HF2"}, Says.BEGINS),
        ("supersim", NEW, {"status": "inactive"}, Says.UNDECIDED),
        ("wireless", SUSPENDED, {"status": "active"}, Says.BEGINS),
        ("wireless", UPDATING, {"status": "active"}, Says.BUSY),
    ],
)
def test_a_request_gets_what_the_documents_say(
    product: str, state: dict[str, str], wanted: dict[str, str], said: Says
) -> None:
    assert says(product, state, wanted) is said


def test_a_response_has_to_fit_what_the_documents_say() -> None:
    assert fits("supersim", Says.BEGINS, 202, SCHEDULED)
    assert not fits("supersim", Says.BEGINS, 200, ACTIVE)
    assert fits("supersim", Says.BUSY, 400, {"code": 83010})
    assert not fits("supersim", Says.BUSY, 202, SCHEDULED)
    assert not fits("supersim", Says.REFUSED, 202, SCHEDULED)
    assert not fits("wireless", Says.BEGINS, 500, None)


def test_a_goal_is_met_by_what_was_asked_for_and_by_what_follows_it_by_itself() -> None:
    assert meets("supersim", ACTIVE, {"status": "active", "fleet": "HF1"})
    assert not meets("supersim", ACTIVE, {"status": "active", "fleet": "HF2"})
    assert not meets("supersim", SCHEDULED, {"fleet": "HF1"})
    assert meets("supersim", ACTIVE, {"status": "ready"})


def test_a_sim_moves_by_request_by_failure_or_by_itself_and_not_otherwise() -> None:
    wanted = {"status": "active"}
    assert may_follow("supersim", NEW, SCHEDULED, NEW, wanted)
    assert may_follow("supersim", SCHEDULED, ACTIVE, NEW, wanted)
    assert may_follow("supersim", SCHEDULED, NEW, NEW, wanted)
    assert may_follow("supersim", {**NEW, "status": "ready"}, ACTIVE, NEW, None)
    assert not may_follow("supersim", SCHEDULED, {**NEW, "status": "inactive"}, NEW, wanted)
    assert not may_follow("supersim", NEW, ACTIVE, NEW, wanted)

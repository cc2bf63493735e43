"""The auditor's own state process, against what the vendors' pages say."""

from __future__ import annotations

import pytest

from tests.simulation.model import (
    Expected,
    expected_response,
    is_valid_transition,
    meets,
    response_matches,
)

NEW = {"status": "new", "fleet_sid": "HF1"}
ACTIVE = {"status": "active", "fleet_sid": "HF1"}
SCHEDULED = {"status": "scheduled", "fleet_sid": "HF1"}
SUSPENDED = {"status": "suspended", "rate_plan_sid": "WP1"}
UPDATING = {"status": "updating", "rate_plan_sid": "WP1"}


@pytest.mark.parametrize(
    ("product", "state", "wanted", "expected"),
    [
        ("supersim", NEW, {"status": "active"}, Expected.BEGINS),
        ("supersim", ACTIVE, {"status": "active"}, Expected.NOTHING),
        ("supersim", ACTIVE, {"status": "ready"}, Expected.REJECTED),
        ("supersim", SCHEDULED, {"status": "active"}, Expected.BUSY),
        ("supersim", NEW, {"fleet": "HF2"}, Expected.AT_ONCE),
        ("supersim", ACTIVE, {"fleet": "HF2"}, Expected.BEGINS),
        ("supersim", NEW, {"status": "inactive"}, Expected.UNDECIDED),
        ("wireless", SUSPENDED, {"status": "active"}, Expected.BEGINS),
        ("wireless", UPDATING, {"status": "active"}, Expected.BUSY),
    ],
)
def test_a_request_gets_what_the_documents_say(
    product: str, state: dict[str, str], wanted: dict[str, str], expected: Expected
) -> None:
    assert expected_response(product, state, wanted) is expected


def test_a_response_has_to_fit_what_the_documents_say() -> None:
    assert response_matches("supersim", Expected.BEGINS, 202, SCHEDULED)
    assert not response_matches("supersim", Expected.BEGINS, 200, ACTIVE)
    assert response_matches("supersim", Expected.BUSY, 400, {"code": 83010})
    assert not response_matches("supersim", Expected.BUSY, 202, SCHEDULED)
    assert not response_matches("supersim", Expected.REJECTED, 202, SCHEDULED)
    assert not response_matches("wireless", Expected.BEGINS, 500, None)


def test_a_goal_is_met_by_what_was_asked_for_and_by_what_follows_it_by_itself() -> None:
    assert meets("supersim", ACTIVE, {"status": "active", "fleet": "HF1"})
    assert not meets("supersim", ACTIVE, {"status": "active", "fleet": "HF2"})
    assert not meets("supersim", SCHEDULED, {"fleet": "HF1"})
    assert meets("supersim", ACTIVE, {"status": "ready"})


def test_a_sim_moves_by_request_by_failure_or_by_itself_and_not_otherwise() -> None:
    wanted = {"status": "active"}
    assert is_valid_transition("supersim", NEW, SCHEDULED, NEW, wanted)
    assert is_valid_transition("supersim", SCHEDULED, ACTIVE, NEW, wanted)
    assert is_valid_transition("supersim", SCHEDULED, NEW, NEW, wanted)
    assert is_valid_transition("supersim", {**NEW, "status": "ready"}, ACTIVE, NEW, None)
    assert not is_valid_transition(
        "supersim", SCHEDULED, {**NEW, "status": "inactive"}, NEW, wanted
    )
    assert not is_valid_transition("supersim", NEW, ACTIVE, NEW, wanted)

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.core.goal import (
    Goal,
    GoalStatus,
    advances_automatically,
    can_end_in,
    can_reach,
    has_passed,
)
from asyncsim.kind import Kind
from asyncsim.models.monitor.events import EVENTS
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES
from asyncsim.models.supersim.ip_commands import IP_COMMANDS
from asyncsim.models.supersim.sims import SIMS as SUPER_SIMS
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.models.wireless.commands import COMMANDS
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS
from tests.core.records import supersim, supersim_goal, wireless, wireless_goal

PENDING, REACHED = GoalStatus.PENDING, GoalStatus.REACHED
INTERMEDIATE, OFF_TARGET, FAILED = (
    GoalStatus.INTERMEDIATE,
    GoalStatus.OFF_TARGET,
    GoalStatus.FAILED,
)
FLEET, OTHER = "HF" + "1" * 32, "HF" + "2" * 32


@pytest.mark.parametrize(
    ("goal", "record", "goal_status"),
    [
        # A status.
        (supersim_goal(status="active"), supersim("scheduled"), PENDING),
        (supersim_goal(status="active"), supersim("active"), REACHED),
        (supersim_goal(status="active"), supersim("inactive"), OFF_TARGET),
        (supersim_goal(status="active"), supersim("a status of tomorrow"), PENDING),
        (supersim_goal(status="active"), supersim(None), PENDING),
        (supersim_goal(fleet=FLEET), supersim(None, fleet_sid=FLEET), PENDING),
        (wireless_goal("active", status="ready"), wireless(None), PENDING),
        (wireless_goal(status="active"), wireless("updating"), PENDING),
        (wireless_goal(status="active"), wireless("scheduled"), PENDING),
        # Programmable Wireless may reach active through ready.
        (wireless_goal(status="active"), wireless("ready"), INTERMEDIATE),
        (supersim_goal(status="active"), supersim("ready"), OFF_TARGET),
        # Ready advances to active by itself, deactivated to canceled: neither is a failure.
        (supersim_goal(status="ready"), supersim("ready"), REACHED),
        (supersim_goal(status="ready"), supersim("active"), REACHED),
        (wireless_goal(status="deactivated"), wireless("canceled"), REACHED),
        (supersim_goal(status="ready"), supersim("inactive"), OFF_TARGET),
        # A Fleet, by SID; the record shows the old one while the change is pending.
        (supersim_goal(fleet=FLEET), supersim("scheduled", fleet_sid=OTHER), PENDING),
        (supersim_goal(fleet=FLEET), supersim("active", fleet_sid=FLEET), REACHED),
        (supersim_goal(fleet=FLEET), supersim("active", fleet_sid=OTHER), OFF_TARGET),
        # Status and Fleet.
        (
            supersim_goal(status="ready", fleet=FLEET),
            supersim("active", fleet_sid=FLEET),
            REACHED,
        ),
        (
            supersim_goal(status="ready", fleet=FLEET),
            supersim("active", fleet_sid=OTHER),
            OFF_TARGET,
        ),
        # Clearing a field: requested as None or "", shown as either.
        (supersim_goal(unique_name=None), supersim("active", unique_name=""), REACHED),
        (supersim_goal(unique_name=""), supersim("active", unique_name=None), REACHED),
        (supersim_goal(unique_name=None), supersim("active", unique_name="x"), OFF_TARGET),
        (supersim_goal(unique_name="x"), supersim("active", unique_name=None), OFF_TARGET),
        # A reset.
        (
            wireless_goal(reset_status="resetting"),
            wireless("active", reset_status="resetting"),
            PENDING,
        ),
        (wireless_goal(reset_status="resetting"), wireless("active"), REACHED),
        (wireless_goal(status="active"), wireless("active", reset_status="resetting"), REACHED),
        # Until.
        (wireless_goal("active", status="ready"), wireless("updating"), PENDING),
        (wireless_goal("active", status="ready"), wireless("ready"), INTERMEDIATE),
        (wireless_goal("active", status="ready"), wireless("active"), REACHED),
        (wireless_goal("canceled", status="deactivated"), wireless("deactivated"), INTERMEDIATE),
        (wireless_goal("canceled"), wireless("active"), OFF_TARGET),
        (wireless_goal("active", "suspended"), wireless("suspended"), REACHED),
        (wireless_goal("updating"), wireless("updating"), REACHED),
        (wireless_goal("ready"), wireless("active"), OFF_TARGET),
        (
            supersim_goal("active", status="ready", fleet=FLEET),
            supersim("active", fleet_sid=OTHER),
            OFF_TARGET,
        ),
        # No target.
        (supersim_goal(), supersim("scheduled"), PENDING),
        (supersim_goal(), supersim("inactive"), REACHED),
    ],
)
def test_a_record_is_evaluated_against_the_goal(
    goal: Goal, record: Any, goal_status: GoalStatus
) -> None:
    assert goal.evaluate(record) is goal_status


@pytest.mark.parametrize(
    ("goal", "record", "expected"),
    [
        (supersim_goal(status="active"), supersim("scheduled"), True),
        (supersim_goal(status="active"), supersim("active"), True),
        (supersim_goal(status="active"), supersim("new"), False),
        # `until` comes after what was requested.
        (wireless_goal("active", status="ready"), wireless("ready"), True),
        (wireless_goal("active", status="ready"), wireless("new"), False),
        # A change that the record does not show never counts as accepted.
        (supersim_goal(callback_url="https://example.com"), supersim("active"), False),
        (wireless_goal(reset_status="resetting"), wireless("active"), False),
        (
            wireless_goal(reset_status="resetting"),
            wireless("active", reset_status="resetting"),
            True,
        ),
    ],
)
def test_a_record_shows_whether_the_write_was_accepted(
    goal: Goal, record: Any, expected: bool
) -> None:
    assert goal.was_accepted(record) is expected


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        (supersim_goal(status="active"), True),
        (supersim_goal(status="active", callback_url="https://example.com"), True),
        (supersim_goal("active", status="ready"), True),
        (supersim_goal(status="active", fleet=FLEET), False),
        (supersim_goal(fleet=FLEET), False),
        (wireless_goal(reset_status="resetting"), False),
        (supersim_goal(), False),
    ],
)
def test_status_only_means_that_a_status_is_all_that_was_requested(
    goal: Goal, expected: bool
) -> None:
    assert goal.status_only is expected


def test_the_target_is_until_else_the_requested_status_else_any() -> None:
    assert wireless_goal("active", "canceled", status="ready").targets == {"active", "canceled"}
    assert wireless_goal(status="ready").targets == {"ready"}
    assert wireless_goal(friendly_name="x").targets == frozenset()


def test_the_description_names_the_requested_values() -> None:
    assert wireless_goal(status="ready").description == {"status": "ready"}
    assert wireless_goal("canceled", "active", status="ready").description == {
        "status": "ready",
        "until": "active, canceled",
    }


# The status graph.

PW, SS, MONITOR = WIRELESS_SIMS, SUPER_SIMS, EVENTS


@pytest.mark.parametrize(
    ("kind", "start", "targets", "expected"),
    [
        (PW, "ready", {"active"}, True),
        (PW, "deactivated", {"canceled"}, True),
        (PW, "deactivated", {"active", "canceled"}, True),
        (PW, "active", {"ready"}, False),
        (PW, "active", {"active"}, False),
        (PW, "new", {"active"}, False),
        (PW, "ready", set(), False),
        (SS, "ready", {"active"}, True),
        (SS, "deactivated", {"canceled"}, False),
        (SS, "active", {"inactive"}, False),
        (MONITOR, "ready", {"active"}, False),
    ],
)
def test_which_statuses_advance_automatically_to_a_target(
    kind: Kind[Any], start: str, targets: set[str], expected: bool
) -> None:
    assert advances_automatically(kind, start, targets) is expected


@pytest.mark.parametrize(
    ("kind", "start", "targets", "expected"),
    [
        (PW, "new", {"active"}, True),
        (PW, "active", {"new"}, False),
        (PW, "suspended", {"new"}, False),
        (PW, "suspended", {"new", "active"}, True),
        (PW, "deactivated", {"active"}, True),  # undocumented, so not excluded
        (PW, "canceled", {"active"}, False),
        (PW, "canceled", {"canceled"}, True),
        (PW, "canceled", set(), True),
        (PW, "deleted", {"new"}, False),
        (SS, "active", {"ready"}, False),
        (SS, "inactive", {"ready"}, False),
        (SS, "inactive", {"active"}, True),
        (SS, "new", {"ready"}, True),
        (SS, "ready", {"new"}, False),
        (SS, "a status of tomorrow", {"active"}, True),
        (MONITOR, "any", {"other"}, True),
    ],
)
def test_only_transitions_that_the_documents_exclude_are_unreachable(
    kind: Kind[Any], start: str, targets: set[str], expected: bool
) -> None:
    assert can_reach(kind, start, targets) is expected


@pytest.mark.parametrize(
    ("kind", "requested", "targets", "expected"),
    [
        (PW, "ready", {"active"}, True),
        (PW, "ready", {"ready"}, True),
        (PW, "deactivated", {"canceled"}, True),
        (PW, "active", {"canceled"}, False),
        (PW, "suspended", {"updating"}, True),
        (SS, "active", {"ready"}, False),
        (SS, "inactive", {"scheduled"}, True),
    ],
)
def test_which_targets_a_requested_status_can_end_in(
    kind: Kind[Any], requested: str, targets: set[str], expected: bool
) -> None:
    assert can_end_in(kind, requested, targets) is expected


# Kinds that are created and never updated move in one direction.


@pytest.mark.parametrize(
    ("kind", "until", "status", "goal_status"),
    [
        (SMS_COMMANDS, None, "queued", PENDING),
        (SMS_COMMANDS, None, "sent", REACHED),
        (SMS_COMMANDS, None, "failed", FAILED),
        (SMS_COMMANDS, {"failed"}, "failed", REACHED),
        (SMS_COMMANDS, {"delivered"}, "sent", INTERMEDIATE),
        (SMS_COMMANDS, {"delivered"}, "delivered", REACHED),
        (SMS_COMMANDS, {"delivered"}, "failed", FAILED),
        # Passed between two polls.
        (SMS_COMMANDS, {"sent"}, "delivered", REACHED),
        (COMMANDS, {"sent"}, "delivered", REACHED),
        (ESIM_PROFILES, {"available"}, "installed", REACHED),
        (ESIM_PROFILES, {"reserving"}, "available", REACHED),
        (ESIM_PROFILES, {"reserving"}, "failed", FAILED),
        (ESIM_PROFILES, {"reserving"}, "new", PENDING),
        # A status that it never reaches.
        (SMS_COMMANDS, {"received"}, "sent", OFF_TARGET),
        (IP_COMMANDS, {"received"}, "sent", OFF_TARGET),
    ],
)
def test_a_record_of_a_create_only_kind_is_evaluated_against_the_goal(
    kind: Kind[Any], until: set[str] | None, status: str, goal_status: GoalStatus
) -> None:
    goal = Goal(kind, {}, frozenset(until) if until else None)
    assert goal.evaluate(kind.model(sid="XX1", status=status)) is goal_status


def test_a_later_status_of_a_sim_does_not_prove_an_earlier_one() -> None:
    # A SIM moves in both directions: `active` may follow `ready` or `inactive`.
    assert not has_passed(SUPER_SIMS, "active", {"ready"})
    assert not has_passed(SUPER_SIMS, "active", {"scheduled"})


@pytest.mark.parametrize(
    ("kind", "start", "target", "expected"),
    [
        (COMMANDS, "queued", "delivered", True),
        (COMMANDS, "queued", "received", False),
        (SMS_COMMANDS, "sent", "queued", False),
        (SMS_COMMANDS, "sent", "failed", True),
        (SMS_COMMANDS, "delivered", "failed", False),
        (IP_COMMANDS, "queued", "sent", True),
        (IP_COMMANDS, "sent", "failed", False),
        (ESIM_PROFILES, "new", "installed", True),
        (ESIM_PROFILES, "failed", "available", False),
    ],
)
def test_which_statuses_a_create_only_kind_can_still_reach(
    kind: Kind[Any], start: str, target: str, *, expected: bool
) -> None:
    assert can_reach(kind, start, {target}) is expected

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.core.goal import Goal, GoalStatus
from tests.core.records import supersim, supersim_goal, wireless, wireless_goal

PENDING, REACHED = GoalStatus.PENDING, GoalStatus.REACHED
INTERMEDIATE, OFF_TARGET = GoalStatus.INTERMEDIATE, GoalStatus.OFF_TARGET
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
        # Programmable Wireless may reach active by way of ready.
        (wireless_goal(status="active"), wireless("ready"), INTERMEDIATE),
        (supersim_goal(status="active"), supersim("ready"), OFF_TARGET),
        # Ready becomes active by itself, deactivated becomes canceled: not failures.
        (supersim_goal(status="ready"), supersim("ready"), REACHED),
        (supersim_goal(status="ready"), supersim("active"), REACHED),
        (wireless_goal(status="deactivated"), wireless("canceled"), REACHED),
        (supersim_goal(status="ready"), supersim("inactive"), OFF_TARGET),
        # A Fleet, as its SID; it is the old one while the change is pending.
        (supersim_goal(fleet=FLEET), supersim("scheduled", fleet_sid=OTHER), PENDING),
        (supersim_goal(fleet=FLEET), supersim("active", fleet_sid=FLEET), REACHED),
        (supersim_goal(fleet=FLEET), supersim("active", fleet_sid=OTHER), OFF_TARGET),
        # Both.
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
        # Clearing: asked with None or "", shown as either.
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
        # Nothing in particular.
        (supersim_goal(), supersim("scheduled"), PENDING),
        (supersim_goal(), supersim("inactive"), REACHED),
    ],
)
def test_where_a_record_stands(goal: Goal, record: Any, goal_status: GoalStatus) -> None:
    assert goal.judge(record) is goal_status


@pytest.mark.parametrize(
    ("goal", "record", "answer"),
    [
        (supersim_goal(status="active"), supersim("scheduled"), True),
        (supersim_goal(status="active"), supersim("active"), True),
        (supersim_goal(status="active"), supersim("new"), False),
        # `until` comes after what was requested.
        (wireless_goal("active", status="ready"), wireless("ready"), True),
        (wireless_goal("active", status="ready"), wireless("new"), False),
        # What cannot be seen cannot have been seen.
        (supersim_goal(callback_url="https://example.com"), supersim("active"), False),
        (wireless_goal(reset_status="resetting"), wireless("active"), False),
        (
            wireless_goal(reset_status="resetting"),
            wireless("active", reset_status="resetting"),
            True,
        ),
    ],
)
def test_whether_a_write_has_been_taken_up(goal: Goal, record: Any, answer: bool) -> None:
    assert goal.is_taken_up(record) is answer


@pytest.mark.parametrize(
    ("goal", "answer"),
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
def test_a_status_alone_tells_only_when_nothing_else_was_asked_for(
    goal: Goal, answer: bool
) -> None:
    assert goal.status_only is answer


def test_targets_are_until_or_the_requested_status_or_any() -> None:
    assert wireless_goal("active", "canceled", status="ready").targets == {"active", "canceled"}
    assert wireless_goal(status="ready").targets == {"ready"}
    assert wireless_goal(friendly_name="x").targets == frozenset()


def test_messages_name_what_was_asked_for() -> None:
    assert wireless_goal(status="ready").described == {"status": "ready"}
    assert wireless_goal("canceled", "active", status="ready").described == {
        "status": "ready",
        "until": "active, canceled",
    }

"""Kinds that are created and never updated move in one direction."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.core.goal import Goal, GoalStatus
from asyncsim.core.graph import can_reach, has_passed
from asyncsim.core.transition import NextStep, Transition
from asyncsim.kind import Kind
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES
from asyncsim.models.supersim.ip_commands import IP_COMMANDS
from asyncsim.models.supersim.sims import SIMS
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS, SmsCommand
from asyncsim.models.wireless.commands import COMMANDS

PENDING, REACHED, INTERMEDIATE = GoalStatus.PENDING, GoalStatus.REACHED, GoalStatus.INTERMEDIATE
OFF_TARGET, FAILED = GoalStatus.OFF_TARGET, GoalStatus.FAILED


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
        # Passed between two looks.
        (SMS_COMMANDS, {"sent"}, "delivered", REACHED),
        (COMMANDS, {"sent"}, "delivered", REACHED),
        (ESIM_PROFILES, {"available"}, "installed", REACHED),
        (ESIM_PROFILES, {"reserving"}, "available", REACHED),
        (ESIM_PROFILES, {"reserving"}, "failed", FAILED),
        (ESIM_PROFILES, {"reserving"}, "new", PENDING),
        # And what it never comes to.
        (SMS_COMMANDS, {"received"}, "sent", OFF_TARGET),
        (IP_COMMANDS, {"received"}, "sent", OFF_TARGET),
    ],
)
def test_where_a_record_stands(
    kind: Kind[Any], until: set[str] | None, status: str, goal_status: GoalStatus
) -> None:
    goal = Goal(kind, {}, frozenset(until) if until else None)
    assert goal.judge(kind.model(sid="XX1", status=status)) is goal_status


def test_a_sim_in_a_later_status_proves_nothing_about_an_earlier_one() -> None:
    # It can be moved to and fro: `active` may come after `ready`, or from `inactive`.
    assert not has_passed(SIMS, "active", {"ready"})
    assert not has_passed(SIMS, "active", {"scheduled"})


@pytest.mark.parametrize(
    ("kind", "start", "target", "answer"),
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
def test_what_can_still_be_reached(
    kind: Kind[Any], start: str, target: str, *, answer: bool
) -> None:
    assert can_reach(kind, start, {target}) is answer


def wait(until: str | None = None) -> Transition:
    goal = Goal(SMS_COMMANDS, {}, frozenset({until}) if until else None)
    return Transition(
        name="sms_commands:1", goal=goal, started=0.0, timeout=9.0, on_done=lambda _: None
    )


@pytest.mark.parametrize("answer", ["queued", "sent"])
def test_a_callback_before_the_answer_is_kept_until_there_is_a_sid_to_read(answer: str) -> None:
    one = wait("delivered")
    assert one.callback_received("delivered", 0.0, signed=True) is NextStep.WAIT
    assert one.accepted(SmsCommand(sid="HC1", status=answer), 1.0) is NextStep.READ
    assert one.read(SmsCommand(sid="HC1", status="delivered"), 2.0) is NextStep.DONE
    assert one.settled_by == "callback"


def test_messages_call_it_by_its_sid_once_that_is_known() -> None:
    one = wait()
    assert one.label == "the new SmsCommand"
    one.accepted(SmsCommand(sid="HC1", status="queued"), 1.0)
    assert one.label == "HC1"

"""Waits for prepared updates: what ends them while it is unknown whether the change was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from asyncsim.core.goal import Goal, GoalStatus
from asyncsim.core.transition import NextStep
from asyncsim.core.unproven import Before, PreparedTransition, unproven
from asyncsim.errors import NotFound, ServerError, TransitionFailed, TransitionTimeout
from asyncsim.wait_errors import PerhapsNeverSent
from tests.core.records import DE, HS, at, supersim, supersim_goal, wireless, wireless_goal

WAIT, READ, READ_LATER, DONE = NextStep.WAIT, NextStep.READ, NextStep.READ_LATER, NextStep.DONE
ACTIVE = supersim_goal(status="active")
NEW = Before("new", at(0))


def resumed(goal: Goal = ACTIVE, before: Before = NEW, **more: Any) -> PreparedTransition:
    """A wait resumed at second 100, for an update prepared at second 0."""
    wait = PreparedTransition(
        name=HS if goal.kind.sid_prefix == "HS" else DE,
        goal=goal,
        started=0.0,
        timeout=200.0,
        on_done=lambda _: None,
        nonce="n",
        accepted_at=0.0,
        response_date=before.date_updated,
        seen_before=True,
        before=before,
        **more,
    )
    wait.resume(100.0)
    return wait


def test_the_target_ends_it_whoever_sent_the_change() -> None:
    wait = resumed()
    assert wait.read(supersim("scheduled", 5), 101.0) is WAIT
    assert wait.read(supersim("active", 6), 102.0) is DONE
    assert (wait.error, wait.settled_by, wait.last.status) == (None, "read", "active")


def test_the_target_of_a_stale_copy_does_not_end_it() -> None:
    wait = resumed()
    assert wait.read(supersim("active", -5), 101.0) is READ_LATER
    assert not wait.done


@pytest.mark.parametrize("seconds", [-3, 0, 4, None])
def test_a_sim_that_has_settled_elsewhere_proves_nothing(seconds: float | None) -> None:
    wait = resumed()
    for moment in range(101, 300, 10):
        assert wait.read(supersim("inactive", seconds), moment) is READ_LATER
        assert moment + 1 <= wait.hold_until <= moment + 30
    assert not wait.done


def test_after_its_own_callback_a_sim_that_has_settled_elsewhere_has_failed() -> None:
    wait = resumed()
    assert wait.callback_received("new", 101.0, signed=False) is READ
    assert wait.proven
    assert wait.read(supersim("new", 4), 102.0) is DONE
    assert isinstance(wait.error, TransitionFailed)


def test_a_callback_of_another_change_proves_nothing() -> None:
    wait = resumed()
    wait.callback_received("new", 101.0, signed=False, current=False)
    assert not wait.proven
    assert wait.read(supersim("new", 4), 102.0) is READ_LATER


def test_a_callback_without_a_ticket_of_its_own_proves_nothing() -> None:
    wait = resumed()
    wait.nonce = None
    wait.callback_received("new", 101.0, signed=False)
    assert not wait.proven


def test_without_a_trace_it_was_perhaps_never_sent() -> None:
    wait = resumed()
    wait.read(supersim("new", 0), 101.0)
    wait.time_out(300.0)
    assert isinstance(wait.error, PerhapsNeverSent)
    assert (wait.error.status_before, wait.error.date_before) == ("new", at(0))
    assert wait.error.last == supersim("new", 0)
    for text in (
        "shows no trace of status='active' after 300 s",
        "it is 'new', updated 2026-11-21",
    ):
        assert text in str(wait.error)


@pytest.mark.parametrize(
    "record",
    [
        supersim("scheduled", 0),
        supersim("inactive", 0),
        supersim("new", 1),
        supersim("inactive", None),
    ],
)
def test_any_trace_makes_it_an_ordinary_timeout(record: Any) -> None:
    wait = resumed()
    wait.read(record, 101.0)
    wait.read(supersim("new", 0), 200.0)
    wait.time_out(300.0)
    assert type(wait.error) is TransitionTimeout


@pytest.mark.parametrize("record", [None, supersim("new", -1), supersim("active", -1)])
def test_without_a_current_read_nothing_is_said_about_traces(record: Any) -> None:
    wait = resumed()
    if record is not None:
        wait.read(record, 101.0)
    wait.time_out(300.0)
    assert type(wait.error) is TransitionTimeout


def test_if_the_last_read_fails_nothing_is_said_about_traces() -> None:
    for cause in (ServerError(503), None):
        wait = resumed()
        wait.read(supersim("new", 0), 101.0)
        if cause is None:
            wait.read_failed(ServerError(503), 290.0)
        wait.time_out(300.0, cause)
        assert type(wait.error) is TransitionTimeout
        assert isinstance(wait.error.__cause__, ServerError)


def test_a_sim_that_is_gone_ends_it() -> None:
    wait = resumed()
    steps = [wait.read_failed(NotFound(404), moment) for moment in (101.0, 106.0, 112.0)]
    assert steps == [WAIT, WAIT, DONE]


def test_a_sim_at_the_target_from_the_beginning_ends_it() -> None:
    wait = resumed(before=Before("active", at(0)))
    assert wait.read(supersim("active", 0), 101.0) is DONE
    assert wait.error is None


@pytest.mark.parametrize("goal", [wireless_goal(reset_status="resetting"), wireless_goal()])
def test_a_change_that_no_record_shows_needs_a_trace(goal: Goal) -> None:
    before = Before("active", at(0))
    wait = resumed(goal, before)
    assert wait.read(wireless("active", 0), 101.0) is READ_LATER
    wait.time_out(300.0)
    assert isinstance(wait.error, PerhapsNeverSent)
    moved = resumed(goal, before)
    assert moved.read(wireless("active", 7), 101.0) is DONE
    assert moved.error is None


def test_a_reset_that_was_seen_running_has_been_sent() -> None:
    goal, before = wireless_goal(reset_status="resetting"), Before("active", at(0))
    wait = resumed(goal, before)
    assert wait.read(wireless("active", 0, reset_status="resetting"), 101.0) is WAIT
    assert wait.read(wireless("active", 0), 102.0) is DONE
    assert wait.error is None


def test_each_record_is_passed_on_as_it_is_learnt() -> None:
    seen: list[Any] = []
    wait = resumed(on_seen=seen.append)
    records = [supersim("new", 0), supersim("scheduled", 1), supersim("active", 2)]
    for moment, record in enumerate(records, start=101):
        wait.read(record, moment)
    wait.read(supersim("inactive", 3), 110.0)
    assert seen == records


def test_a_wait_says_how_the_sim_was_before_until_its_change_is_proven() -> None:
    wait = resumed()
    assert unproven(wait) == NEW
    wait.callback_received("active", 101.0, signed=True)
    assert unproven(wait) is None
    reached = resumed()
    reached.read(supersim("active", 6), 102.0)
    assert unproven(reached) is None
    cancelled = resumed()
    cancelled.read(supersim("scheduled", 5), 101.0)
    cancelled.abandon()
    assert unproven(cancelled) == NEW
    timed_out = resumed()
    timed_out.time_out(300.0)
    assert unproven(timed_out) == NEW


statuses = st.sampled_from(["new", "ready", "active", "inactive", "scheduled", None, "strange"])
dates = st.one_of(st.none(), st.integers(-3, 3))


@given(records=st.lists(st.tuples(statuses, dates), max_size=12), before=st.tuples(statuses, dates))
def test_reads_alone_end_it_at_the_target_and_nowhere_else(
    records: list[tuple[str | None, int | None]], before: tuple[str | None, int | None]
) -> None:
    date = None if before[1] is None else at(before[1])
    wait = resumed(before=Before(before[0], date))
    for number, (status, seconds) in enumerate(records):
        record = supersim(status, seconds)
        step = wait.read(record, 101.0 + 20 * number)
        if step is DONE:
            assert ACTIVE.evaluate(record) is GoalStatus.REACHED
            assert wait.error is None
            return
    wait.time_out(1000.0)
    assert isinstance(wait.error, TransitionTimeout)
    traced = any(Before(before[0], date).differs(supersim(*one)) for one in records)
    assert not (traced and isinstance(wait.error, PerhapsNeverSent))

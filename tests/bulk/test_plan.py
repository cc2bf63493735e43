"""Verdicts of the plan for every state that an earlier run may leave a row in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from asyncsim.bulk.actions import Action
from asyncsim.bulk.plan import judge
from asyncsim.bulk.records import IN_DOUBT, Entry, State, Verdict
from asyncsim.core.goal import Goal
from asyncsim.models.supersim.sims import SIMS as SUPER_SIMS, Sim as SuperSim
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS, Sim as WirelessSim

SUPER, WIRELESS = "HS" + "0" * 32, "DE" + "0" * 32
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
TO_ACTIVE = Goal(SUPER_SIMS, {"status": "active"})
RESET = Goal(WIRELESS_SIMS, {"reset_status": "resetting"})


def entry(state: State = State.READ, **parts: Any) -> Entry:
    plain = {"number": 1, "line": 2, "name": SUPER, "naming": "sid", "change": None}
    return Entry(**{**plain, "state": state, **parts})


def of(status: str, state: State = State.READ, goal: Goal = TO_ACTIVE) -> tuple[Verdict, State]:
    planned = judge(Action.UPDATE, entry(state), SuperSim(sid=SUPER, status=status), goal)
    assert (planned.sid, planned.before) == (SUPER, status)
    return planned.verdict, planned.state


def wireless(status: str, goal: Goal, state: State = State.READ, **parts: Any) -> Any:
    sim = WirelessSim(sid=WIRELESS, status=status, **parts)
    return judge(Action.UPDATE, entry(state, name=WIRELESS), sim, goal)


def test_a_sim_already_at_the_target_needs_nothing() -> None:
    assert of("active") == (Verdict.ALREADY, State.ALREADY)


@pytest.mark.parametrize("state", sorted(IN_DOUBT))
def test_a_sim_at_the_target_that_this_job_sent_is_done_by_this_job(state: State) -> None:
    assert of("active", state) == (Verdict.ALREADY, State.DONE)


def test_a_sim_that_can_reach_the_target_will_be_sent() -> None:
    assert of("new") == (Verdict.CHANGE, State.READY)


@pytest.mark.parametrize("state", sorted(IN_DOUBT))
def test_a_row_that_may_have_been_sent_without_effect_is_resent(state: State) -> None:
    assert of("new", state) == (Verdict.CHANGE, State.READY)


def test_another_pending_change_is_waited_for() -> None:
    assert of("scheduled") == (Verdict.BUSY, State.READY)


@pytest.mark.parametrize("state", sorted(IN_DOUBT))
def test_this_jobs_pending_change_is_not_resent(state: State) -> None:
    assert of("scheduled", state) == (Verdict.BUSY, State.ACCEPTED)


def test_ready_cannot_be_reached_from_active() -> None:
    goal = Goal(SUPER_SIMS, {"status": "ready"})
    assert of("inactive", goal=goal) == (Verdict.ILLEGAL, State.IMPOSSIBLE)


def test_ready_that_has_advanced_to_active_is_done() -> None:
    goal = Goal(SUPER_SIMS, {"status": "ready"})
    assert of("active", State.ACCEPTED, goal) == (Verdict.ALREADY, State.DONE)


def test_nothing_can_be_done_for_a_canceled_sim() -> None:
    planned = wireless("canceled", Goal(WIRELESS_SIMS, {"status": "active"}))
    assert (planned.verdict, planned.state) == (Verdict.TERMINAL, State.IMPOSSIBLE)


def test_a_rows_own_fleet_is_compared_by_sid() -> None:
    goal = Goal(SUPER_SIMS, {"fleet": "HF1"})
    there = SuperSim(sid=SUPER, status="active", fleet_sid="HF1")
    elsewhere = SuperSim(sid=SUPER, status="active", fleet_sid="HF2")
    assert judge(Action.UPDATE, entry(), there, goal).state is State.ALREADY
    assert judge(Action.UPDATE, entry(), elsewhere, goal).state is State.READY


def test_an_unknown_status_counts_as_pending() -> None:
    assert of("hibernating") == (Verdict.BUSY, State.READY)


def test_a_reset_is_always_sent() -> None:
    assert wireless("active", RESET).state is State.READY


def test_an_accepted_reset_that_is_no_longer_pending_is_done() -> None:
    sim = WirelessSim(sid=WIRELESS, status="active")
    accepted = entry(State.ACCEPTED, name=WIRELESS, accepted_at=MOMENT)
    assert judge(Action.UPDATE, accepted, sim, RESET).state is State.DONE


def test_a_pending_reset_is_waited_for() -> None:
    planned = wireless("active", RESET, State.SENDING, reset_status="resetting")
    assert (planned.verdict, planned.state) == (Verdict.BUSY, State.ACCEPTED)


def test_a_reset_without_a_trace_is_resent() -> None:
    assert wireless("active", RESET, State.SENDING).state is State.READY


def test_an_unknown_sim_is_impossible() -> None:
    planned = judge(Action.UPDATE, entry(), None, TO_ACTIVE)
    assert (planned.verdict, planned.state) == (Verdict.UNKNOWN, State.IMPOSSIBLE)


@pytest.mark.parametrize("state", sorted(IN_DOUBT))
def test_a_row_that_may_have_been_sent_is_never_impossible_even_if_its_sim_is_gone(
    state: State,
) -> None:
    planned = judge(Action.UPDATE, entry(state), None, TO_ACTIVE)
    assert planned.verdict is Verdict.BUSY
    assert planned.state in IN_DOUBT


def test_a_move_that_may_have_been_carried_out_is_resent() -> None:
    goal = Goal(SUPER_SIMS, {"account_sid": "AC1"})
    assert judge(Action.UPDATE, entry(State.SENDING), None, goal).state is State.READY
    assert judge(Action.UPDATE, entry(), None, goal).state is State.IMPOSSIBLE


def test_registering_applies_to_unknown_sims_only() -> None:
    assert judge(Action.REGISTER, entry(), None, TO_ACTIVE).state is State.READY
    sim = SuperSim(sid=SUPER, status="new")
    assert judge(Action.REGISTER, entry(), sim, TO_ACTIVE).state is State.ALREADY
    assert judge(Action.REGISTER, entry(State.SENDING), sim, TO_ACTIVE).state is State.DONE


def test_a_sim_to_delete_that_is_gone_is_done() -> None:
    sim = WirelessSim(sid=WIRELESS, status="new")
    assert judge(Action.DELETE, entry(), sim, TO_ACTIVE).state is State.READY
    assert judge(Action.DELETE, entry(State.SENDING), None, TO_ACTIVE).state is State.DONE
    assert judge(Action.DELETE, entry(), None, TO_ACTIVE).state is State.IMPOSSIBLE


def sending(state: State, **parts: Any) -> State:
    sim = SuperSim(sid=SUPER, status="active")
    return judge(Action.SEND, entry(state, **parts), sim, TO_ACTIVE).state


def test_a_text_that_may_have_been_sent_is_never_resent() -> None:
    assert sending(State.SENDING) is State.UNKNOWN
    assert judge(Action.SEND, entry(State.SENDING), None, TO_ACTIVE).state is State.UNKNOWN


def test_a_text_that_was_accepted_is_awaited() -> None:
    for state in (State.ACCEPTED, State.TIMED_OUT):
        assert sending(state, reference="HC1") is State.ACCEPTED


def test_a_text_that_certainly_was_not_sent_is_sent() -> None:
    assert sending(State.READ) is State.READY
    assert sending(State.NO_ANSWER) is State.READY


def test_a_target_reached_through_a_late_request_is_done_by_this_job() -> None:
    there = SuperSim(sid=SUPER, status="active")
    assert judge(Action.UPDATE, entry(), there, TO_ACTIVE).state is State.ALREADY
    assert judge(Action.UPDATE, entry(sent=True), there, TO_ACTIVE).state is State.DONE


def test_a_delete_through_a_late_request_is_done_by_this_job() -> None:
    assert judge(Action.DELETE, entry(sent=True), None, TO_ACTIVE).state is State.DONE

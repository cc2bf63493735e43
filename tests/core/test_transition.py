from __future__ import annotations

import ast
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from asyncsim.core import transition
from asyncsim.core.goal import Goal
from asyncsim.core.transition import NextStep, Transition
from asyncsim.errors import AsyncSimError, TransitionFailed, TransitionTimeout
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS, SmsCommand
from tests.core.records import DE, HS, supersim, supersim_goal, wireless, wireless_goal

WAIT, READ, READ_LATER, READ_SELDOM, DONE = (
    NextStep.WAIT,
    NextStep.READ,
    NextStep.READ_LATER,
    NextStep.READ_SELDOM,
    NextStep.DONE,
)
ACTIVE = supersim_goal(status="active")
FLEET = "HF" + "1" * 32


def wait_for(goal: Goal = ACTIVE, **more: Any) -> Transition:
    return Transition(
        name=HS,
        goal=goal,
        started=0.0,
        timeout=60.0,
        on_done=lambda _: None,
        **{"nonce": "n", **more},
    )


def accepted_wait(goal: Goal = ACTIVE, **more: Any) -> Transition:
    """A wait whose POST returned a pending Sim, at second 0 of both clocks."""
    wait = wait_for(goal, **more)
    pending = supersim("scheduled") if goal.kind.sid_prefix == "HS" else wireless("updating")
    assert wait.accepted(pending, 0.0) is WAIT
    return wait


# The response to the POST.


def test_a_pending_response_starts_the_wait() -> None:
    wait = wait_for()
    assert wait.accepted(supersim("scheduled"), 1.0) is WAIT
    assert (wait.sid, wait.accepted_at, wait.done) == (HS, 1.0, False)


def test_a_no_op_is_settled_by_the_response_to_its_own_post() -> None:
    wait = wait_for()
    assert wait.accepted(supersim("active"), 1.0) is DONE
    assert (wait.settled_by, wait.confirmed, wait.error) == ("answer", True, None)


def test_a_response_settled_off_target_is_read_again_before_it_fails() -> None:
    wait = wait_for()
    assert wait.accepted(supersim("inactive"), 1.0) is READ_LATER
    assert wait.hold_until == 11.0
    assert wait.read(supersim("inactive"), 5.0) is READ_LATER
    assert wait.read(supersim("inactive"), 11.0) is DONE
    assert isinstance(wait.error, TransitionFailed)


# Reads.


def test_a_read_at_the_target_ends_the_wait() -> None:
    wait = accepted_wait()
    last = supersim("active", 3.0)
    assert wait.read(last, 3.0) is DONE
    assert (wait.settled_by, wait.confirmed, wait.last) == ("read", True, last)


def test_settled_by_names_the_sweep() -> None:
    wait = accepted_wait()
    wait.read(supersim("active", 3.0), 3.0, "sweep")
    assert wait.settled_by == "sweep"


def test_a_pending_read_keeps_waiting() -> None:
    assert accepted_wait().read(supersim("scheduled"), 3.0) is WAIT


def test_a_read_for_another_wait_does_not_end_one_whose_post_is_in_flight() -> None:
    wait = wait_for(wireless_goal(reset_status="resetting"))
    assert wait.read(wireless("active"), 1.0) is WAIT  # from before the reset
    assert wait.accepted(wireless("active", reset_status="resetting"), 2.0) is WAIT
    assert wait.read(wireless("active"), 3.0) is DONE


def test_a_sim_in_an_intermediate_status_is_read_seldom() -> None:
    wait = accepted_wait(wireless_goal("active", status="ready"))
    assert wait.read(wireless("ready", 5.0), 5.0) is READ_SELDOM
    assert wait.intermediate
    assert wait.read(wireless("active", 9.0), 9.0) is DONE
    assert not wait.intermediate


def test_without_a_post_a_sim_off_target_fails_at_once() -> None:
    wait = wait_for(no_request=True)
    assert wait.read(supersim("inactive"), 1.0) is DONE
    assert isinstance(wait.error, TransitionFailed)


# Stale reads.


@pytest.mark.parametrize("moment", [1.0, 10.0, 1000.0])
def test_a_settled_read_older_than_the_response_is_stale_however_late(
    moment: float,
) -> None:
    wait = accepted_wait()
    assert wait.read(supersim("inactive", -1.0), moment) is READ_LATER
    assert wait.hold_until == moment + 10.0
    assert wait.read(supersim("inactive", -1.0), moment + 100) is READ_LATER


@pytest.mark.parametrize("date", [0.0, None])
def test_a_read_as_old_as_the_response_counts_after_stale_for_and_a_second_read(
    date: float | None,
) -> None:
    wait = accepted_wait()
    assert wait.read(supersim("inactive", date), 3.0) is READ_LATER
    assert wait.hold_until == 13.0
    assert wait.read(supersim("inactive", date), 12.9) is READ_LATER
    assert wait.hold_until == 13.0
    assert wait.read(supersim("inactive", date), 13.0) is DONE
    assert isinstance(wait.error, TransitionFailed)


def test_there_is_a_second_read_even_with_stale_for_0() -> None:
    wait = accepted_wait(stale_for=0.0)
    assert wait.read(supersim("inactive"), 3.0) is READ_LATER
    assert wait.read(supersim("inactive"), 3.0) is DONE


def test_a_pending_read_in_between_restarts_stale_for() -> None:
    wait = accepted_wait()
    wait.read(supersim("inactive"), 3.0)
    assert wait.read(supersim("scheduled"), 8.0) is WAIT
    assert wait.read(supersim("inactive"), 14.0) is READ_LATER
    assert wait.hold_until == 24.0


def test_a_read_newer_than_the_response_fails_at_once() -> None:
    wait = accepted_wait()
    assert wait.read(supersim("inactive", 1.0), 1.0) is DONE
    assert isinstance(wait.error, TransitionFailed)
    assert wait.error.actual.status == "inactive"
    assert wait.error.requested == {"status": "active"}


def test_a_read_with_an_error_code_from_a_callback_fails_at_once() -> None:
    wait = accepted_wait(wireless_goal(status="active"))
    assert wait.callback_received("new", 2.0, signed=True, code=33104, message="no plan") is READ
    assert wait.read(wireless("new"), 2.0) is DONE
    assert isinstance(wait.error, TransitionFailed)
    assert (wait.error.error_code, wait.error.error_message) == (33104, "no plan")
    assert "no plan (code 33104)" in str(wait.error)
    assert wait.settled_by == "callback"


def test_the_error_code_of_an_older_ticket_does_not_fail_this_change() -> None:
    wait = accepted_wait(wireless_goal(status="active"))
    step = wait.callback_received(
        "new", 2.0, signed=False, current=False, code=33104, message="no plan"
    )
    assert step is READ
    assert wait.read(wireless("new"), 2.0) is READ_LATER


# Callbacks.


@pytest.mark.parametrize("status", ["active", "inactive", "a status of tomorrow", None])
def test_a_callback_is_confirmed_by_a_read(status: str | None) -> None:
    wait = accepted_wait()
    assert wait.callback_received(status, 2.0, signed=True) is READ
    assert not wait.done
    assert wait.read(supersim("active", 2.0), 2.1) is DONE
    assert (wait.settled_by, wait.confirmed) == ("callback", True)


def test_a_pending_callback_needs_no_read() -> None:
    wait = accepted_wait()
    assert wait.callback_received("scheduled", 2.0, signed=True) is WAIT
    assert wait.expects_callback
    assert not wait.callback_pending


def test_with_accepts_signed_a_signed_callback_needs_no_read() -> None:
    wait = accepted_wait(accepts_signed=True)
    assert wait.callback_received("active", 2.0, signed=True) is DONE
    assert (wait.settled_by, wait.confirmed, wait.last.status) == ("callback", False, "active")


@pytest.mark.parametrize(
    ("goal", "status", "more"),
    [
        (ACTIVE, "active", {"signed": False}),
        (ACTIVE, "inactive", {"signed": True}),
        (ACTIVE, "active", {"signed": True, "code": 33000}),
        (ACTIVE, None, {"signed": True}),
        (supersim_goal(status="active", fleet=FLEET), "active", {"signed": True}),
        (supersim_goal(fleet=FLEET), "active", {"signed": True}),
        (supersim_goal(), "active", {"signed": True}),
    ],
)
def test_even_with_accepts_signed_these_callbacks_are_confirmed_by_a_read(
    goal: Goal, status: str | None, more: dict[str, Any]
) -> None:
    wait = accepted_wait(goal, accepts_signed=True)
    assert wait.callback_received(status, 2.0, **more) is READ
    assert not wait.done


def test_the_response_does_not_reopen_a_wait_that_an_early_callback_has_ended() -> None:
    wait = wait_for()
    assert wait.callback_received("active", 1.0, signed=True) is READ
    assert wait.read(supersim("active", 1.0), 1.1) is DONE
    assert wait.accepted(supersim("scheduled"), 2.0) is DONE
    assert wait.done
    assert wait.error is None
    assert wait.last.status == "active"


def test_before_the_response_even_an_accepted_callback_is_confirmed_by_a_read() -> None:
    wait = wait_for(accepts_signed=True)
    assert wait.callback_received("active", 1.0, signed=True) is READ


def test_a_late_callback_of_an_older_change_does_not_end_one_whose_post_is_in_flight() -> None:
    wait = wait_for(wireless_goal(reset_status="resetting"))
    assert wait.callback_received("active", 1.0, signed=False, current=False) is READ
    assert wait.read(wireless("active"), 1.1) is WAIT
    assert not wait.done


def test_an_early_callback_whose_read_missed_is_read_again_after_the_response() -> None:
    wait = wait_for()
    wait.callback_received("active", 1.0, signed=True)
    assert wait.read(supersim("inactive", -5.0), 1.1) is WAIT  # from before the POST
    assert wait.accepted(supersim("scheduled"), 2.0) is READ
    assert wait.read(supersim("active", 3.0), 3.0) is DONE


def test_a_callback_that_a_read_contradicts_is_discarded() -> None:
    wait = accepted_wait()
    wait.callback_received("active", 1.0, signed=True)
    assert wait.read(supersim("scheduled"), 1.1) is WAIT
    assert not wait.expects_callback  # so single reads continue at their own interval
    wait.read(supersim("active", 9.0), 9.0)
    assert wait.settled_by == "read"


def test_duplicate_and_late_callbacks_change_nothing() -> None:
    wait = accepted_wait()
    assert wait.callback_received("active", 1.0, signed=True) is READ
    assert wait.callback_received("active", 1.0, signed=True) is READ_LATER
    assert wait.read(supersim("active", 1.0), 1.1) is DONE
    for status in ("active", "inactive", "scheduled"):
        assert wait.callback_received(status, 99.0, signed=True, code=1) is DONE
    assert wait.error is None


def test_the_two_programmable_wireless_callbacks_may_come_in_either_order() -> None:
    until = wireless_goal("active", status="ready")
    for order in (["ready", "active"], ["active", "ready"]):
        wait = accepted_wait(until, accepts_signed=True)
        steps = [wait.callback_received(status, 5.0, signed=True) for status in order]
        assert steps == ([READ, DONE] if order[0] == "ready" else [DONE, DONE])
    wait = accepted_wait(wireless_goal(status="ready"))
    assert wait.callback_received("active", 5.0, signed=True) is READ
    assert wait.read(wireless("active", 5.0), 5.1) is DONE
    assert wait.error is None


# Ends.


def test_a_timeout_names_the_last_status_and_the_last_read_error() -> None:
    wait = accepted_wait()
    wait.read(supersim("scheduled"), 5.0)
    wait.read_failed(AsyncSimError("the reads fail"), 6.0)
    wait.time_out(60.0)
    assert isinstance(wait.error, TransitionTimeout)
    assert wait.error.last.status == "scheduled"
    assert wait.error.__cause__ is wait.last_error
    assert "within 60 s, last seen 'scheduled'" in str(wait.error)


def test_a_successful_read_clears_the_last_error() -> None:
    wait = accepted_wait()
    wait.read_failed(AsyncSimError("the reads fail"), 4.0)
    wait.read(supersim("scheduled"), 5.0)
    wait.time_out(60.0)
    assert wait.error is not None
    assert wait.error.__cause__ is None


def test_a_done_wait_neither_times_out_nor_aborts() -> None:
    wait = accepted_wait()
    wait.read(supersim("active", 1.0), 1.0)
    wait.time_out(60.0)
    wait.abort(AsyncSimError("closed"))
    assert wait.error is None


# Any facts in any order.

FACTS = st.one_of(
    st.tuples(st.just("response"), st.sampled_from(["scheduled", "active", "inactive"])),
    st.tuples(st.just("read"), st.sampled_from(["scheduled", "active", "inactive", "unknown"])),
    st.tuples(st.just("callback"), st.sampled_from(["scheduled", "active", "inactive", None])),
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, str | None, float, float, bool]]:
    """Facts with the seconds since the previous one, the date of the record, and a flag."""
    facts = draw(st.lists(FACTS, max_size=12))
    return [
        (name, status, draw(st.floats(0, 20)), draw(st.integers(-3, 3)), draw(st.booleans()))
        for name, status in facts
    ]


def apply_fact(
    wait: Transition, fact: tuple[str, str | None, float, float, bool], now: float
) -> NextStep:
    name, status, _, date, flag = fact
    if name == "callback":
        return wait.callback_received(status, now, signed=flag, code=None if flag else 33000)
    record = supersim(status or "unknown", float(date))
    return wait.accepted(record, now) if name == "response" else wait.read(record, now)


@given(history=histories(), accepts_signed=st.booleans(), no_request=st.booleans())
def test_a_wait_ends_at_most_once_and_never_reopens(
    history: list[tuple[str, str | None, float, float, bool]],
    accepts_signed: bool,
    no_request: bool,
) -> None:
    wait, now, end = wait_for(accepts_signed=accepts_signed, no_request=no_request), 0.0, None
    for fact in history:
        now += fact[2]
        step = apply_fact(wait, fact, now)
        assert (step is DONE) == wait.done
        outcome = (wait.error, wait.settled_by, wait.confirmed, wait.last)
        if end is not None:
            assert outcome == end
        elif wait.done:
            end = outcome


@given(history=histories(), accepts_signed=st.booleans())
def test_a_wait_ends_only_at_the_target_or_on_a_record_off_target(
    history: list[tuple[str, str | None, float, float, bool]], accepts_signed: bool
) -> None:
    wait, now = wait_for(accepts_signed=accepts_signed), 0.0
    for fact in history:
        now += fact[2]
        apply_fact(wait, fact, now)
        if not wait.done:
            continue
        if wait.error is None:
            assert wait.last.status == "active"
            assert wait.confirmed or accepts_signed
        else:
            assert wait.accepted_at is not None
            assert fact[0] != "callback"  # only a record fails a wait
            assert wait.last.status in ("inactive", "unknown")
        break


@given(history=histories())
def test_an_old_copy_never_fails_a_wait_without_an_error_from_a_callback(
    history: list[tuple[str, str | None, float, float, bool]],
) -> None:
    wait, now = accepted_wait(), 0.0
    for name, status, later, _, _ in history:
        now += later
        fact = (name, status, later, -1.0, True)
        if name != "response":
            apply_fact(wait, fact, now)
        if wait.done:
            assert wait.error is None
            break


@given(later=st.lists(st.floats(0, 4), max_size=8))
def test_an_unchanged_copy_fails_the_wait_after_stale_for_and_not_before(
    later: list[float],
) -> None:
    wait, now, first = accepted_wait(wireless_goal(status="active")), 0.0, None
    for seconds in later:
        now += seconds
        first = now if first is None else first
        step = wait.read(wireless("new"), now)
        assert (step is DONE) == (now >= first + 10.0)
        if step is DONE:
            assert wait.sid == DE
            break


def test_no_repr_shows_the_ticket() -> None:
    wait = wait_for(nonce="ticket-1")
    wait.hand_over("ticket-1", partial(print, "ticket-1"), 0.0)
    assert "ticket-1" not in repr(wait)


# Waits that drop records.


def test_drops_records_keeps_no_pending_record_and_shows_the_settled_one() -> None:
    wait = accepted_wait(drops_records=True)
    assert (wait.last, wait.sid, wait.response_date) == (None, HS, supersim("active").date_updated)
    last = supersim("active", 3.0)
    assert wait.read(last, 3.0) is DONE
    assert wait.last is last


def test_with_drops_records_an_accepted_callback_ends_the_wait_without_a_record() -> None:
    wait = accepted_wait(drops_records=True, accepts_signed=True)
    assert wait.callback_received("active", 1.0, signed=True) is DONE
    assert (wait.last, wait.confirmed, wait.settled_by) == (None, False, "callback")


def test_with_drops_records_too_a_callback_before_the_response_is_confirmed_by_a_read() -> None:
    wait = wait_for(drops_records=True, accepts_signed=True)
    assert wait.callback_received("active", 1.0, signed=True) is READ


# Messages: created, never updated, and without a SID before the response.


def wait_for_message(until: str | None = None) -> Transition:
    goal = Goal(SMS_COMMANDS, {}, frozenset({until}) if until else None)
    return Transition(
        name="sms_commands:1", goal=goal, started=0.0, timeout=9.0, on_done=lambda _: None
    )


@pytest.mark.parametrize("initial_status", ["queued", "sent"])
def test_a_callback_before_the_response_is_kept_until_the_sid_is_known(initial_status: str) -> None:
    one = wait_for_message("delivered")
    assert one.callback_received("delivered", 0.0, signed=True) is NextStep.WAIT
    assert one.accepted(SmsCommand(sid="HC1", status=initial_status), 1.0) is NextStep.READ
    assert one.read(SmsCommand(sid="HC1", status="delivered"), 2.0) is NextStep.DONE
    assert one.settled_by == "callback"


def test_the_label_is_the_sid_once_it_is_known() -> None:
    one = wait_for_message()
    assert one.label == "the new SmsCommand"
    one.accepted(SmsCommand(sid="HC1", status="queued"), 1.0)
    assert one.label == "HC1"


# Written by its own methods only.


def test_no_other_module_assigns_to_a_wait() -> None:
    names = {one.name for one in attrs.fields(Transition)}
    package = Path(transition.__file__).parent.parent
    others = [path for path in package.rglob("*.py") if path != Path(transition.__file__)]
    found = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr in names
        and ast.unparse(node.value).endswith("wait")
    ]
    assert found == []

from __future__ import annotations

import weakref

from hypothesis import given, strategies as st

from asyncsim.core.transition import Transition
from asyncsim.waiting.timers import Timers
from tests.waiting.builders import wait


def expiring(deadline: float) -> Transition:
    return wait(accepted_at=0.0, timeout=deadline)


def end(timers: Timers, ended: Transition) -> None:
    ended.abandon()
    timers.discard(ended)


# Reads.


def test_reads_are_due_once_and_in_order() -> None:
    timers, late, early, never = Timers(), wait(), wait(), wait()
    for moment, one in ((3.0, late), (1.0, early), (9.0, never)):
        timers.set_read(one, moment)
    assert timers.next == 1.0
    assert list(timers.due(5.0)) == [early, late]
    assert list(timers.due(5.0)) == []
    assert timers.next == 9.0


def test_setting_a_read_again_replaces_the_earlier_time() -> None:
    timers, one = Timers(), wait()
    for moment in (5.0, 2.0, 8.0):
        timers.set_read(one, moment)
    assert list(timers.due(7.0)) == []
    assert list(timers.due(8.0)) == [one]
    assert timers.next is None


def test_setting_the_same_time_twice_gives_one_read() -> None:
    timers, one = Timers(), wait()
    timers.set_read(one, 5.0)
    timers.set_read(one, 5.0)
    assert list(timers.due(5.0)) == [one]


def test_a_cancelled_read_is_not_due() -> None:
    timers, one = Timers(), wait()
    timers.set_read(one, 1.0)
    timers.cancel_read(one)
    timers.cancel_read(one)
    assert (timers.next, list(timers.due(9.0)), len(timers)) == (None, [], 0)


def test_a_read_may_be_set_while_iterating_over_due_timers() -> None:
    timers, one = Timers(), wait()
    timers.set_read(one, 1.0)
    for due in timers.due(2.0):
        timers.set_read(due, 5.0)
    assert timers.next == 5.0


def test_replaced_times_do_not_accumulate() -> None:
    timers, one = Timers(), wait()
    for moment in range(100_000):
        timers.set_read(one, float(moment))
    assert len(timers) < 2_000
    assert list(timers.due(1e9)) == [one]


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 9)))))
def test_reads_behave_like_a_sorted_dictionary(steps: list[tuple[int, int | None]]) -> None:
    timers, model, waits = Timers(), dict[Transition, int](), [wait() for _ in range(5)]
    for at, moment in steps:
        if moment is None:
            timers.cancel_read(waits[at])
            model.pop(waits[at], None)
        else:
            timers.set_read(waits[at], moment)
            model[waits[at]] = moment
        assert timers.next == min(model.values(), default=None)
    due = list(timers.due(5))
    assert sorted(model[one] for one in due) == [model[one] for one in due]
    assert set(due) == {one for one, moment in model.items() if moment <= 5}


def test_a_cancelled_read_keeps_no_reference_to_its_wait() -> None:
    timers, one = Timers(), wait()
    timers.set_read(one, 1.0)
    timers.set_read(one, 9.0)
    timers.cancel_read(one)
    ref = weakref.ref(one.goal)  # referenced by this wait only
    del one
    assert ref() is None


# Deadlines.


def test_deadlines_are_due_in_order_and_at_their_exact_time() -> None:
    timers = Timers()
    first, second, third = expiring(10.25), expiring(10.75), expiring(99.0)
    for one in (third, second, first):
        timers.set_deadline(one)
    assert timers.next == 10.0, (
        "deadlines are grouped by second, and sorted when that second begins"
    )
    assert list(timers.due(10.0)) == []
    assert timers.next == 10.25
    assert list(timers.due(10.5)) == [first]
    assert list(timers.due(50.0)) == [second]
    assert timers.next == 99.0


def test_a_deadline_within_the_current_second_is_due_at_its_exact_time() -> None:
    timers, one = Timers(), expiring(5.5)
    assert list(timers.due(5.25)) == []
    timers.set_deadline(one)
    assert timers.next == 5.5
    assert list(timers.due(5.5)) == [one]


def test_a_wait_whose_post_is_in_flight_has_no_deadline_yet() -> None:
    timers = Timers()
    timers.set_deadline(wait())
    assert timers.next is None


def test_a_wait_with_an_extended_deadline_is_due_again() -> None:
    timers, one = Timers(), expiring(5.0)
    timers.set_deadline(one)
    assert list(timers.due(5.0)) == [one]
    one.begin_last_read(35.0)
    timers.set_deadline(one)
    assert list(timers.due(34.0)) == []
    assert list(timers.due(35.0)) == [one]


def test_a_discarded_wait_is_never_due() -> None:
    timers, one, other = Timers(), expiring(5.0), expiring(6.0)
    for each in (one, other):
        timers.set_deadline(each)
    end(timers, one)
    assert list(timers.due(9.0)) == [other]
    assert timers.next is None


def test_a_deadline_is_kept_when_a_read_is_set_and_cancelled() -> None:
    timers, one = Timers(), expiring(5.0)
    timers.set_deadline(one)
    timers.set_read(one, 3.0)
    timers.cancel_read(one)
    assert list(timers.due(4.0)) == []
    assert list(timers.due(5.0)) == [one]


def test_a_far_deadline_keeps_no_reference_to_a_discarded_wait() -> None:
    timers = Timers()
    waits = [expiring(900.0) for _ in range(5000)]
    for index in range(len(waits)):
        timers.set_deadline(waits[index])  # no loop variable keeps the last one alive
    refs = [weakref.ref(one.goal) for one in waits]
    while waits:
        end(timers, waits.pop())
    assert sum(ref() is not None for ref in refs) == 0
    assert timers.next is None


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=40), st.floats(0, 20))
def test_exactly_the_waits_past_their_deadline_are_due(
    given: list[tuple[float, bool]], now: float
) -> None:
    timers, waits = Timers(), [(expiring(moment), ends) for moment, ends in given]
    for one, _ in waits:
        timers.set_deadline(one)
    for one, ends in waits:
        if ends:
            end(timers, one)
    due = list(timers.due(now))
    assert set(due) == {one for one, ends in waits if not ends and one.timeout <= now}
    assert [one.timeout for one in due] == sorted(one.timeout for one in due)
    left = [one.timeout for one, ends in waits if not ends and one.timeout > now]
    # `next` may be too early, for a discarded wait, but never too late.
    assert not left or (timers.next is not None and timers.next <= min(left))

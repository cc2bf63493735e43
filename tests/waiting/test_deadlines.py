from __future__ import annotations

import weakref

from hypothesis import given, strategies as st

from asyncsim.core.transition import Transition
from asyncsim.waiting.deadlines import Deadlines
from tests.waiting.test_timetable import wait as plain


def wait(deadline: float) -> Transition:
    made = plain(accepted_at=0.0)
    made.timeout = deadline
    return made


def end(deadlines: Deadlines, one: Transition) -> None:
    one.done = True
    deadlines.forget(one)


def test_deadlines_come_in_order_each_at_its_own_moment() -> None:
    deadlines = Deadlines()
    first, second, third = wait(10.25), wait(10.75), wait(99.0)
    for one in (third, second, first):
        deadlines.add(one, 0.0)
    assert deadlines.next == 10.0, "it looks closer when their second comes"
    assert list(deadlines.due(10.0)) == []
    assert deadlines.next == 10.25
    assert list(deadlines.due(10.5)) == [first]
    assert list(deadlines.due(50.0)) == [second]
    assert deadlines.next == 99.0


def test_a_deadline_within_this_second_is_kept_too() -> None:
    deadlines, one = Deadlines(), wait(5.5)
    deadlines.add(one, 5.25)
    assert deadlines.next == 5.5
    assert list(deadlines.due(5.5)) == [one]


def test_who_gets_more_time_is_due_once_more() -> None:
    deadlines, one = Deadlines(), wait(5.0)
    deadlines.add(one, 0.0)
    assert list(deadlines.due(5.0)) == [one]
    deadlines.extend(one, 35.0)
    assert list(deadlines.due(34.0)) == []
    assert list(deadlines.due(35.0)) == [one]


def test_who_has_ended_is_never_due() -> None:
    deadlines, one, other = Deadlines(), wait(5.0), wait(6.0)
    for each in (one, other):
        deadlines.add(each, 0.0)
    end(deadlines, one)
    assert list(deadlines.due(9.0)) == [other]
    assert deadlines.next is None


def test_nobody_is_kept_alive_by_a_deadline_long_after_the_end() -> None:
    deadlines = Deadlines()
    waits = [wait(900.0) for _ in range(5000)]
    for one in waits:
        deadlines.add(one, 0.0)
    gone = [weakref.ref(one.goal) for one in waits]
    del one
    while waits:
        end(deadlines, waits.pop())
    assert sum(ref() is not None for ref in gone) == 0
    assert deadlines.next is None


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=40), st.floats(0, 20))
def test_all_whose_deadline_has_come_are_due_and_nobody_else(
    given: list[tuple[float, bool]], now: float
) -> None:
    deadlines, waits = Deadlines(), [(wait(moment), ends) for moment, ends in given]
    for one, _ in waits:
        deadlines.add(one, 0.0)
    for one, ends in waits:
        if ends:
            end(deadlines, one)
    due = list(deadlines.due(now))
    assert set(due) == {one for one, ends in waits if not ends and one.timeout <= now}
    assert [one.timeout for one in due] == sorted(one.timeout for one in due)
    left = [one.timeout for one, ends in waits if not ends and one.timeout > now]
    # Looked at too early, for somebody who has ended, does no harm; too late would.
    assert not left or (deadlines.next is not None and deadlines.next <= min(left))

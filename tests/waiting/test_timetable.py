from __future__ import annotations

import weakref

from hypothesis import given, strategies as st

from asyncsim.core.goal import Goal
from asyncsim.core.transition import Transition
from asyncsim.models.supersim.sims import SIMS
from asyncsim.waiting.timers import Timetable
from asyncsim.waiting.waits import Register


def wait(name: str = "HS1", **more: object) -> Transition:
    return Transition(name=name, goal=Goal(SIMS), started=0.0, timeout=1.0, on_done=print, **more)  # type: ignore[arg-type]  # of several types


def test_turns_come_in_order_and_once() -> None:
    table, late, early, never = Timetable(), wait(), wait(), wait()
    for moment, one in ((3.0, late), (1.0, early), (9.0, never)):
        table.set(one, moment)
    assert table.next == 1.0
    assert list(table.due(5.0)) == [early, late]
    assert list(table.due(5.0)) == []
    assert (table.next, len(table)) == (9.0, 1)


def test_another_turn_replaces_the_first_whether_sooner_or_later() -> None:
    table, one = Timetable(), wait()
    for moment in (5.0, 2.0, 8.0):
        table.set(one, moment)
    assert list(table.due(7.0)) == []
    assert list(table.due(8.0)) == [one]
    assert table.next is None


def test_a_turn_that_is_taken_away_does_not_come() -> None:
    table, one = Timetable(), wait()
    table.set(one, 1.0)
    table.forget(one)
    table.forget(one)
    assert (table.next, list(table.due(9.0)), len(table)) == (None, [], 0)


def test_a_turn_may_be_set_while_turns_are_taken() -> None:
    table, one = Timetable(), wait()
    table.set(one, 1.0)
    for due in table.due(2.0):
        table.set(due, 5.0)
    assert table.next == 5.0


def test_outdated_turns_do_not_pile_up() -> None:
    table, one = Timetable(), wait()
    for moment in range(100_000):
        table.set(one, float(moment))
    assert len(table._heap) < 2_000
    assert list(table.due(1e9)) == [one]


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 9)))))
def test_a_timetable_is_a_dictionary_that_is_sorted(
    steps: list[tuple[int, int | None]],
) -> None:
    table, plain, waits = Timetable(), dict[Transition, int](), [wait() for _ in range(5)]
    for at, moment in steps:
        if moment is None:
            table.forget(waits[at])
            plain.pop(waits[at], None)
        else:
            table.set(waits[at], moment)
            plain[waits[at]] = moment
        assert table.next == min(plain.values(), default=None)
    due = list(table.due(5))
    assert sorted(plain[one] for one in due) == [plain[one] for one in due]
    assert set(due) == {one for one, moment in plain.items() if moment <= 5}


def test_waits_are_found_under_every_name_they_have() -> None:
    register, one, two = Register(), wait("depot", sid="HS1"), wait("HS1")
    register.add(one)
    register.add(two)
    assert register.of("depot") == [one]
    assert register.of("HS1") == [one, two]
    assert register.of("HS1", "depot") == [one, two]
    assert list(register) == [one, two]


def test_a_sid_that_is_learned_later_counts_too() -> None:
    register, one = Register(), wait("depot")
    register.add(one)
    one.sid = "HS1"
    register.name(one, "HS1")
    register.name(one, "HS1")
    assert register.of("HS1") == [one]
    assert register.remove(one)
    assert not register.remove(one)
    assert (register.of("HS1", "depot"), len(register), one in register) == ([], 0, False)
    assert register._named == {}


def test_a_table_without_turns_keeps_nobody_alive() -> None:
    table, one = Timetable(), wait()
    table.set(one, 1.0)
    table.set(one, 9.0)
    table.forget(one)
    gone = weakref.ref(one.goal)  # which nobody else has
    del one
    assert gone() is None

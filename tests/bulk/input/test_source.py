from __future__ import annotations

from asyncsim.bulk.input.source import LineNumbers, Problems


def test_problems_are_in_line_order_after_those_of_the_whole_input() -> None:
    problems = Problems()
    problems.add("b", 10)
    problems.add("a", 9)
    problems.add("whole")
    assert list(problems) == ["whole", "line 9: a", "line 10: b"]


def test_only_the_first_messages_are_kept_and_the_rest_are_counted() -> None:
    problems = Problems("row", most=2)
    for number in range(1, 2001):
        problems.add("wrong", number)
    assert list(problems) == ["row 1: wrong", "row 2: wrong", "and 1,998 more"]
    assert problems.texts == ("row 1: wrong", "row 2: wrong")
    assert len(problems) == problems.count == 2000
    assert repr(problems) == "<Problems: 2,000>"


def test_an_empty_problem_list_is_false() -> None:
    assert not Problems()
    assert list(Problems()) == []


def test_line_numbers_are_listed_up_to_the_first_few() -> None:
    places = LineNumbers("line")
    places.add(7)
    assert str(places) == "line 7"
    for line in range(8, 15):
        places.add(line)
    assert str(places) == "lines 7, 8, 9, 10, 11 and 3 more"

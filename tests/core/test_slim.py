from __future__ import annotations

from typing import Any

from asyncsim.core.slim import Mark, Rare


class Small:
    __slots__ = ("marks", "rare")

    marks: int
    rare: dict[str, Any] | None

    first = Mark(0)
    last = Mark(9)
    note = Rare[str | None](None)
    number = Rare[int](7)

    def __init__(self) -> None:
        self.marks, self.rare = 0, None


def test_marks_are_set_and_taken_back_each_for_itself() -> None:
    small = Small()
    small.first = small.last = True
    small.first = False
    assert (small.first, small.last, small.marks) == (False, True, 512)


def test_what_is_rare_has_its_default_until_it_is_set() -> None:
    small = Small()
    small.note = None
    assert (small.note, small.number, small.rare) == (None, 7, None)
    small.note, small.number = "seen", 8
    assert (small.note, small.number) == ("seen", 8)
    small.note = None
    assert (small.note, small.number) == (None, 8)

"""A change that many get alike is prepared once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncsim.resources.recipes import Recipe, Recipes


class Kitchen:
    def __init__(self) -> None:
        self.made: list[Mapping[str, Any]] = []
        self.recipes = Recipes(self.make)

    def make(self, changes: Mapping[str, Any]) -> Recipe:
        self.made.append(dict(changes))
        return Recipe(repr(changes), None)


def test_the_same_change_is_made_once() -> None:
    kitchen = Kitchen()
    for _ in range(3):
        kitchen.recipes.of({"status": "active", "unique_name": None})
    assert len(kitchen.made) == 1


def test_values_that_only_compare_alike_are_not_the_same() -> None:
    kitchen = Kitchen()
    assert [kitchen.recipes.of({"a": one}).form for one in (1, True)] == ["{'a': 1}", "{'a': True}"]


def test_changes_that_differ_for_each_do_not_pile_up() -> None:
    kitchen = Kitchen()
    for number in range(1000):
        kitchen.recipes.of({"unique_name": str(number)})
    assert len(kitchen.recipes._made) <= 256


def test_what_cannot_be_hashed_is_made_anew() -> None:
    kitchen = Kitchen()
    for _ in range(2):
        kitchen.recipes.of({"a": ["x"]})
    assert len(kitchen.made) == 2

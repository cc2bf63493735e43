"""A change that many SIMs get alike: checked, encoded and made a goal once, not for each of them.

A tenth of what an update costs, and its goal would stay in memory for every SIM
(benchmarks/cases/requests.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import Factory, field, frozen

from asyncsim.core.goal import Goal
from asyncsim.http.transport import Body, make_body

_MOST = 256  # changes that differ for each SIM, such as unique names, must not pile up


def _body(recipe: Recipe) -> Body:
    return make_body(recipe.form)


@frozen
class Recipe:
    """One change, whoever gets it."""

    form: str
    """Encoded."""
    goal: Goal | None
    """None: it names other resources, which must be looked up each time."""
    body: Body = field(init=False, default=Factory(_body, takes_self=True))
    """The same, as it goes out."""


class Recipes:
    """Recipes made so far."""

    def __init__(self, make: Callable[[Mapping[str, Any]], Recipe]) -> None:
        self._make = make
        self._made: dict[tuple[Any, ...], Recipe] = {}

    def of(self, changes: Mapping[str, Any]) -> Recipe:
        """Return the recipe of a change."""
        for value in changes.values():
            if value.__class__ is not str and value is not None:
                return self._make(changes)  # 1 and True are the same key, and not the same text
        key = tuple(changes.items())
        recipe = self._made.get(key)
        if recipe is None:
            if len(self._made) >= _MOST:
                self._made.clear()
            recipe = self._made[key] = self._make(changes)
        return recipe

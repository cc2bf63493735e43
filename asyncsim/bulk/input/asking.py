"""What the columns of a row ask for, checked; rows that ask for the same share the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from attrs import frozen

from asyncsim.bulk import actions
from asyncsim.bulk.input import names
from asyncsim.bulk.input.columns import BARE, Wanted
from asyncsim.bulk.records import Naming
from asyncsim.wire.forms import Param

_REMEMBERED = 10_000  # combinations of values
_RAW = frozenset({"payload", "command"})  # spaces in a text are part of it


@frozen
class Asked:
    """What a row asks for on top of what the job asks, and what is wrong with that."""

    change: Mapping[str, Any] | None
    problems: tuple[str, ...] = ()


NOTHING = Asked(None)


class Asker:
    """Reads changes from the columns that are applied."""

    def __init__(self, wanted: Wanted, change: Mapping[str, Any]) -> None:
        self.columns = BARE
        self._wanted = wanted
        self._change = change
        self._params = actions.keywords(wanted.product, wanted.action)
        self._asked: dict[tuple[object, ...], Asked] = {}

    def asked_by(self, values: Sequence[Any], sort: Naming) -> Asked:
        """What the values of a row ask for; `sort` is what names its SIM."""
        if not self.columns.changes:
            return NOTHING
        try:
            key = (sort == "unique_name", *[_plain(values[p]) for _, p in self.columns.changes])
        except ValueError as error:
            return Asked(None, (str(error),))
        if (asked := self._asked.get(key)) is None:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            asked = self._asked[key] = self._ask(key[1:], names_itself=bool(key[0]))
        return asked

    def _ask(self, values: Sequence[object], *, names_itself: bool) -> Asked:
        own: dict[str, Any] = {}
        for (keyword, place), value in zip(self.columns.changes, values, strict=True):
            if names_itself and place == self.columns.renaming:
                continue
            cleaned = _cleaned(self._params[keyword], value)
            if cleaned != "":
                own[keyword] = cleaned
        merged = {**self._change, **own}
        problems = actions.check(self._wanted.product, self._wanted.action, merged)
        return Asked(own or None, (*problems, *self._lacking(merged)))

    def _lacking(self, merged: Mapping[str, Any]) -> list[str]:
        needed = actions.required(self._wanted.product, self._wanted.action)
        lacking = [f"{keyword} is empty" for keyword in needed if keyword not in merged]
        if merged or lacking:
            return lacking
        empty = " and ".join(self.columns.applied)
        return [f"nothing is asked for: {empty} {'is' if ' ' not in empty else 'are'} empty"]


def _plain(value: object) -> str | None:
    """A value as it can be sent: text, or None to clear."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value != value:
        return ""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{names.shown(value)} cannot be sent; give text")


def _cleaned(param: Param, value: object) -> object:
    """Without what people and spreadsheets add to a value."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if param.keyword in _RAW:
        return value if text else ""
    if text.lower() == actions.CLEAR:
        return None
    if param.keyword == "registration_code":
        return names.unquoted(text)
    spellings = {choice.lower(): choice for choice in param.choices or ()}
    return spellings.get(text.lower(), text)

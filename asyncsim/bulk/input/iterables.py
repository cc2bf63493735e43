"""Rows from a program: names, mappings or attrs records, from any iterable or async iterable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from numbers import Integral
from typing import Any

import attrs
from attrs import field, frozen

from asyncsim.bulk.input.names import FLOAT, shown
from asyncsim.bulk.input.problems import Problems
from asyncsim.bulk.input.sources import ABSENT, CHUNK, Make, Record, Shape
from asyncsim.bulk.records import Row
from asyncsim.errors import JobError

Item = str | int | Mapping[str, Any] | object
"""A name, a mapping from column to value, or an attrs record."""
Items = Iterable[Item] | AsyncIterable[Item]


def check_items(items: object) -> None:
    """Refuse what is no iterable of rows: TypeError says what to give instead."""
    if isinstance(items, Mapping):
        raise TypeError(
            "from_rows takes rows, not a mapping; give"
            " ({'sid': sid, **change} for sid, change in changes.items())"
        )
    if isinstance(items, str | bytes) or not isinstance(items, Iterable | AsyncIterable):
        raise TypeError(f"from_rows takes an iterable of rows, not {shown(items)}")


@frozen(kw_only=True)
class ItemSource:
    """An iterable or async iterable of rows."""

    items: Items = field(repr=False)
    label: str = "rows"
    _taken: list[bool] = field(factory=list, init=False, repr=False, eq=False)

    @property
    def path(self) -> None:
        """It is no file."""
        return None

    @property
    def unit(self) -> str:
        """They are counted, they have no lines."""
        return "row"

    def open(self, problems: Problems) -> ItemFeed:
        """Begin a pass; a generator has only one."""
        if self._taken and isinstance(self.items, Iterator | AsyncIterator):
            raise JobError(
                "these rows came from an iterator, which has been read and is used up;"
                " make the job from a list, or from a new iterator"
            )
        self._taken.append(True)
        return ItemFeed(self.items, problems)


class ItemFeed:
    """One pass over rows of a program, in its own loop and thread."""

    def __init__(self, items: Items, problems: Problems) -> None:
        self._items = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        self._problems = problems
        self._shape: Shape | None = None
        self._keys: frozenset[str] = frozenset()
        self._number = 0

    async def take(self, make: Make) -> list[Row] | None:
        """Make rows of the next chunk; None at the end."""
        await asyncio.sleep(0)  # the loop has other work, too
        items = await self._next_items()
        if not items:
            return None
        records = list(self._records(items))
        return make(records, self._shape) if self._shape is not None else []

    def close(self) -> None:
        """Nothing is open; the iterable belongs to who made it."""

    async def _next_items(self) -> list[Item]:
        if isinstance(self._items, Iterator):
            return list(islice(self._items, CHUNK))
        items: list[Item] = []
        async for item in self._items:
            items.append(item)
            if len(items) == CHUNK:
                break
        return items

    def _records(self, items: Iterable[Item]) -> Iterator[Record]:
        for item in items:
            self._number += 1
            try:
                yield Record(self._number, self._values(item))
            except ValueError as error:
                self._problems.add(str(error), self._number)

    def _values(self, item: Item) -> Sequence[Any]:
        """The values of an item, in the order of the header."""
        row, shape = _opened(item)
        if self._shape is None:
            self._shape = shape
            self._keys = frozenset(shape.header or ())
        header = self._shape.header
        if (shape.header is None) != (header is None):
            raise ValueError(f"{shown(item)} is not of the same sort as the rows before it")
        if header is None:
            return _storable([item])
        if unknown := row.keys() - self._keys:
            names = ", ".join(sorted(map(shown, unknown)))
            raise ValueError(f"the rows before have no {names}; give the first row all keys")
        return _storable([row.get(key, ABSENT) for key in header])


def _storable(values: list[Any]) -> list[Any]:
    """Refuse text that no file and no database takes: half of a surrogate pair."""
    for value in values:
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError(f"{shown(value)} cannot be written as UTF-8") from None
    return values


def _opened(item: Item) -> tuple[Mapping[str, Any], Shape]:
    """The values of an item by name, and the shape of an input of which it is the first."""
    if isinstance(item, Mapping):
        if strange := [key for key in item if not isinstance(key, str)]:
            raise ValueError(f"keys must be text, not {shown(strange[0])}")
        return item, Shape(header=tuple(item))
    sort: type[Any] = type(item)
    if attrs.has(sort):
        names = tuple(one.name for one in attrs.fields(sort))
        return {name: getattr(item, name) for name in names}, Shape(header=names, shy=True)
    if isinstance(item, str | Integral) and not isinstance(item, bool):
        return {}, Shape(header=None)
    if isinstance(item, float):
        raise ValueError(f"{shown(item)} is a float, {FLOAT}")
    raise ValueError(f"{shown(item)} is no row; give a name, a mapping or an attrs record")

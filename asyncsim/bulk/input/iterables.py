"""Rows from a program: names, mappings or attrs records, from an iterable or async iterable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from numbers import Integral
from typing import Any

import attrs
from attrs import field, frozen

from asyncsim.bulk.input.identifiers import FLOAT_DIGITS, shortened
from asyncsim.bulk.input.source import ABSENT, CHUNK, BuildRows, Problems, Record, Shape
from asyncsim.bulk.records import Row
from asyncsim.errors import JobError

Item = str | int | Mapping[str, Any] | object
"""A name, a mapping from column to value, or an attrs record."""
Items = Iterable[Item] | AsyncIterable[Item]


def check_items(items: object) -> Items:
    """Return an iterable of rows; TypeError says what to pass instead of anything else."""
    if isinstance(items, Mapping):
        raise TypeError(
            "from_rows takes rows, not a mapping; pass"
            " ({'sid': sid, **change} for sid, change in changes.items())"
        )
    if isinstance(items, str | bytes) or not isinstance(items, Iterable | AsyncIterable):
        raise TypeError(f"from_rows takes an iterable of rows, not {shortened(items)}")
    return items


@frozen(kw_only=True)
class ItemSource:
    """An iterable or async iterable of rows."""

    items: Items = field(repr=False)
    label: str = "rows"
    _opened: list[bool] = field(factory=list, init=False, repr=False, eq=False)

    @property
    def path(self) -> None:
        """It is not a file."""
        return None

    @property
    def unit(self) -> str:
        """Rows are numbered; they have no lines."""
        return "row"

    def open(self, problems: Problems) -> ItemReader:
        """Start a pass; a generator can be read only once."""
        # A resumed run reads the input again, to check that it is the same.
        if self._opened and isinstance(self.items, Iterator | AsyncIterator):
            raise JobError(
                "these rows came from an iterator, which has been consumed;"
                " create the job from a list, or from a new iterator"
            )
        self._opened.append(True)
        return ItemReader(self.items, problems)


class ItemReader:
    """One pass over a program's rows, in its own loop and thread: rows may use its objects."""

    def __init__(self, items: Items, problems: Problems) -> None:
        self._items = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        self._problems = problems
        self._shape: Shape | None = None
        self._keys: frozenset[str] = frozenset()
        self._number = 0

    async def read(self, build: BuildRows) -> list[Row] | None:
        """Build rows from the next chunk; None at the end."""
        await asyncio.sleep(0)  # a list never waits: let other tasks run between chunks
        items: list[Item] = []
        if isinstance(self._items, Iterator):
            items = list(islice(self._items, CHUNK))
        else:
            async for item in self._items:
                items.append(item)
                if len(items) == CHUNK:
                    break
        if not items:
            return None
        records: list[Record] = []
        for item in items:
            self._number += 1
            try:
                records.append(Record(self._number, self._values(item)))
            except ValueError as error:
                self._problems.add(str(error), self._number)
        return build(records, self._shape) if self._shape is not None else []

    def close(self) -> None:
        """Nothing to close: the iterable belongs to the caller."""

    def _values(self, item: Item) -> Sequence[Any]:
        """Return the values of an item, in the order of the header."""
        row, shape = _unpack(item)
        if self._shape is None:
            self._shape = shape
            self._keys = frozenset(shape.header or ())
        header = self._shape.header
        if (shape.header is None) != (header is None):
            raise ValueError(f"{shortened(item)} is not of the same type as the rows before it")
        # A key that only later rows have is probably a typo; its value would be dropped silently.
        if unknown := row.keys() - self._keys:
            names = ", ".join(sorted(map(shortened, unknown)))
            raise ValueError(f"the rows before have no {names}; the first row must have all keys")
        values = [item] if header is None else [row.get(key, ABSENT) for key in header]
        for value in values:
            if isinstance(value, str) and not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError:  # half a surrogate pair: no file or database takes it
                    raise ValueError(f"{shortened(value)} cannot be written as UTF-8") from None
        return values


def _unpack(item: Item) -> tuple[Mapping[str, Any], Shape]:
    """Return the values of an item by name, and the shape of an input that begins with it."""
    if isinstance(item, Mapping):
        if strange := [key for key in item if not isinstance(key, str)]:
            raise ValueError(f"keys must be text, not {shortened(strange[0])}")
        return item, Shape(header=tuple(item))
    kind: type[Any] = type(item)
    if attrs.has(kind):
        names = tuple(one.name for one in attrs.fields(kind))
        return {name: getattr(item, name) for name in names}, Shape(
            header=names, vendor_columns=True
        )
    # Integral: an ICCID as an int has all its digits, also numpy's.
    if isinstance(item, str | Integral) and not isinstance(item, bool):
        return {}, Shape(header=None)
    if isinstance(item, float):
        raise ValueError(f"{shortened(item)} is a float, {FLOAT_DIGITS}")
    raise ValueError(f"{shortened(item)} is not a row; pass a name, a mapping or an attrs record")

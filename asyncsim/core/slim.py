"""Attributes that take no room of their own: there are a hundred thousand waits at once.

A slot is eight bytes for each of them, set or not. So what is true or false shares one number, and
what few ever need is kept in a dictionary that is made when the first of it is set.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

V = TypeVar("V")


class Marked(Protocol):
    """Has room for marks."""

    marks: int


class Sparse(Protocol):
    """Has room for what is rare."""

    rare: dict[str, Any] | None


class Mark:
    """True or false, as one bit of `marks`."""

    def __init__(self, place: int) -> None:
        self._bit = 1 << place

    def __get__(self, owner: Marked, kind: type[Any] | None = None) -> bool:
        return bool(owner.marks & self._bit)

    def __set__(self, owner: Marked, value: bool) -> None:
        owner.marks = owner.marks | self._bit if value else owner.marks & ~self._bit


class Chosen(Generic[V]):
    """One of a few, or None, as some bits of `marks`."""

    def __init__(self, place: int, *options: V) -> None:
        self._place = place
        self._options = (None, *options)
        self._bits = (1 << len(options).bit_length()) - 1

    def __get__(self, owner: Marked, kind: type[Any] | None = None) -> V | None:
        return self._options[owner.marks >> self._place & self._bits]

    def __set__(self, owner: Marked, value: V | None) -> None:
        kept = owner.marks & ~(self._bits << self._place)
        owner.marks = kept | self._options.index(value) << self._place


class Rare(Generic[V]):
    """Anything, in the dictionary `rare`; most have the default."""

    def __init__(self, default: V) -> None:
        self._default = default

    def __set_name__(self, kind: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, owner: Sparse, kind: type[Any] | None = None) -> V:
        found: V = owner.rare.get(self._name, self._default) if owner.rare else self._default
        return found

    def __set__(self, owner: Sparse, value: V) -> None:
        if owner.rare is None:
            if value is self._default:
                return
            owner.rare = {}
        owner.rare[self._name] = value

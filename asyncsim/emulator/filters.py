"""Filters of lists: from a value of the query to what a record must have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncsim.emulator.context import Desk, Filter
from asyncsim.emulator.errors import invalid
from asyncsim.emulator.params import moment
from asyncsim.kind import Kind
from asyncsim.vendors import Product


def equal(attribute: str) -> Filter:
    """The attribute must have the value as given."""
    return lambda desk, value: (attribute, value)


def reference(kind: Kind[Any], attribute: str) -> Filter:
    """The attribute must be the SID of what the value names, by SID or unique name."""

    def resolve(desk: Desk, value: str) -> tuple[str, str | None]:
        record = desk.world.store(kind).find(value)
        return attribute, getattr(record, "sid", None)

    return resolve


def sim(kind: Kind[Any]) -> Filter:
    """The record must be about the SIM which the value names."""
    return reference(kind, "sim_sid")


def since(attribute: str, product: Product) -> Filter:
    """The attribute must be this moment or later."""
    return lambda desk, value: (attribute, at_least(moment(product, value, "The date")))


def until(attribute: str, product: Product) -> Filter:
    """The attribute must be this moment or earlier."""
    return lambda desk, value: (attribute, at_most(moment(product, value, "The date")))


def at_least(limit: Any) -> Callable[[Any], bool]:
    """A test of what is not before a limit."""
    return lambda value: value is not None and value >= limit


def at_most(limit: Any) -> Callable[[Any], bool]:
    """A test of what is not after a limit."""
    return lambda value: value is not None and value <= limit


def status(product: Product, *known: str) -> Filter:
    """The status must be this one of the documented ones."""

    def check(desk: Desk, value: str) -> tuple[str, str | None]:
        if value not in known or value in desk.behaviour.refused_status_filters:
            raise invalid(product, f"Status cannot be '{value}'")
        return "status", value

    return check

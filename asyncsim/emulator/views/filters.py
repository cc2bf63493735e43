"""Filters of lists: from a value of the query to what a record must have."""

from __future__ import annotations

from typing import Any

from asyncsim.emulator.refusals import invalid
from asyncsim.emulator.views.desk import Desk, Filter
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


def status(product: Product, *known: str) -> Filter:
    """The status must be this one of the documented ones."""

    def check(desk: Desk, value: str) -> tuple[str, str | None]:
        if value not in known or value in desk.behaviour.refused_status_filters:
            raise invalid(product, f"Status cannot be '{value}'")
        return "status", value

    return check

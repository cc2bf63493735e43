"""JSON objects to records and back (cattrs), spelled as the vendor spells them.

Unknown fields are ignored and unknown statuses stay strings, because vendors add both; what is
there must have its documented type, else `DecodeError`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import attrs

from asyncsim.kind import belongs, spelling
from asyncsim.vendors import Vendor
from asyncsim.wire.dates import format_date
from asyncsim.wire.quick import quick_reader

T = TypeVar("T")


def decode(model: type[T], value: Any, vendor: Vendor) -> T:
    """Build a record out of a decoded JSON object; `DecodeError` names field and value."""
    read: Any = reader  # mypy takes no class for hashable
    record: T = read(model, vendor)(value)
    return record


@cache
def reader(model: type[T], vendor: Vendor) -> Callable[[Any], T]:
    """Make what decodes rows of one kind."""
    quick = quick_reader(model, vendor)

    def read(value: Any) -> T:
        if quick is not None:
            try:
                return quick(value)
            except (ValueError, KeyError, TypeError, AttributeError):
                pass  # not quite as documented, or no object at all
        from asyncsim.wire.lenient import structure

        return structure(model, value, vendor)

    return read


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_date(value)
    if isinstance(value, Decimal):
        return str(value)  # as in every example, whatever the schema says
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if attrs.has(type(value)):
        return {one.name: _plain(getattr(value, one.name)) for one in attrs.fields(type(value))}
    return value


def encode(record: Any, vendor: Vendor) -> dict[str, Any]:
    """Spell a record as the vendor answers it: all of its fields, nulls included."""
    return {
        spelling(one.name, one.metadata, vendor): _plain(getattr(record, one.name))
        for one in attrs.fields(type(record))
        if belongs(one.metadata, vendor)
    }

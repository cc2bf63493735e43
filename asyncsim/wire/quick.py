"""The quick way from JSON objects to records: a function written for each model.

It reads only what is exactly as documented, and raises for everything else: `lenient` judges that.
cattrs takes twice as long, most of it for a call for each field; what is left is the making of the
frozen record. Measured by `benchmarks/cases/pages.py`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, Union, get_args, get_origin

import attrs

from asyncsim.kind import other_spellings, spelling
from asyncsim.vendors import Vendor
from asyncsim.wire.dates import parse_date
from asyncsim.wire.shapes import is_open_literal, plain_hints

T = TypeVar("T")

_TEXTS = frozenset({str})


def _refuse() -> Any:
    raise ValueError("not as documented")


def _texts(value: Any) -> dict[str, str]:
    if value.__class__ is not dict or not _TEXTS.issuperset(map(type, value.values())):
        raise ValueError("not as documented")
    found: dict[str, str] = value
    return found


_READERS: Mapping[type, str] = {datetime: "date", dict: "texts"}
_NAMES: Mapping[str, Any] = {"date": parse_date, "texts": _texts, "refuse": _refuse}


def _kind(hint: Any) -> type:
    """Return the type that a field's value has when it is there."""
    if is_open_literal(hint):
        return str
    (kind,) = (one for one in _alternatives(hint) if one is not type(None))
    found: type = get_origin(kind) or kind
    return found


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _found(attribute: Any, vendor: Vendor) -> str:
    """Write the expression that finds a field which may be absent, however it is spelled."""
    usual = spelling(attribute.name, attribute.metadata, vendor)
    found = "None"
    for one in (*other_spellings(attribute.name, attribute.metadata, vendor), usual):
        found = f"row.get({one!r}, {found})"
    return found


def _term(attribute: Any, hint: Any, vendor: Vendor) -> str:
    """Write the expression that reads and checks one field of `row`."""
    name, kind = attribute.name, _kind(hint)
    value = f"row[{name!r}]" if attribute.default is attrs.NOTHING else _found(attribute, vendor)
    if kind in _READERS:
        checked = f"{_READERS[kind]}(v)"
    else:
        checked = f"v if v.__class__ is {kind.__name__} else refuse()"
    nothing = "None" if type(None) in _alternatives(hint) else "refuse()"
    return f"{nothing} if (v := {value}) is None else {checked}"


def quick_reader(model: type[T], vendor: Vendor) -> Callable[[Any], T] | None:
    """Write the function; None for a model that only `lenient` can read."""
    hints = plain_hints(model)
    fields: tuple[Any, ...] = attrs.fields(model)  # type: ignore[arg-type]  # all models are attrs'
    if hints is None or any(one.default not in (None, attrs.NOTHING) for one in fields):
        return None
    arguments = ", ".join(f"{one.name}=({_term(one, hints[one.name], vendor)})" for one in fields)
    written: Callable[[Any], T] = eval(  # noqa: S307  # of nothing but our own models' names
        f"lambda row: model({arguments})", {**_NAMES, "model": model}
    )
    return written

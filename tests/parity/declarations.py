"""Our declarations, read with `typing` and `attrs` alone, so that our spelling is compared with the
vendor's rather than with itself.
"""

from __future__ import annotations

import importlib
import pkgutil
import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import attrs
from attrs import frozen

import asyncsim.models
from asyncsim.kind import Kind

# Keyword or attribute -> the documents' name, where it does not follow the rule.
PARAMETER_NAMES = {("/v1/Sims", "eid"): "EId"}  # Super SIM's profiles have `Eid`
FIELD_NAMES = {("twilio", "Sim", "eid"): "e_id"}


@frozen
class Declared:
    """One of our parameters or fields."""

    types: frozenset[Any]
    values: frozenset[str]
    vendor: str | None
    required: bool
    may_be_none: bool
    hint: Any


def kinds() -> Mapping[tuple[str, str], Kind[Any]]:
    """Every declared Kind, by product and path."""
    found: dict[tuple[str, str], Kind[Any]] = {}
    for module in pkgutil.walk_packages(asyncsim.models.__path__, "asyncsim.models."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Kind):
                found[value.product.value, value.path] = value
    return found


def parameters(keywords: Any, list_path: str, *, in_query: bool) -> dict[str, Declared]:
    """Parameter name -> keyword."""
    return {
        _parameter_name(keyword, list_path, in_query): _declared(
            hint, required=keyword in keywords.__required_keys__
        )
        for keyword, hint in get_type_hints(keywords, include_extras=True).items()
    }


def _parameter_name(keyword: str, list_path: str, in_query: bool) -> str:
    if list_path == "/v1/secrets" and in_query:  # its bodies follow the rule
        return keyword
    return PARAMETER_NAMES.get((list_path, keyword)) or keyword.title().replace("_", "")


def fields(record: Any, vendor: str) -> dict[str, Declared]:
    """JSON key -> attribute, for the fields of this vendor."""
    hints = get_type_hints(record, include_extras=True)
    return {
        FIELD_NAMES.get((vendor, record.__name__, one.name), one.name): _declared(
            hints[one.name], required=False
        )
        for one in attrs.fields(record)
        if one.metadata.get("vendor") in (None, vendor)
    }


def _declared(hint: Any, *, required: bool) -> Declared:
    vendor = None
    # With postponed annotations the class does not see these two itself.
    required = get_origin(hint) is Required or (required and get_origin(hint) is not NotRequired)
    while get_origin(hint) in (Annotated, Required, NotRequired):
        vendor = next(
            (one.vendor for one in getattr(hint, "__metadata__", ()) if hasattr(one, "vendor")),
            vendor,
        )
        hint = get_args(hint)[0]
    parts = _parts(hint)
    values = {value for one in parts if get_origin(one) is Literal for value in get_args(one)}
    nullable = type(None) in get_args(hint)
    classes = frozenset(map(_class, parts))
    return Declared(classes, frozenset(values), vendor, required, nullable, hint)


def _parts(hint: Any) -> list[Any]:
    """The alternatives of a union without None, or the hint itself."""
    alternatives = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return [one for one in alternatives if one is not type(None)]


def _class(hint: Any) -> Any:
    origin = get_origin(hint)
    if origin is Literal:
        return str
    if origin in (tuple, Sequence):
        return list
    return dict if attrs.has(hint) else origin or hint


def nested(declared: Declared) -> Any:
    """The record inside a field: of an object, or of the items of a list."""
    for part in _parts(declared.hint):
        for one in (part, *get_args(part)):
            if attrs.has(one):
                return one
    return None


PLAIN = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def documented_type(schema: dict[str, Any]) -> Any:
    """The Python class of a schema's values; None if it declares no type."""
    if schema.get("format") == "date-time":
        return datetime
    if schema.get("type") == "number":
        return Decimal if "billed" in schema.get("description", "").lower() else float
    return PLAIN.get(schema.get("type", ""))

"""Rows that are not quite as documented: cattrs reads them leniently, and says what is wrong.

Imported when the first such row comes: most programs never need it, and it is a tenth of what a
first request costs (benchmarks/cases/startup.py).
"""

from __future__ import annotations

import re
import reprlib
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn, override
from cattrs.strategies import configure_union_passthrough
from cattrs.v import format_exception, transform_error

from asyncsim.errors import DecodeError
from asyncsim.kind import other_spellings, spelling
from asyncsim.vendors import Vendor
from asyncsim.wire.dates import parse_date
from asyncsim.wire.shapes import is_open_literal

T = TypeVar("T")

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")


def _as_text(value: Any, _: Any = None) -> str:
    if isinstance(value, str):
        return value
    # KORE's document gives an ICCID as a number. A whole number is exact; a float never is.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"text was expected, not {reprlib.repr(value)}")


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{kind.__name__} was expected, not {reprlib.repr(value)}")
        return value

    return hook


def _decimal(value: Any, _: Any) -> Decimal:
    """Money: a JSON string in every example of the documents, a number in their schemas."""
    if isinstance(value, str) or type(value) in (int, float):
        amount = Decimal(str(value)) if _NUMBER.fullmatch(str(value)) else None
        if amount is not None:
            return amount
    raise ValueError(f"an amount was expected, not {reprlib.repr(value)}")


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"a number was expected, not {reprlib.repr(value)}")
    return float(value)


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _list_reader(converter: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def of(hint: Any) -> Callable[[Any, Any], Any]:
        item = get_args(hint)[0]

        def hook(value: Any, _: Any) -> Any:
            # cattrs takes any iterable: of a text it would make a tuple of letters.
            if not isinstance(value, list):
                raise ValueError(f"a list was expected, not {reprlib.repr(value)}")
            return tuple(converter.structure(one, item) for one in value)

        return hook

    return of


def _is_optional(hint: Any) -> bool:
    """`X | None` of one X."""
    if get_origin(hint) not in (Union, types.UnionType):
        return False
    return len(get_args(hint)) == 2 and type(None) in get_args(hint)


def _text_or_none(value: Any, _: Any) -> str | None:
    return value if value is None or value.__class__ is str else _as_text(value)


def _open_literal(hint: Any) -> Callable[[Any, Any], Any]:
    return _text_or_none if type(None) in get_args(hint) else _as_text


def _optional_reader(converter: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    """Choose the hook once: cattrs' own way looks it up for every value."""

    def of(hint: Any) -> Callable[[Any, Any], Any]:
        (item,) = (one for one in get_args(hint) if one is not type(None))
        if item is str:
            return _text_or_none
        read = converter.get_structure_hook(item)
        return lambda value, _: None if value is None else read(value, item)

    return of


@cache
def _converter(vendor: Vendor, *, explains: bool = False) -> Converter:
    """Make a converter; one that `explains` is slower, and says all that is wrong with a row."""
    converter = Converter(detailed_validation=explains)
    configure_union_passthrough(str | int | float | bool | None, converter)
    converter.register_structure_hook(str, _as_text)
    converter.register_structure_hook(int, _exactly(int))
    converter.register_structure_hook(bool, _exactly(bool))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_structure_hook(datetime, lambda value, _: parse_date(value))
    converter.register_structure_hook_factory(_is_optional, _optional_reader(converter))
    converter.register_structure_hook_factory(is_open_literal, _open_literal)
    converter.register_structure_hook_factory(_is_tuple, _list_reader(converter))
    converter.register_structure_hook_factory(
        attrs.has, lambda model: _reader(converter, model, vendor)
    )
    return converter


def _reader(converter: Converter, model: type[T], vendor: Vendor) -> Callable[[Any, Any], T]:
    attributes = attrs.fields(model)  # type: ignore[arg-type]  # attrs.has() was true
    renamed = {
        one.name: wire
        for one in attributes
        if (wire := spelling(one.name, one.metadata, vendor)) != one.name
    }
    overrides: dict[str, Any] = {name: override(rename=wire) for name, wire in renamed.items()}
    read = make_dict_structure_fn(model, converter, **overrides)
    others = {
        other: spelling(one.name, one.metadata, vendor)
        for one in attributes
        for other in other_spellings(one.name, one.metadata, vendor)
    }
    if not others:
        return read

    def either_spelling(value: Any, hint: Any) -> T:
        for other, wire in others.items():
            if wire not in value and other in value:
                value = {**value, wire: value[other]}
        return read(value, hint)

    return either_spelling


def _reason(error: BaseException, hint: type | None) -> str:
    # Our own hooks say what was wrong with which value; the rest cattrs words well enough.
    return str(error) if isinstance(error, ValueError) else format_exception(error, hint)


def _describe(error: Exception) -> str:
    if isinstance(error, BaseValidationError):
        return "; ".join(transform_error(error, path="", format_exception=_reason))
    return f"{type(error).__name__}: {error}"


def structure(model: type[T], value: Any, vendor: Vendor) -> T:
    """Build a record out of a decoded JSON object; `DecodeError` names field and value."""
    if value.__class__ is not dict and not isinstance(value, Mapping):
        raise DecodeError(model.__name__, f"an object was expected, not {type(value).__name__}")
    try:
        read: Any = _hook  # mypy takes no class for hashable
        record: T = read(model, vendor)(value, model)
        return record
    except Exception:  # noqa: BLE001  # read once more by the one that explains
        return _explained(model, value, vendor)


@cache
def _hook(model: Any, vendor: Vendor) -> Callable[[Any, Any], Any]:
    return _converter(vendor).get_structure_hook(model)


def _explained(model: type[T], value: Mapping[str, Any], vendor: Vendor) -> T:
    try:
        return _converter(vendor, explains=True).structure(value, model)
    except (BaseValidationError, ValueError, TypeError, KeyError) as error:
        what = f"{model.__name__} {value.get('sid') or ''}".strip()
        raise DecodeError(what, _describe(error)) from error

"""Rows that are not quite as documented: cattrs reads them leniently, and says what is wrong.

Imported when the first such row comes: most programs never need it, and it is a tenth of what a
first request costs (benchmarks/cases/startup.py).
"""

from __future__ import annotations

import math
import re
import reprlib
import types
from collections.abc import Callable
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

_NAME = re.compile(r"\w{1,64}", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d{1,40}")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_DEEPEST = 64  # levels of what no document describes; deeper, it could not even be printed
_LONGEST = 500  # characters of a message


def _as_text(value: Any, _: Any = None) -> str:
    if isinstance(value, str):
        return value
    # KORE's document gives an ICCID as a number. A whole number is exact; a float never is.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"text was expected, not {reprlib.repr(value)}")


def _whole_number(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if type(value) is float and value.is_integer():
        return int(value)
    raise ValueError(f"a whole number was expected, not {reprlib.repr(value)}")


def _truth(value: Any, _: Any) -> bool:
    if type(value) is bool:
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f"true or false was expected, not {reprlib.repr(value)}")


def _digits(value: Any, what: str) -> str:
    """Return a number as its digits, whether it came as text or as a number; never NaN."""
    if isinstance(value, str) or type(value) in (int, float):
        digits = str(value).strip()
        if _NUMBER.fullmatch(digits):
            return digits
    raise ValueError(f"{what} was expected, not {reprlib.repr(value)}")


def _decimal(value: Any, _: Any) -> Decimal:
    """Money: a JSON string in every example of the documents, a number in their schemas."""
    return Decimal(_digits(value, "an amount"))


def _number(value: Any, _: Any) -> float:
    number = value if type(value) is float else float(_digits(value, "a number"))
    if not math.isfinite(number):
        raise ValueError(f"a number was expected, not {reprlib.repr(value)}")
    return number


def _object(value: Any) -> dict[str, Any]:
    if value.__class__ is dict:
        found: dict[str, Any] = value
        return found
    if value == []:  # an empty object, as PHP writes it
        return {}
    raise ValueError(f"an object was expected, not {reprlib.repr(value)}")


def _texts(value: Any, _: Any) -> dict[str, str]:
    # A null among `links` is a link that is not there.
    return {key: _as_text(one) for key, one in _object(value).items() if one is not None}


def _anything(value: Any, _: Any) -> dict[str, Any]:
    level: list[Any] = [value]
    for _level in range(_DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    if level:
        raise ValueError("nested too deeply")
    return _object(value)


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
        # An empty text where none belongs says as much as null: Twilio's own examples mix both.
        return lambda value, _: None if value is None or value == "" else read(value, item)

    return of


@cache
def _converter(vendor: Vendor, *, explains: bool = False) -> Converter:
    """Make a converter; one that `explains` is slower, and says all that is wrong with a row."""
    converter = Converter(detailed_validation=explains)
    configure_union_passthrough(str | int | float | bool | None, converter)
    converter.register_structure_hook(str, _as_text)
    converter.register_structure_hook(int, _whole_number)
    converter.register_structure_hook(bool, _truth)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_structure_hook(datetime, lambda value, _: parse_date(value))
    converter.register_structure_hook_func(lambda hint: hint == dict[str, str], _texts)
    converter.register_structure_hook_func(lambda hint: hint == dict[str, Any], _anything)
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

    def read_object(value: Any, hint: Any) -> T:
        found = _object(value)
        for other, wire in others.items():
            if wire not in found and other in found:
                found = {**found, wire: found[other]}
        return read(found, hint)

    return read_object


def _reason(error: BaseException, hint: type | None) -> str:
    # Our own hooks say what was wrong with which value; the rest cattrs words well enough.
    return str(error) if isinstance(error, ValueError) else format_exception(error, hint)


def _describe(error: Exception) -> str:
    if not isinstance(error, BaseValidationError):
        return f"{type(error).__name__}: {error}"
    return "; ".join(transform_error(error, path="", format_exception=_reason))


def structure(model: type[T], value: Any, vendor: Vendor) -> T:
    """Build a record out of a decoded JSON object; `DecodeError` names field and value."""
    if value.__class__ is not dict:
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


def _explained(model: type[T], value: dict[str, Any], vendor: Vendor) -> T:
    try:
        return _converter(vendor, explains=True).structure(value, model)
    except Exception as error:  # whatever a library raises, it is a record that cannot be read
        sid = value.get("sid")
        sid = sid if isinstance(sid, str) and _NAME.fullmatch(sid) else None
        what = f"{model.__name__} {sid}" if sid else model.__name__
        raise DecodeError(what, _describe(error)[:_LONGEST], sid=sid) from error

"""JSON objects to records and back, in the vendor's spelling: lenient decoding (cattrs).

Unknown fields are ignored and unknown statuses stay strings, because vendors add both. A known
field must have its documented type, or one with an obvious meaning; else `DecodeError` says what is
wrong with which field.

cattrs is imported for the first such row: `fast` reads most of them, and the import is a
tenth of the cost of a first request (benchmark: `startup`).
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
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

import attrs

from asyncsim.errors import DecodeError
from asyncsim.kind import belongs, other_spellings, spelling
from asyncsim.vendors import Vendor
from asyncsim.wire.forms import format_date, parse_date

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")

_NAME = re.compile(r"\w{1,64}", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,40}")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_MAX_DEPTH = 64  # levels of undocumented data; deeper data could not even be printed
_MAX_MESSAGE = 500  # characters


def decode(model: type[T], value: Any, vendor: Vendor) -> T:
    """Build a record from a decoded JSON object; `DecodeError` names field and value."""
    if value.__class__ is not dict:
        raise DecodeError(model.__name__, f"expected an object, got {type(value).__name__}")
    try:
        hook: Any = _hook  # mypy does not consider classes hashable
        record: T = hook(model, vendor)(value, model)
        return record
    except Exception:  # noqa: BLE001  # read again, to say what is wrong
        return _explain(model, value, vendor)


def encode(record: Any, vendor: Vendor) -> dict[str, Any]:
    """Encode a record in the vendor's spelling: all of its fields, nulls included."""
    model: Any = type(record)
    return {spelled: _plain(getattr(record, name)) for name, spelled in _spellings(model, vendor)}


@cache
def _spellings(model: Any, vendor: Vendor) -> tuple[tuple[str, str], ...]:
    """The attributes of a model that a vendor has, with its spelling."""
    return tuple(
        (one.name, spelling(one.name, one.metadata, vendor))
        for one in attrs.fields(model)
        if belongs(one.metadata, vendor)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_date(value)
    if isinstance(value, Decimal):
        return str(value)  # as in every example, despite the schema
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if attrs.has(type(value)):
        return {one.name: _plain(getattr(value, one.name)) for one in attrs.fields(type(value))}
    return value


def _explain(model: type[T], value: dict[str, Any], vendor: Vendor) -> T:
    """Read a record by the slower converter, which reports all errors."""
    from cattrs.errors import BaseValidationError
    from cattrs.v import format_exception, transform_error

    def reason(error: BaseException, hint: type | None) -> str:
        # Our own hooks name the problem and the value; cattrs' other messages are good enough.
        return str(error) if isinstance(error, ValueError) else format_exception(error, hint)

    try:
        return _converter(vendor, explains=True).structure(value, model)
    except BaseValidationError as error:
        cause: Exception = error
        wrong = "; ".join(transform_error(error, path="", format_exception=reason))
    except Exception as error:  # noqa: BLE001  # any error means that the record cannot be read
        cause, wrong = error, f"{type(error).__name__}: {error}"
    sid = value.get("sid")
    sid = sid if isinstance(sid, str) and _NAME.fullmatch(sid) else None
    what = f"{model.__name__} {sid}" if sid else model.__name__
    raise DecodeError(what, wrong[:_MAX_MESSAGE], sid=sid) from cause


@cache
def _hook(model: Any, vendor: Vendor) -> Callable[[Any, Any], Any]:
    return _converter(vendor).get_structure_hook(model)


@cache
def _converter(vendor: Vendor, *, explains: bool = False) -> Converter:
    from cattrs import Converter
    from cattrs.strategies import configure_union_passthrough

    converter = Converter(detailed_validation=explains)
    configure_union_passthrough(str | int | float | bool | None, converter)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_structure_hook(datetime, lambda value, _: parse_date(value))
    converter.register_structure_hook_func(lambda hint: hint == dict[str, str], _texts)
    converter.register_structure_hook_func(lambda hint: hint == dict[str, Any], _any_object)
    converter.register_structure_hook_factory(_is_optional, _optional_hook(converter))
    converter.register_structure_hook_factory(_is_open_literal, _open_literal_hook)
    converter.register_structure_hook_factory(_is_tuple, _tuple_hook(converter))
    converter.register_structure_hook_factory(
        attrs.has, lambda model: _record_hook(converter, model, vendor)
    )
    return converter


def _record_hook(converter: Converter, model: type[T], vendor: Vendor) -> Callable[[Any, Any], T]:
    from cattrs.gen import make_dict_structure_fn, override

    overrides: dict[str, Any] = {}
    others: dict[str, str] = {}
    for one in attrs.fields(model):  # type: ignore[arg-type]  # attrs.has() was true
        own = spelling(one.name, one.metadata, vendor)
        if own != one.name:
            overrides[one.name] = override(rename=own)
        others |= dict.fromkeys(other_spellings(one.name, one.metadata, vendor), own)
    read = make_dict_structure_fn(model, converter, **overrides)

    def hook(value: Any, hint: Any) -> T:
        found = _object(value)
        for other, own in others.items():
            if own not in found and other in found:
                found = {**found, own: found[other]}
        return read(found, hint)

    return hook


def _is_optional(hint: Any) -> bool:
    """`X | None` of one X."""
    return _is_union(hint) and len(get_args(hint)) == 2 and type(None) in get_args(hint)


def _is_open_literal(hint: Any) -> bool:
    """`Literal[...] | str`, with or without None."""
    rest = [one for one in get_args(hint) if get_origin(one) is not Literal]
    is_open = len(rest) < len(get_args(hint)) and set(rest) <= {str, type(None)} and str in rest
    return _is_union(hint) and is_open


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _optional_hook(converter: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    """Choose the hook once: cattrs' own way looks it up for every value."""

    def hook_of(hint: Any) -> Callable[[Any, Any], Any]:
        (item,) = (one for one in get_args(hint) if one is not type(None))
        if item is str:
            return _text_or_none
        read = converter.get_structure_hook(item)
        # An empty text in place of another type means null: Twilio's own examples mix both.
        return lambda value, _: None if value is None or value == "" else read(value, item)

    return hook_of


def _open_literal_hook(hint: Any) -> Callable[[Any, Any], Any]:
    return _text_or_none if type(None) in get_args(hint) else _text


def _tuple_hook(converter: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def hook_of(hint: Any) -> Callable[[Any, Any], Any]:
        item = get_args(hint)[0]

        def hook(value: Any, _: Any) -> Any:
            # cattrs accepts any iterable: it would turn a text into a tuple of letters.
            if not isinstance(value, list):
                raise ValueError(f"expected a list, got {reprlib.repr(value)}")
            return tuple(converter.structure(one, item) for one in value)

        return hook

    return hook_of


def _text(value: Any, _: Any = None) -> str:
    if isinstance(value, str):
        return value
    # KORE's document gives an ICCID as a number. A whole number is exact; a float never is.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"expected text, got {reprlib.repr(value)}")


def _text_or_none(value: Any, _: Any) -> str | None:
    return value if value is None or value.__class__ is str else _text(value)


def _integer(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if type(value) is float and value.is_integer():
        return int(value)
    raise ValueError(f"expected an integer, got {reprlib.repr(value)}")


def _boolean(value: Any, _: Any) -> bool:
    if type(value) is bool:
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f"expected true or false, got {reprlib.repr(value)}")


def _float(value: Any, _: Any) -> float:
    number = value if type(value) is float else float(_digits(value, "a number"))
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {reprlib.repr(value)}")
    return number


def _decimal(value: Any, _: Any) -> Decimal:
    """Money: a JSON string in every example of the documents, a number in their schemas."""
    return Decimal(_digits(value, "an amount"))


def _digits(value: Any, what: str) -> str:
    """Return a number as its digits, whether it came as text or as a number; never NaN."""
    if isinstance(value, str) or type(value) in (int, float):
        digits = str(value).strip()
        if _NUMBER.fullmatch(digits):
            return digits
    raise ValueError(f"expected {what}, got {reprlib.repr(value)}")


def _texts(value: Any, _: Any) -> dict[str, str]:
    # A null among `links` is a missing link.
    return {key: _text(one) for key, one in _object(value).items() if one is not None}


def _any_object(value: Any, _: Any) -> dict[str, Any]:
    level: list[Any] = [value]
    for _level in range(_MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    if level:
        raise ValueError("nested too deeply")
    return _object(value)


def _object(value: Any) -> dict[str, Any]:
    if value.__class__ is dict:
        found: dict[str, Any] = value
        return found
    if value == []:  # an empty object, as PHP writes it
        return {}
    raise ValueError(f"expected an object, got {reprlib.repr(value)}")

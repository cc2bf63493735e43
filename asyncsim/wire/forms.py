"""Forms of POST bodies and queries: keywords to form keys and back; date-times.

Keys are the PascalCase of the keyword, or what `Annotated[..., FormKey(...)]` says.
Sources: both vendors' OpenAPI documents; values as twilio-python's serializers write them.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from itertools import chain
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
from urllib.parse import parse_qsl, quote_plus

from attrs import frozen

from asyncsim.errors import Unsupported
from asyncsim.kind import FormKey, Only
from asyncsim.suggestions import did_you_mean
from asyncsim.validation import invalid_characters
from asyncsim.vendors import Vendor

# Text for people and devices may have any characters, also at its ends.
_FREE_TEXT = frozenset({"command", "friendly_name", "name", "payload"})
# `datetime.fromisoformat` truncates to microseconds; msgspec rounds.
_FINER = re.compile(r"[.,]\d{6}(\d)")
_SHORTEST_FINER = len("2015-07-30T20:00:00.1234567")


@frozen
class Param:
    """A keyword, its form key, and its valid values."""

    keyword: str
    key: str
    required: bool
    choices: tuple[str, ...] | None
    """The valid values, None if any text is valid."""
    clearable: bool
    """Whether None may be given, which sends the empty string."""
    vendor: str | None = None
    """The only vendor that supports it; None: both."""


def pascal(keyword: str) -> str:
    """`sms_fallback_url` to `SmsFallbackUrl`."""
    return "".join(part.capitalize() for part in keyword.split("_"))


@cache
def params_of(keywords: Any) -> Mapping[str, Param]:
    """All keywords of a TypedDict, by keyword, in its order."""
    params: dict[str, Param] = {}
    for keyword, annotation in get_type_hints(keywords, include_extras=True).items():
        hint, key, vendor = annotation, pascal(keyword), None
        while get_origin(hint) in (Required, NotRequired, Annotated):
            for extra in getattr(hint, "__metadata__", ()):
                key = extra.key if isinstance(extra, FormKey) else key
                vendor = extra.vendor if isinstance(extra, Only) else vendor
            hint = get_args(hint)[0]
        is_union = get_origin(hint) in (Union, types.UnionType)
        options = get_args(hint) if is_union else (hint,)
        values = [option for option in options if option is not type(None)]
        is_closed = all(get_origin(option) is Literal for option in values)
        params[keyword] = Param(
            keyword=keyword,
            key=key,
            required=is_required(keywords, keyword, annotation),
            choices=tuple(chain(*map(get_args, values))) if is_closed else None,
            clearable=type(None) in options,
            vendor=vendor,
        )
    return params


@cache
def params_by_key(keywords: Any) -> Mapping[str, Param]:
    """The same, by form key."""
    return {param.key: param for param in params_of(keywords).values()}


def is_required(keywords: Any, keyword: str, annotation: Any) -> bool:
    """Tell whether a TypedDict needs a key; `annotation` as `get_type_hints` with extras has it."""
    # With postponed annotations the class itself cannot see the NotRequired in its own texts.
    if get_origin(annotation) in (Required, NotRequired):
        return get_origin(annotation) is Required
    return keyword in keywords.__required_keys__


def check(
    keywords: Any, values: Mapping[str, Any], what: str, vendor: Vendor | None = None
) -> None:
    """Validate a change: TypeError for keywords, ValueError for values.

    `Unsupported` for a keyword that only the other vendor's documents have.
    """
    params = params_of(keywords)
    for keyword, value in values.items():
        param = params.get(keyword)
        if param is None:
            hint = did_you_mean(keyword, params, f"it takes {', '.join(params)}")
            raise TypeError(f"{what} takes no keyword {keyword!r}; {hint}")
        if vendor is not None and param.vendor not in (None, vendor.name):
            raise Unsupported(f"{what}: {vendor.title} documents no keyword {keyword!r}")
        if value is None and not param.clearable:
            raise ValueError(
                f"{what}: {keyword} cannot be cleared; leave it out to keep it as it is"
            )
        if param.choices is None and keyword not in _FREE_TEXT:
            for one in _each(value):
                if isinstance(one, str) and (found := invalid_characters(one)):
                    shown = "" if keyword.endswith("url") else f"={value!r}"  # may hold secrets
                    raise ValueError(f"{what}: {keyword}{shown} has {found}")
        if param.choices is not None and value not in param.choices:
            hint = did_you_mean(str(value), param.choices, f"it takes {', '.join(param.choices)}")
            raise ValueError(f"{what}: {keyword} cannot be {value!r}; {hint}")
    missing = [param.keyword for param in params.values() if param.required]
    if missing := [keyword for keyword in missing if values.get(keyword) in (None, "")]:
        raise TypeError(f"{what} needs {' and '.join(missing)}")


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _text(value: Any) -> str:
    if value is None:
        return ""  # the vendors' way to clear a field
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_date(value)
    return str(value)


def encode(keywords: Any, values: Mapping[str, Any]) -> str:
    """Encode as `application/x-www-form-urlencoded`; lists become repeated keys."""
    params = params_of(keywords)
    pairs: list[str] = []
    for keyword, value in values.items():
        key = params[keyword].key
        pairs += [f"{key}={quote_plus(_text(one))}" for one in _each(value)]
    return "&".join(pairs)


def decode(text: str) -> dict[str, list[str]]:
    """Form keys and all their values, blanks kept, nothing trimmed."""
    pairs: Iterable[Sequence[str]]
    if "%" in text or "+" in text:
        pairs = parse_qsl(text, keep_blank_values=True)
    else:  # nothing encoded, as in most callbacks (benchmarks/cases/callbacks.py)
        pairs = [one.partition("=")[::2] for one in text.split("&") if one]
    values: dict[str, list[str]] = {}
    for key, value in pairs:
        if key in values:
            values[key].append(value)
        else:
            values[key] = [value]
    return values


def parse_date(text: object) -> datetime:
    """Read a date-time; ValueError for anything else.

    ISO 8601, or RFC 2822 as in Twilio's older APIs. Without a zone it is UTC, as all dates of both
    vendors are; without a time it is midnight; finer fractions are rounded to microseconds.
    """
    if not isinstance(text, str):
        raise ValueError(f"expected a date-time, got {type(text).__name__}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _parse_other_form(text.strip())
    if len(text) >= _SHORTEST_FINER and (finer := _FINER.search(text)):
        with suppress(OverflowError):  # in the last microsecond of the year 9999
            moment += timedelta(microseconds=int(finer[1]) >= 5)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _parse_other_form(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.upper().removesuffix(" UTC").removesuffix(" GMT"))
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise ValueError(f"expected a date-time, got {text[:60]!r}") from None


def format_date(moment: datetime) -> str:
    """Write as `YYYY-MM-DDTHH:MM:SSZ`, no fraction, UTC (twilio-python's own form)."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; use datetime(..., tzinfo=timezone.utc)")
    # Not strftime: its %Y has no leading zeros on Linux.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"

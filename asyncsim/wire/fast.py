"""The straight way from bytes to records: msgspec, where it is installed (extra `speed`).

It reads only what is exactly as documented. None for everything else, and `records` judges: an
ICCID sent as a number, a date without a zone, a broken row. Measured by
`benchmarks/cases/pages.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar, get_args

import attrs

from asyncsim.kind import other_spellings, spelling
from asyncsim.vendors import Vendor
from asyncsim.wire.pages import RawPage
from asyncsim.wire.shapes import plain_hints

try:
    import msgspec
except ImportError:  # pragma: no cover  # the extra is part of dev
    msgspec = None  # type: ignore[assignment]  # absent is a value here

T = TypeVar("T")

# msgspec's own are ValueErrors only in newer versions; it raises the other for what is nested
# too deeply.
_UNREADABLE: tuple[type[Exception], ...] = (ValueError, RecursionError)
if msgspec is not None:
    _UNREADABLE += (msgspec.MsgspecError,)


def _dates(hints: Mapping[str, Any]) -> Callable[[Any], tuple[Any, ...]]:
    names = [name for name, hint in hints.items() if datetime in (hint, *get_args(hint))]
    read = attrgetter(*names) if names else None
    if read is None:
        return lambda record: ()
    return read if len(names) > 1 else lambda record: (read(record),)


def _all_zoned(moments: tuple[datetime | None, ...]) -> bool:
    return all(moment is None or moment.tzinfo is not None for moment in moments)


def _respelling(model: type[Any], vendor: Vendor) -> Callable[[bytes], bytes | None]:
    """Make what spells an answer's keys as the model does; None if it must be looked at closely."""
    odd = [
        (f'"{other}"'.encode(), f'"{one.name}"'.encode())
        for one in attrs.fields(model)
        for other in {
            spelling(one.name, one.metadata, vendor),
            *other_spellings(one.name, one.metadata, vendor),
        }
        if other != one.name
    ]

    def respelled(body: bytes) -> bytes | None:
        for other, ours in odd:
            if other not in body:
                continue
            if ours in body:
                return None
            body = body.replace(other + b":", ours + b":")  # nothing but a key is followed by that
            if other in body:
                return None
        return body

    return respelled if odd else lambda body: body


def record_reader(model: type[T], vendor: Vendor) -> Callable[[bytes], T | None]:
    """Make the reader of answers that are one record."""
    if msgspec is None or (hints := plain_hints(model)) is None:
        return lambda body: None
    read = msgspec.json.Decoder(model).decode
    dates, spell = _dates(hints), _respelling(model, vendor)

    def straight(body: bytes) -> T | None:
        spelled = spell(body)
        if spelled is None:
            return None
        try:
            found: T = read(spelled)
        except _UNREADABLE:
            return None
        for moment in dates(found):
            if moment is not None and moment.tzinfo is None:
                return None
        return found

    return straight


def page_reader(model: type[Any], key: str, vendor: Vendor) -> Callable[[bytes], RawPage | None]:
    """Make the reader of pages of records."""
    hints = plain_hints(model) if msgspec is not None else None
    if hints is None:
        return lambda body: None
    dates, spell = _dates(hints), _respelling(model, vendor)
    read = _envelope(key, model)

    def straight(body: bytes) -> RawPage | None:
        spelled = spell(body)
        page = None if spelled is None else read(spelled)
        if page is None or not all(map(_all_zoned, map(dates, page.rows))):
            return None
        return page

    return straight


def states_reader(key: str) -> Callable[[bytes], RawPage | None]:
    """Make the reader of pages of which each row's `sid` and `status` are wanted, as by a sweep."""
    if msgspec is None:
        return lambda body: None
    fields: list[Any] = [("sid", str), ("status", str | None, None)]
    return _envelope(key, msgspec.defstruct("_State", fields, gc=False))


def splitter(key: str) -> Callable[[bytes], Sequence[bytes]]:
    """Make what splits a page that `states_reader` has read into the JSON of each of its rows."""
    read = _envelope(key, msgspec.Raw) if msgspec is not None else lambda body: None

    def split(body: bytes) -> Sequence[bytes]:
        page = read(body)
        return () if page is None else page.rows

    return split


def _envelope(key: str, row: type[Any]) -> Callable[[bytes], RawPage | None]:
    assert msgspec is not None  # noqa: S101  # those who call have looked
    meta = msgspec.defstruct("_Meta", [("next_page_url", str | None, None)])
    fields: list[Any] = [("rows", list[row]), ("meta", meta)]  # type: ignore[valid-type]  # known at run time
    read = msgspec.json.Decoder(msgspec.defstruct("_Page", fields, rename={"rows": key})).decode

    def envelope(body: bytes) -> RawPage | None:
        try:
            page: Any = read(body)
        except _UNREADABLE:
            return None
        return RawPage(page.rows, page.meta.next_page_url or None)

    return envelope

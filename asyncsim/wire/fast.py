"""Fast decoding from bytes straight to records, by msgspec (benchmarks: `pages`, `requests`).

It reads only what is exactly as documented, and returns None for everything else: an ICCID sent as
a number, a date without a zone, a broken row. `records` reads that leniently, or says what is wrong
with it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from asyncsim.kind import other_spellings, spelling
from asyncsim.vendors import Vendor
from asyncsim.wire.pages import RawPage

T = TypeVar("T")

# Types that msgspec and `records` read alike. Not numbers and amounts: `records` is more lenient
# there.
_ALIKE: tuple[Any, ...] = (str, bool, datetime, dict[str, str], type(None))
# Without a zone msgspec would make a naive date, which `records` reads as UTC.
_ZONED = Annotated[datetime, msgspec.Meta(tz=True)]
# msgspec's own errors are ValueErrors from 0.21 on only; RecursionError: nested too deeply.
_UNREADABLE = (ValueError, RecursionError, msgspec.MsgspecError)
# Bypasses the model's own `__setattr__`, which freezes its records.
_set = object.__setattr__


def record_reader(model: type[T], vendor: Vendor) -> Callable[[bytes], T | None]:
    """Build the decoder of responses with one record."""
    renamed = _renamed_model(model, vendor)
    if renamed is None:
        return lambda body: None
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(renamed)
    decode = decoder.decode

    def read(body: bytes) -> T | None:
        try:
            record: T = decode(body)
        except _UNREADABLE:
            return None
        _set(record, "__class__", model)
        return record

    return read


def page_reader(model: type[Any], key: str, vendor: Vendor) -> Callable[[bytes], RawPage | None]:
    """Build the decoder of pages of records; `key` is the key of a page's rows."""
    renamed = _renamed_model(model, vendor)
    if renamed is None:
        return lambda body: None
    decode = _page_decoder(key, renamed)

    def read(body: bytes) -> RawPage | None:
        page = decode(body)
        if page is not None:
            for record in page.rows:
                _set(record, "__class__", model)
        return page

    return read


def status_page_reader(key: str) -> Callable[[bytes], RawPage | None]:
    """Build the decoder of a sweep's pages: only each row's `sid` and `status`."""
    fields: list[Any] = [("sid", str), ("status", str | None, None)]
    return _page_decoder(key, msgspec.defstruct("_Status", fields, gc=False))


def row_splitter(key: str) -> Callable[[bytes], Sequence[bytes]]:
    """Build a function that splits a page of `status_page_reader` into the JSON of each row."""
    decode = _page_decoder(key, msgspec.Raw)

    def split(body: bytes) -> Sequence[bytes]:
        page = decode(body)
        return () if page is None else page.rows

    return split


def _page_decoder(key: str, row: type[Any]) -> Callable[[bytes], RawPage | None]:
    meta = msgspec.defstruct("_Meta", [("next_page_url", str | None, None)])
    fields: list[Any] = [("rows", list[row]), ("meta", meta)]  # type: ignore[valid-type]  # known at run time
    decode = msgspec.json.Decoder(msgspec.defstruct("_Page", fields, rename={"rows": key})).decode

    def read(body: bytes) -> RawPage | None:
        try:
            page: Any = decode(body)
        except _UNREADABLE:
            return None
        return RawPage(page.rows, page.meta.next_page_url or None)

    return read


def _renamed_model(model: type[Any], vendor: Vendor) -> type[Any] | None:
    """Build a subclass of a model with this vendor's spelling of the fields.

    msgspec cannot rename fields of attrs classes. An instance has the same layout as
    one of the model, and gets the model as its class once it is read. None for a model with a field
    that only `records` can read.
    """
    hints = get_type_hints(model)
    members: dict[str, Any] = {"__slots__": (), "__module__": model.__module__}
    fields: list[Any] = []
    annotations: dict[str, Any] = {}
    for field in attrs.fields(model):
        hint = _strict(hints[field.name])
        if hint is None:
            return None
        own = spelling(field.name, field.metadata, vendor)
        others = other_spellings(field.name, field.metadata, vendor)
        if others:
            slot = getattr(model, field.name)
            members |= {own: slot, **dict.fromkeys(others, _second_spelling(own, slot))}
        fields += [field.evolve(name=name) for name in (own, *others)]
        annotations |= dict.fromkeys((own, *others), hint)
    members |= {"__attrs_attrs__": tuple(fields), "__annotations__": annotations}
    return type(model.__name__, (model,), members)


def _strict(hint: Any) -> Any:
    """Return a field's type for msgspec; None if msgspec would read it differently."""
    is_union = get_origin(hint) in (Union, types.UnionType)
    options = get_args(hint) if is_union else (hint,)
    if all(option in _ALIKE or get_origin(option) is Literal for option in options) and (
        str in options or not any(get_origin(option) is Literal for option in options)
    ):
        return Union[tuple(_ZONED if option is datetime else option for option in options)]  # noqa: UP007  # of a tuple
    return None


def _second_spelling(own: str, slot: Any) -> property:
    """Build a setter of a field by another spelling, unless the row also has the vendor's own."""

    def set_unless_there(record: Any, value: Any) -> None:
        if not hasattr(record, own):
            slot.__set__(record, value)

    return property(attrgetter(own), set_unless_there)

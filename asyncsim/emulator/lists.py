"""Lists: filters, page tokens and the envelope, of stored and of derived records.

Source: both vendors' documents for the envelope; token forms as captured on Twilio's other APIs:
`PA` and the last row's SID leads to the next page, `PB` and the first row's SID to the one before.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from attrs import frozen

from asyncsim.emulator.context import (
    DerivedResource,
    Filter,
    RequestContext,
    StoredResource,
    VendorResponse,
)
from asyncsim.emulator.errors import VendorError, invalid_page_token, invalid_parameter
from asyncsim.emulator.params import Params, date_time
from asyncsim.emulator.store import INDEXED, StoredRecord
from asyncsim.kind import Kind
from asyncsim.vendors import Product
from asyncsim.wire.forms import params_by_key, pascal

_DEFAULT_SIZE = 50

_LONGEST_NUMBER = 12
"""Digits of a `PageSize`, `Page` or offset; int() itself fails at some thousands."""

_PAGING_KEYWORDS = frozenset({"page_size", "page", "page_token"})


# Filters: from a value of the query to what a record must have.


def equal(attribute: str) -> Filter:
    """The attribute must have the value as given."""
    return lambda ctx, value: (attribute, value)


def reference(kind: Kind[Any], attribute: str) -> Filter:
    """The attribute must be the SID of the record that the value names, by SID or unique name."""

    def resolve(ctx: RequestContext, value: str) -> tuple[str, str | None]:
        return attribute, getattr(ctx.world.store(kind).find(value), "sid", None)

    return resolve


def not_before(attribute: str, product: Product) -> Filter:
    """The attribute must be this time or later."""

    def check(ctx: RequestContext, value: str) -> tuple[str, Callable[[Any], bool]]:
        limit = date_time(product, value, "The date")
        return attribute, lambda found: found is not None and found >= limit

    return check


def not_after(attribute: str, product: Product) -> Filter:
    """The attribute must be this time or earlier."""

    def check(ctx: RequestContext, value: str) -> tuple[str, Callable[[Any], bool]]:
        limit = date_time(product, value, "The date")
        return attribute, lambda found: found is not None and found <= limit

    return check


def status(product: Product, *known: str) -> Filter:
    """The status must be this one of the documented ones."""

    def check(ctx: RequestContext, value: str) -> tuple[str, str | None]:
        if value not in known or value in ctx.behaviour.refused_status_filters:
            raise invalid_parameter(product, f"Status cannot be '{value}'")
        return "status", value

    return check


# Stored records.


@frozen
class PageRows:
    """The SIDs of a page in the list's order, and whether there are more before and after."""

    sids: list[str]
    more_before: bool = False
    more_after: bool = False


def list_stored(ctx: RequestContext, resource: StoredResource, query: Params) -> VendorResponse:
    """The response to a GET of a list of stored records."""
    kind = resource.kind
    if resource.check_query is not None:
        resource.check_query(query)
    if resource.retention is not None:
        ctx.world.store(kind).remove_before(ctx.world.now() - resource.retention)
    size, number = _size_and_number(ctx, kind, query)
    page = _select(ctx, resource, query, size)
    base = ctx.base_urls[kind.product]
    rows = [show(ctx, resource, sid, base) for sid in page.sids]
    before = f"PB{page.sids[0]}" if page.more_before else None
    after = f"PA{page.sids[-1]}" if page.more_after else None
    meta = _envelope(ctx, kind, kind.path, query, number, size, before, after)
    return VendorResponse(200, {kind.key: rows, "meta": meta})


def show(ctx: RequestContext, resource: StoredResource, sid: str, base: str) -> dict[str, Any]:
    """A record as responses show it; `base` is the product's base URL."""
    store = ctx.world.store(resource.kind)
    body = dict(store.encoded(sid))
    if "url" in body:
        body["url"] = f"{base}{resource.kind.path}/{sid}"
    if resource.links is not None:
        body["links"] = resource.links(store[sid], base)
    return body


def _select(ctx: RequestContext, resource: StoredResource, query: Params, size: int) -> PageRows:
    """The rows of one page: those that pass the filters, from the page token on."""
    store = ctx.world.store(resource.kind)
    token = query.get("page_token") or None
    start = None if token is None else store.position(token[2:])
    if token is not None and (start is None or token[:2] not in ("PA", "PB")):
        raise invalid_page_token(resource.kind.product)
    forward = token is None or token.startswith("PA")
    wanted: list[tuple[str, Any]] = []
    for keyword, check in (resource.filters or {}).items():
        if keyword in query:
            attribute, target = check(ctx, query[keyword])
            if target is None:
                return PageRows([])
            wanted.append((attribute, target))
    for attribute, value in wanted:
        if attribute in INDEXED:  # at most one record has the value: no need to scan
            row = store.find_by(attribute, value)
            found = row is not None and _matches(row, wanted)
            return PageRows([row.position[2]] if row and found else [])
    newest_first = (ctx.behaviour.list_order == "newest") == forward
    matching = (
        row.position[2]
        for row in store.rows(start=start, newest_first=newest_first)
        if _matches(row, wanted)
    )
    sids = list(itertools.islice(matching, size + 1))
    if forward:
        return PageRows(sids[:size], start is not None and bool(sids), len(sids) > size)
    # The record that the token names, and all after it, follow this page.
    return PageRows(sids[:size][::-1], len(sids) > size, bool(sids))


def _matches(row: StoredRecord[Any], wanted: Sequence[tuple[str, Any]]) -> bool:
    # A plain loop: a sweep runs this on every record of the account.
    for attribute, value in wanted:
        found = getattr(row.record, attribute, row.notes.get(attribute))
        if found != value and not (callable(value) and value(found)):
            return False
    return True


# Derived records.


def list_derived(
    ctx: RequestContext, resource: DerivedResource, parent: Any, query: Params
) -> VendorResponse:
    """The response to a GET of a list of derived records."""
    kind = resource.kind
    size, number = _size_and_number(ctx, kind, query)
    rows = resource.rows(ctx, parent, query)
    first = 0
    if token := query.get("page_token"):
        if kind.sid_prefix:
            order = None if resource.order is None else resource.order(ctx, parent)
            first = _first_row(kind, token, [row["sid"] for row in rows], order, size)
        else:
            first = _decode_offset(kind, token)
    end = first + size
    before = after = None
    if kind.sid_prefix:
        before = f"PB{rows[first].get('sid', '')}" if 0 < first < len(rows) else None
        after = f"PA{rows[end - 1]['sid']}" if end < len(rows) else None
    else:
        # Rows without a SID: captured tokens of such lists hold an offset.
        before = _encode_offset(max(first - size, 0)) if first > 0 else None
        after = _encode_offset(end) if end < len(rows) else None
    path = kind.path if parent is None else kind.path.format(parent=parent.sid)
    meta = _envelope(ctx, kind, path, query, number, size, before, after)
    shown = [dict(row) for row in rows[first:end]]
    return VendorResponse(200, {kind.key: shown, "meta": meta})


def _first_row(
    kind: Kind[Any], token: str, sids: Sequence[str], order: Sequence[str] | None, size: int
) -> int:
    """Index of the first row of the page that a token names; `order` has deleted rows too."""
    order = sids if order is None else order
    side, sid = token[:2], token[2:]
    if side not in ("PA", "PB") or sid not in order:
        raise invalid_page_token(kind.product)
    at = order.index(sid)
    earlier = set(order[: at + 1] if side == "PA" else order[:at])
    first = sum(sid in earlier for sid in sids)
    return first if side == "PA" else max(first - size, 0)


def _encode_offset(offset: int) -> str:
    return "AP" + base64.b64encode(str(offset).encode()).decode()


def _decode_offset(kind: Kind[Any], token: str) -> int:
    try:
        text = base64.b64decode(token.removeprefix("AP"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise invalid_page_token(kind.product) from None
    if not token.startswith("AP") or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise invalid_page_token(kind.product)
    return int(text)


# The envelope.


def _size_and_number(ctx: RequestContext, kind: Kind[Any], query: Params) -> tuple[int, int]:
    """`PageSize`, up to the vendor's limit, and `Page`."""
    size = _number(kind, query, "page_size", _DEFAULT_SIZE)
    limit = kind.max_page_size(ctx.world.vendor)
    if not 1 <= size <= limit:
        raise _invalid_paging(kind, f"PageSize must be between 1 and {limit}")
    return size, _number(kind, query, "page", 0)


def _number(kind: Kind[Any], query: Params, keyword: str, default: int) -> int:
    text = query.get(keyword)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise _invalid_paging(kind, f"{pascal(keyword)} must be a whole number")
    return int(text)


def _invalid_paging(kind: Kind[Any], message: str) -> VendorError:
    # Only Programmable Wireless has a code for this; 21481 is about the token alone.
    if kind.product is Product.WIRELESS:
        return VendorError(33103, message)
    return invalid_parameter(kind.product, message)


def _envelope(
    ctx: RequestContext,
    kind: Kind[Any],
    path: str,
    query: Params,
    number: int,
    size: int,
    before: str | None,
    after: str | None,
) -> dict[str, Any]:
    """The `meta` of a page, with the URLs of its neighbours."""
    base = f"{ctx.page_base(kind.product)}{path}"
    keywords: Any = kind.filters
    filters = [
        (wire, query[param.keyword])
        for wire, param in params_by_key(keywords).items()
        if param.keyword in query and param.keyword not in _PAGING_KEYWORDS
    ]

    def url(page: int, token: str | None = None) -> str:
        pairs = [*filters, ("PageSize", str(size)), ("Page", str(page))]
        return f"{base}?{urlencode([*pairs, ('PageToken', token)] if token else pairs)}"

    return {
        "page": number,
        "page_size": size,
        "first_page_url": url(0),
        "previous_page_url": url(max(number - 1, 0), before) if before else None,
        "url": url(number, query.get("page_token")),
        "next_page_url": url(number + 1, after) if after else None,
        "key": kind.key,
    }

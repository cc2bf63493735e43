"""Lists: filters, page tokens and the envelope.

Source: both vendors' documents for the envelope; token forms as captured on Twilio's other APIs:
`PA` and the last row's SID leads on, `PB` and the first row's SID leads back.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from attrs import frozen

from asyncsim.emulator.context import Answer, Desk, Resource, Values, render
from asyncsim.emulator.errors import PAGING, Refusal, invalid
from asyncsim.emulator.store import INDEXED, Key, Row, Store
from asyncsim.kind import Kind
from asyncsim.wire.forms import params_by_wire, pascal

DEFAULT_SIZE = 50

_LONGEST_NUMBER = 12
"""Digits of a `PageSize` or `Page`; int() itself fails at some thousands."""

_PAGING_KEYWORDS = frozenset({"page_size", "page", "page_token"})


@frozen
class Page:
    """Some rows of a list, in the list's order, and whether more stand before and after."""

    sids: list[str]
    more_before: bool
    more_after: bool


def list_records(desk: Desk, resource: Resource, query: Values) -> Answer:
    """Answer a GET of a list."""
    kind = resource.kind
    if resource.check_query is not None:
        resource.check_query(query)
    if resource.kept is not None:
        desk.world.store(kind).forget_before(desk.world.now() - resource.kept)
    size, number = size_and_number(desk, kind, query)
    page = _cut(desk, resource, query, size)
    rows = [render(desk, resource, sid) for sid in page.sids]
    before = f"PB{page.sids[0]}" if page.more_before else None
    after = f"PA{page.sids[-1]}" if page.more_after else None
    meta = envelope(desk, kind, kind.path, query, number, size, before, after)
    return Answer(200, {kind.key: rows, "meta": meta})


def size_and_number(desk: Desk, kind: Kind[Any], query: Values) -> tuple[int, int]:
    """`PageSize`, within what the vendor gives, and `Page`."""
    size = _whole(kind, query, "page_size", DEFAULT_SIZE)
    limit = kind.page_ceiling(desk.world.vendor)
    if not 1 <= size <= limit:
        raise _bad_paging(kind, f"PageSize must be between 1 and {limit}")
    return size, _whole(kind, query, "page", 0)


def _cut(desk: Desk, resource: Resource, query: Values, size: int) -> Page:
    store = desk.world.store(resource.kind)
    start, onwards = _start(resource.kind, store, query.get("page_token"))
    wanted = _wanted(desk, resource, query)
    if wanted is None:
        return Page([], False, False)
    if (page := _at_most_one(store, wanted)) is not None:
        return page
    newest_first = (desk.behaviour.list_order == "newest") == onwards
    walk = store.walk(start=start, newest_first=newest_first)
    rows = (row for row in walk if _matches(row, wanted))
    return _forward(rows, size, start is not None) if onwards else _backward(rows, size)


def _start(kind: Kind[Any], store: Store[Any], token: str | None) -> tuple[Key | None, bool]:
    """Where a page begins, and whether it leads onwards from there."""
    if not token:
        return None, True
    place = store.place(token[2:])
    if place is None or token[:2] not in ("PA", "PB"):
        raise Refusal(PAGING.get(kind.product, 21481), "The PageToken is invalid")
    return place, token.startswith("PA")


def _forward(rows: Iterator[Row[Any]], size: int, more_before: bool) -> Page:
    sids = [row.key[2] for row in itertools.islice(rows, size + 1)]
    return Page(sids[:size], more_before and bool(sids), len(sids) > size)


def _backward(rows: Iterator[Row[Any]], size: int) -> Page:
    sids = [row.key[2] for row in itertools.islice(rows, size + 1)]
    # The row the token names, and all after it, follow this page.
    return Page(sids[:size][::-1], len(sids) > size, bool(sids))


def _wanted(desk: Desk, resource: Resource, query: Values) -> list[tuple[str, Any]] | None:
    """Attributes and the values they must have, or tests of them; None: nothing can match."""
    wanted: list[tuple[str, Any]] = []
    for keyword, check in (resource.filters or {}).items():
        if keyword not in query:
            continue
        attribute, target = check(desk, query[keyword])
        if target is None:
            return None
        wanted.append((attribute, target))
    return wanted


def _at_most_one(store: Store[Any], wanted: Sequence[tuple[str, Any]]) -> Page | None:
    """The page of a filter that at most one row can pass, without a walk; None for others."""
    for attribute, value in wanted:
        if attribute in INDEXED:
            row = store.having(attribute, value)
            found = row is not None and _matches(row, wanted)
            return Page([row.key[2]] if row and found else [], False, False)
    return None


def _matches(row: Row[Any], wanted: Sequence[tuple[str, Any]]) -> bool:
    # A plain loop: a sweep asks this of every row of the account.
    for attribute, value in wanted:
        found = getattr(row.record, attribute, row.notes.get(attribute))
        if found != value and not (callable(value) and value(found)):
            return False
    return True


def _whole(kind: Kind[Any], query: Values, keyword: str, default: int) -> int:
    text = query.get(keyword)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise _bad_paging(kind, f"{pascal(keyword)} must be a whole number")
    return int(text)


def _bad_paging(kind: Kind[Any], message: str) -> Refusal:
    # Only Programmable Wireless has a code for this; 21481 speaks of the token alone.
    return (
        Refusal(33103, message)
        if PAGING.get(kind.product) == 33103
        else invalid(kind.product, message)
    )


def envelope(
    desk: Desk,
    kind: Kind[Any],
    path: str,
    query: Values,
    number: int,
    size: int,
    before: str | None,
    after: str | None,
) -> dict[str, Any]:
    """A page's `meta`, with the tokens of its neighbours."""
    base = f"{desk.page_base(kind.product)}{path}"
    keywords: Any = kind.filters
    own = [
        (wire, query[param.keyword])
        for wire, param in params_by_wire(keywords).items()
        if param.keyword in query and param.keyword not in _PAGING_KEYWORDS
    ]

    def url(at: int, token: str | None = None) -> str:
        pairs = [*own, ("PageSize", str(size)), ("Page", str(at))]
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

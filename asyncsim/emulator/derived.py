"""Lists and items of kinds whose rows follow from other records."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from asyncsim.emulator.context import Answer, Derived, Desk, Pairs, Row, Values
from asyncsim.emulator.errors import PAGING, Refusal, not_found
from asyncsim.emulator.lists import envelope, size_and_number


def on_derived_list(
    desk: Desk, one: Derived, parent: Any, method: str, query: Pairs, form: Pairs
) -> Answer:
    """Deal with a request about the list."""
    kind = one.kind
    if method == "GET":
        values = desk.read(kind, kind.filters, query, invalid_code=one.invalid)
        return _list(desk, one, parent, values)
    assert one.create is not None  # noqa: S101  # POST is offered where there is one
    row = one.create(desk, parent, desk.read(kind, kind.create, form))
    return Answer(201, dict(row), row["sid"])


def on_derived_item(desk: Desk, one: Derived, parent: Any, method: str, name: str) -> Answer:
    """Deal with a request about one row."""
    if method == "GET":
        return _fetched(desk, one, parent, name)
    assert one.delete is not None  # noqa: S101  # DELETE is offered where there is one
    one.delete(desk, parent, name)
    return Answer(204, sid=name)


def _fetched(desk: Desk, one: Derived, parent: Any, name: str) -> Answer:
    for row in one.rows(desk, parent, Values()):
        if row["sid"] == name:
            return Answer(200, dict(row), name)
    raise not_found(f"{path_of(one, parent)}/{name}")


def path_of(one: Derived, parent: Any) -> str:
    """The path of the list."""
    return one.kind.path if parent is None else one.kind.path.format(parent=parent.sid)


def _list(desk: Desk, one: Derived, parent: Any, query: Values) -> Answer:
    size, number = size_and_number(desk, one.kind, query)
    rows = one.rows(desk, parent, query)
    first = _first(desk, one, parent, rows, query.get("page_token"), size)
    shown = rows[first : first + size]
    before = f"PB{_mark(rows, first)}" if first > 0 else None
    after = f"PA{_mark(rows, first + size - 1)}" if first + size < len(rows) else None
    if not one.kind.sid_prefix:
        # Rows without a SID: captured tokens of such lists hold an offset.
        before, after = (
            _offset(at) if token else None
            for at, token in ((max(first - size, 0), before), (first + size, after))
        )
    meta = envelope(desk, one.kind, path_of(one, parent), query, number, size, before, after)
    return Answer(200, {one.kind.key: [dict(row) for row in shown], "meta": meta})


def _mark(rows: Sequence[Row], at: int) -> str:
    return str(rows[at].get("sid", ""))


def _offset(at: int) -> str:
    return "AP" + base64.b64encode(str(at).encode()).decode()


def _first(
    desk: Desk, one: Derived, parent: Any, rows: Sequence[Row], token: str | None, size: int
) -> int:
    """Where the page begins that a token names."""
    if not token:
        return 0
    if not one.kind.sid_prefix:
        return _read_offset(one, token)
    order = [row["sid"] for row in rows] if one.order is None else one.order(desk, parent)
    side, sid = token[:2], token[2:]
    if side not in ("PA", "PB") or sid not in order:
        raise _bad_token(one)
    at = order.index(sid)
    earlier = set(order[: at + 1] if side == "PA" else order[:at])
    begin = sum(row["sid"] in earlier for row in rows)
    return begin if side == "PA" else max(begin - size, 0)


def _read_offset(one: Derived, token: str) -> int:
    try:
        text = base64.b64decode(token.removeprefix("AP"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise _bad_token(one) from None
    if not token.startswith("AP") or not text.isdigit() or len(text) > 12:
        raise _bad_token(one)
    return int(text)


def _bad_token(one: Derived) -> Refusal:
    return Refusal(PAGING.get(one.kind.product, 21481), "The PageToken is invalid")

"""KORE's webhook secrets: JSON in, JSON out, pages counted from 1. Source: kore_webhook_v1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from attrs import evolve

from asyncsim.emulator.context import Answer, Desk, Pairs
from asyncsim.emulator.errors import Refusal, method_not_allowed
from asyncsim.models.webhooks.secrets import SECRETS, Secret
from asyncsim.vendors import Product
from asyncsim.wire import json
from asyncsim.wire.records import encode

_STATUSES = ("active", "pending")
_DEFAULT_SIZE, _LARGEST = 10, 1000


def answer(desk: Desk, method: str, path: Sequence[str], query: Pairs, body: bytes) -> Answer:
    """Deal with a request of this API, which shares no rules with the others."""
    allowed = methods_at(path)
    if not allowed:
        raise Refusal(40404, "The requested resource was not found")
    if method not in allowed:
        raise method_not_allowed(allowed, code=40405)
    if method == "PATCH":
        return _update(desk, path[2], _object(body))
    if method == "POST":
        return _create(desk, _object(body))
    return _list(desk, {key: values[-1] for key, values in query.items()})


def methods_at(path: Sequence[str]) -> Sequence[str]:
    """The verbs that a path takes, none where there is nothing."""
    if list(path[:2]) != ["v1", "secrets"]:
        return ()
    return {2: ("GET", "POST"), 3: ("PATCH",)}.get(len(path), ())


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refusal(40400, "The body must be a JSON object")
    return given


def _create(desk: Desk, given: dict[str, Any]) -> Answer:
    record = desk.world.add_secret(_name(given), status=desk.behaviour.new_secret_status)
    return Answer(201, encode(record, desk.world.vendor), record.id)


def _name(given: dict[str, Any]) -> str:
    name = given.get("Name")
    if not isinstance(name, str) or not name:
        raise Refusal(40400, "Name must be a text")
    return name


def _update(desk: Desk, name: str, given: dict[str, Any]) -> Answer:
    store = desk.world.store(SECRETS)
    record = store.get(name)
    if record is None:
        raise Refusal(40404, "The secret was not found")
    changes = {"name": _name(given)} if "Name" in given else {}
    if "Status" in given:
        if given["Status"] not in _STATUSES:
            raise Refusal(40400, f"Status must be one of {', '.join(_STATUSES)}")
        changes["status"] = given["Status"]
    awakes = changes.get("status") == "active" and record.status != "active"
    record = store.put(evolve(record, **changes, last_modified=desk.world.now()))
    if awakes:
        newest = max(store.notes(sid)["activated"] for sid in store)
        store.annotate(record.id, activated=newest + 1)
    return Answer(200, _shown(desk, record), record.id)


def _shown(desk: Desk, record: Secret) -> dict[str, Any]:
    """Without the value, which only the answer to the creation has."""
    plain = encode(record, desk.world.vendor)
    del plain["secret"]
    return plain


def _list(desk: Desk, query: dict[str, str]) -> Answer:
    size = _number(query, "page_size", _DEFAULT_SIZE, _LARGEST)
    number = _number(query, "page_number", 1, 10**9)
    wanted = query.get("status")
    if wanted not in (None, *_STATUSES):
        raise Refusal(40400, f"status must be one of {', '.join(_STATUSES)}")
    rows = [row.record for row in desk.world.store(SECRETS).walk()]
    rows = [one for one in rows if wanted in (None, one.status)]
    first = (number - 1) * size
    before = _url(desk, query, size, number - 1) if number > 1 else None
    after = _url(desk, query, size, number + 1) if first + size < len(rows) else None
    meta: dict[str, Any] = {"count": len(rows), "page_size": size, "page_number": number}
    # The schema knows no null here, so a neighbour that does not exist has no key.
    neighbours = {"previous_page_url": before, "next_page_url": after}
    meta |= {key: url for key, url in neighbours.items() if url is not None}
    data = [_shown(desk, one) for one in rows[first : first + size]]
    return Answer(200, {"data": data, "meta_data": meta})


def _number(query: dict[str, str], key: str, default: int, highest: int) -> int:
    text = query.get(key, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 12 or not 1 <= int(text) <= highest:
        raise Refusal(40400, f"{key} must be a whole number from 1 to {highest}")
    return int(text)


def _url(desk: Desk, query: dict[str, str], size: int, number: int) -> str:
    pairs = {"status": query["status"]} if "status" in query else {}
    own = urlencode({**pairs, "page_size": size, "page_number": number})
    return f"{desk.page_base(Product.WEBHOOKS)}{SECRETS.path}?{own}"

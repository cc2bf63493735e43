"""KORE webhook secrets: JSON in, JSON out, pages counted from 1. Source: kore_webhook_v1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from attrs import evolve

from asyncsim.emulator.context import RequestContext, VendorRequest, VendorResponse
from asyncsim.emulator.errors import VendorError, method_not_allowed
from asyncsim.models.webhooks.secrets import SECRETS, Secret
from asyncsim.vendors import Product
from asyncsim.wire import json
from asyncsim.wire.records import encode

_STATUSES = ("active", "pending")
_DEFAULT_SIZE, _MAX_SIZE = 10, 1000


def respond(ctx: RequestContext, request: VendorRequest, path: Sequence[str]) -> VendorResponse:
    """Carry out a request to this API, which shares no rules with the others."""
    allowed = methods_at(path)
    if not allowed:
        raise VendorError(40404, "The requested resource was not found")
    if request.method not in allowed:
        raise method_not_allowed(allowed, code=40405)
    if request.method == "GET":
        return _list(ctx, {key: values[-1] for key, values in request.query.items()})
    try:
        given = json.loads(request.body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise VendorError(40400, "The body must be a JSON object")
    if request.method == "PATCH":
        return _update(ctx, path[2], given)
    record = ctx.world.add_secret(_name(given), status=ctx.behaviour.new_secret_status)
    return VendorResponse(201, encode(record, ctx.world.vendor), record.id)


def methods_at(path: Sequence[str]) -> Sequence[str]:
    """The methods that a path takes, none where there is nothing."""
    if list(path[:2]) != ["v1", "secrets"]:
        return ()
    return {2: ("GET", "POST"), 3: ("PATCH",)}.get(len(path), ())


def _name(given: dict[str, Any]) -> str:
    name = given.get("Name")
    if not isinstance(name, str) or not name:
        raise VendorError(40400, "Name must be a text")
    return name


def _update(ctx: RequestContext, secret_id: str, given: dict[str, Any]) -> VendorResponse:
    store = ctx.world.store(SECRETS)
    record = store.get(secret_id)
    if record is None:
        raise VendorError(40404, "The secret was not found")
    changes = {"name": _name(given)} if "Name" in given else {}
    if "Status" in given:
        if given["Status"] not in _STATUSES:
            raise VendorError(40400, f"Status must be one of {', '.join(_STATUSES)}")
        changes["status"] = given["Status"]
    is_activated = changes.get("status") == "active" and record.status != "active"
    record = store.put(evolve(record, **changes, last_modified=ctx.world.now()))
    if is_activated:
        newest = max(store.notes(sid)["activated"] for sid in store)
        store.annotate(record.id, activated=newest + 1)
    return VendorResponse(200, _without_value(ctx, record), record.id)


def _without_value(ctx: RequestContext, record: Secret) -> dict[str, Any]:
    """A secret without its value, which only the response to its creation shows."""
    plain = encode(record, ctx.world.vendor)
    del plain["secret"]
    return plain


def _list(ctx: RequestContext, query: dict[str, str]) -> VendorResponse:
    size = _number(query, "page_size", _DEFAULT_SIZE, _MAX_SIZE)
    number = _number(query, "page_number", 1, 10**9)
    status = query.get("status")
    if status not in (None, *_STATUSES):
        raise VendorError(40400, f"status must be one of {', '.join(_STATUSES)}")
    records = [
        row.record for row in ctx.world.store(SECRETS).rows() if status in (None, row.record.status)
    ]
    base = f"{ctx.page_base(Product.WEBHOOKS)}{SECRETS.path}"

    def url(page: int) -> str:
        pairs = {} if status is None else {"status": status}
        return f"{base}?{urlencode({**pairs, 'page_size': size, 'page_number': page})}"

    first = (number - 1) * size
    meta: dict[str, Any] = {"count": len(records), "page_size": size, "page_number": number}
    # The schema knows no null here, so the URL of a page that does not exist has no key.
    if number > 1:
        meta["previous_page_url"] = url(number - 1)
    if first + size < len(records):
        meta["next_page_url"] = url(number + 1)
    data = [_without_value(ctx, record) for record in records[first : first + size]]
    return VendorResponse(200, {"data": data, "meta_data": meta})


def _number(query: dict[str, str], key: str, default: int, highest: int) -> int:
    text = query.get(key, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 12 or not 1 <= int(text) <= highest:
        raise VendorError(40400, f"{key} must be a whole number from 1 to {highest}")
    return int(text)

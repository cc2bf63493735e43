"""A request as it was read, the reply it will get, and the log's entry of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from asyncsim.emulator.context import Pairs
from asyncsim.emulator.request_log import Entry
from asyncsim.vendors import Product, Vendor

FORM = "application/x-www-form-urlencoded"
"""What both vendors' documents want of a body, but for KORE's webhook secrets."""

_SECRET_KEYS = frozenset({"client_secret", "RegistrationCode"})
_PRODUCTS = frozenset(product.value for product in Product)


@frozen(kw_only=True)
class Call:
    """One request, read."""

    vendor: Vendor
    room: str
    """First segment after the vendor: a product, or `auth` at KORE."""
    path: str
    """The rest, still percent-encoded."""
    method: str
    query: Pairs
    form: Pairs
    body: bytes
    """As sent; only KORE's webhook secrets read it so."""
    content_type: str
    """Of the body, without its parameters; empty where the request does not say."""
    authorization: str | None
    arrived: float


@define(kw_only=True)
class Reply:
    """What will be answered, and when."""

    status: int | None
    """None closes the connection instead."""
    body: Any = None
    code: int | None = None
    sid: str | None = None
    hidden: int | None = None
    """What the answer would have been, when a fault struck after it was carried out."""
    headers: Mapping[str, str] = field(factory=dict)
    wait: float = 0.0
    """Seconds until it is sent."""
    holds: str | None = None
    """The account in which it counts as in flight until then; what is turned away at the door
    does not count."""


@frozen(kw_only=True)
class RequestRecord(Entry):
    """One request and how it was answered."""

    seconds: float
    """When it came, on the emulator's clock."""
    vendor: str
    product: str
    """Empty at the token endpoint."""
    method: str
    path: str
    """As sent, from the product's base URL."""
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    """Without secrets."""
    status: int | None
    """None: the connection was closed instead of an answer."""
    code: int | None = None
    """The vendor's error code."""
    sid: str | None = None
    """The record it was about, if it was about one."""
    hidden: int | None = None
    """The status which a fault kept from the client: this was carried out all the same."""


def record_of(call: Call, reply: Reply, started: float) -> RequestRecord:
    """The log's entry."""
    is_api = call.room in _PRODUCTS
    return RequestRecord(
        seconds=call.arrived - started,
        vendor=call.vendor.name,
        product=call.room if is_api else "",
        method=call.method,
        path=call.path if is_api else f"/{call.room}{call.path}",
        query={key: list(values) for key, values in call.query.items()},
        form=_without_secrets(call.form),
        status=reply.status,
        code=reply.code,
        sid=reply.sid,
        hidden=reply.hidden,
    )


def _without_secrets(form: Pairs) -> dict[str, list[str]]:
    return {key: ["***"] if key in _SECRET_KEYS else list(given) for key, given in form.items()}

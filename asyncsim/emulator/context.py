"""Requests to a vendor's API, and the operations of a kind: what they are given and return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import define, evolve, field, frozen

from asyncsim.emulator.errors import MISSING, VendorError, invalid_parameter
from asyncsim.emulator.params import Pairs, Params
from asyncsim.emulator.settings import Behaviour, RuntimeSettings
from asyncsim.emulator.transitions import SimTransitions
from asyncsim.emulator.world import World
from asyncsim.kind import Kind
from asyncsim.vendors import TWILIO, Product, Vendor
from asyncsim.wire.forms import params_by_key


@frozen(kw_only=True)
class VendorRequest:
    """One request, read."""

    vendor: Vendor
    api: str
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


@define
class VendorResponse:
    """The response to a request, and what the log keeps of it."""

    status: int | None
    """None closes the connection instead."""
    body: Any = None
    """JSON; None: an empty body."""
    sid: str | None = None
    """SID of the record it is about."""
    code: int | None = None
    """The vendor's error code."""
    headers: Mapping[str, str] = field(factory=dict)
    hidden: int | None = None
    """The status that a fault hid, when it hit after the request was processed."""
    delay: float = 0.0
    """Seconds until it is sent."""
    account: str | None = None
    """The account in which the request counts as in flight until then; one that is throttled or
    not authenticated does not count."""


@frozen(eq=False)
class RequestContext:
    """The account that a request addresses, and everything its operation may use."""

    world: World
    transitions: SimTransitions
    settings: RuntimeSettings
    base_urls: Mapping[Product, str]
    """Base URL of each product that the vendor has, as responses show it."""
    requester: World | None = None
    """The account that sent the request, if it is another: a main account may move the SIMs of its
    subaccounts."""

    @property
    def behaviour(self) -> Behaviour:
        """The settings in force."""
        return self.settings.behaviour

    def for_account(self, world: World, *, requester: World | None = None) -> RequestContext:
        """The same context for another account."""
        return evolve(self, world=world, requester=requester)

    def page_base(self, product: Product) -> str:
        """Base URL of a product in page URLs."""
        if self.world.vendor.name == "kore" and not self.behaviour.kore_rewrites_page_urls:
            return TWILIO.hosts.of(product) or self.base_urls[product]
        return self.base_urls[product]

    def read_params(
        self,
        kind: Kind[Any],
        keywords: Any,
        pairs: Pairs,
        *,
        missing: int | None = None,
        invalid: int | None = None,
    ) -> Params:
        """Read a form or query; raises `VendorError`. Keys are case-sensitive.

        `missing` and `invalid` are the error codes where they are not the product's.
        """
        known = {
            wire: param
            for wire, param in (params_by_key(keywords) if keywords is not None else {}).items()
            if param.vendor in (None, self.world.vendor.name)
        }
        params = Params()
        for key, values in pairs.items():
            if key in known:
                params.set_all(known[key].keyword, values)
            elif self.behaviour.unknown_parameters == "refuse":
                raise VendorError(20001, f"Unknown parameter '{key}'")
        for param in known.values():
            value = params.get(param.keyword)
            if param.required and not value:
                code = missing or MISSING.get(kind.product, 20002)
                raise VendorError(code, f"Missing required parameter {param.key}")
            # A status has rules of its own: some values exist but cannot be requested.
            if value is None or param.choices is None or param.keyword == "status":
                continue
            if value not in param.choices:
                message = f"{param.key} cannot be '{value}'"
                raise invalid_parameter(kind.product, message, code=invalid)
        return params


@frozen
class OperationResult:
    """What a create or an update did, and the record to show."""

    record: Any
    status: int = 200
    shown: Mapping[str, Any] = field(factory=dict)
    """Fields that this response alone shows otherwise."""
    world: World | None = None
    """The account that has the record now, if it was moved."""


Filter = Callable[[RequestContext, str], tuple[str, Any]]
"""From a value of the query, the attribute to compare and the value it must have, or a test of it;
None for a value that matches nothing."""


@frozen(kw_only=True, eq=False)
class StoredResource:
    """A kind whose records are stored, and its operations."""

    kind: Kind[Any]
    links: Callable[[Any, str], dict[str, str]] | None = None
    """The record's `links`, from the record and the product's base URL."""
    filters: Mapping[str, Filter] | None = None
    """By keyword of the list; None: there is no list."""
    check_query: Callable[[Params], None] | None = None
    """Checks the keywords of a list together."""
    is_listed_only: bool = False
    """Whether there is no fetch."""
    create: Callable[[RequestContext, Params], OperationResult] | None = None
    update: Callable[[RequestContext, Any, Params], OperationResult] | None = None
    delete: Callable[[RequestContext, Any], int] | None = None
    """Returns the HTTP status of the empty response."""
    moves: bool = False
    """Whether a main account's update may address a record of its subaccounts."""
    retention: timedelta | None = None
    """How long records are kept; None: without limit."""
    missing: int | None = None
    """Code of a missing parameter, where it is not the product's."""


Row = Mapping[str, Any]
"""A row of a list, as JSON."""


@frozen(kw_only=True, eq=False)
class DerivedResource:
    """A kind whose rows are computed from other records; `parent` is the one in the path."""

    kind: Kind[Any]
    rows: Callable[[RequestContext, Any, Params], Sequence[Row]]
    create: Callable[[RequestContext, Any, Params], Row] | None = None
    delete: Callable[[RequestContext, Any, str], None] | None = None
    order: Callable[[RequestContext, Any], Sequence[str]] | None = None
    """SIDs in the list's order, deleted ones too, so that a page token naming one still works."""
    invalid: int | None = None
    """Code of an invalid parameter, where it is not the product's."""

"""What a view is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import evolve, field, frozen

from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.params import Pairs, Values, read_pairs
from asyncsim.emulator.settings import Behaviour
from asyncsim.emulator.transitions import Carrier
from asyncsim.emulator.world import World
from asyncsim.kind import Kind
from asyncsim.vendors import Product

__all__ = ["Answer", "Derived", "Desk", "Done", "Filter", "Pairs", "Resource", "Values", "render"]


@frozen(eq=False)
class Desk:
    """Where one account's requests are dealt with."""

    world: World
    """The account whose records are meant."""
    carrier: Carrier
    conditions: Conditions
    base: Callable[[Product], str]
    """Base URL of a product, as answers name it."""
    page_base: Callable[[Product], str]
    """The same, as page URLs name it."""
    requester: World | None = None
    """The account that asks, where it is another: a main account may move subaccounts' SIMs."""

    @property
    def behaviour(self) -> Behaviour:
        """The settings in force."""
        return self.conditions.behaviour

    def of(self, world: World, *, requester: World | None = None) -> Desk:
        """The same desk for another account."""
        return evolve(self, world=world, requester=requester)

    def read(self, kind: Kind[Any], keywords: Any, pairs: Pairs, **codes: int | None) -> Values:
        """Form or query to keywords; raises `Refusal`, with these `codes` instead of the usual."""
        strict = self.behaviour.unknown_parameters == "refuse"
        return read_pairs(self.world.vendor, kind, keywords, pairs, strict=strict, **codes)


@frozen
class Answer:
    """An HTTP status and a JSON body; None: an empty body."""

    status: int
    body: Any = None
    sid: str | None = None
    """The record it speaks of, for the log."""
    headers: Mapping[str, str] = field(factory=dict)


@frozen
class Done:
    """What a create or an update did: the record to answer with."""

    record: Any
    status: int = 200
    shown: Mapping[str, Any] = field(factory=dict)
    """Fields that this answer alone shows otherwise."""
    world: World | None = None
    """The account that has the record now, where it was moved."""


Filter = Callable[[Desk, str], tuple[str, Any]]
"""From a value of the query, the attribute to compare and the value it must have, or a test of it;
None as that value finds nothing."""


@frozen(kw_only=True, eq=False)
class Resource:
    """One row of the emulator's table: a kind that is kept, and what may be done with it."""

    kind: Kind[Any]
    links: Callable[[Any, str], dict[str, str]] | None = None
    """The record's `links`, from the record and the product's base URL."""
    filters: Mapping[str, Filter] | None = None
    """By keyword of the list; None: there is no list."""
    check_query: Callable[[Values], None] | None = None
    """What a list's keywords must pass together."""
    is_listed_only: bool = False
    """Whether there is no fetch."""
    create: Callable[[Desk, Values], Done] | None = None
    update: Callable[[Desk, Any, Values], Done] | None = None
    delete: Callable[[Desk, Any], int] | None = None
    """Returns the HTTP status of the empty answer."""
    moves: bool = False
    """Whether a main account's update may address a record of its subaccounts."""
    kept: timedelta | None = None
    """How long records are kept; None: for ever."""
    missing: int | None = None
    """Code of a missing parameter, where it is not the product's."""


Row = Mapping[str, Any]
"""A row as it is answered."""


@frozen(kw_only=True, eq=False)
class Derived:
    """A kind whose rows follow from other records; `parent` is the one that the path names."""

    kind: Kind[Any]
    rows: Callable[[Desk, Any, Values], Sequence[Row]]
    create: Callable[[Desk, Any, Values], Row] | None = None
    delete: Callable[[Desk, Any, str], None] | None = None
    order: Callable[[Desk, Any], Sequence[str]] | None = None
    """SIDs in the list's order, deleted ones too, so that a page token naming one still works."""
    invalid: int | None = None
    """Code of an invalid parameter, where it is not the product's."""


def render(desk: Desk, resource: Resource, sid: str) -> dict[str, Any]:
    """A record as its vendor answers it, with the URLs that depend on where this server is."""
    kind = resource.kind
    store = desk.world.store(kind)
    base = desk.base(kind.product)
    body = dict(store.encoded(sid))
    if "url" in body:
        body["url"] = f"{base}{kind.path}/{sid}"
    if resource.links is not None:
        body["links"] = resource.links(store[sid], base)
    return body

"""What a view is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from asyncsim.emulator.behaviour import Behaviour
from asyncsim.emulator.carrier import Carrier
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.refusals import Refusal, invalid
from asyncsim.emulator.world import World
from asyncsim.kind import Kind
from asyncsim.vendors import Product
from asyncsim.wire.forms import params_by_wire

Pairs = Mapping[str, Sequence[str]]
"""Keys of a form or a query, and all their values."""

Values = Mapping[str, str]
"""Keywords and their values; the empty string clears."""


@frozen(eq=False)
class Desk:
    """Where one vendor's requests are dealt with."""

    world: World
    carrier: Carrier
    conditions: Conditions
    base: Callable[[Product], str]
    """Base URL of a product, as answers name it."""
    page_base: Callable[[Product], str]
    """The same, as page URLs name it."""

    @property
    def behaviour(self) -> Behaviour:
        """The settings in force."""
        return self.conditions.behaviour


@frozen
class Answer:
    """An HTTP status and a JSON body; None: an empty body."""

    status: int
    body: Any = None
    sid: str | None = None
    """The record it speaks of, for the log."""


@frozen
class Done:
    """What a create or an update did: the record to answer with."""

    record: Any
    status: int = 200
    shown: Mapping[str, Any] = field(factory=dict)
    """Fields that this answer alone shows otherwise."""


Filter = Callable[[Desk, str], tuple[str, str | None]]
"""From a value of the query, the attribute to compare and the value it must have; None as that
value finds nothing."""


@frozen(kw_only=True, eq=False)
class Resource:
    """One row of the emulator's table: a kind, and what may be done with it."""

    kind: Kind[Any]
    links: Callable[[Any, str], dict[str, str]] | None = None
    """The record's `links`, from the record and the product's base URL."""
    filters: Mapping[str, Filter] | None = None
    """By keyword of the list; None: there is no list."""
    create: Callable[[Desk, Values], Done] | None = None
    update: Callable[[Desk, Any, Values], Done] | None = None
    delete: Callable[[Desk, Any], None] | None = None


def read_pairs(desk: Desk, kind: Kind[Any], keywords: Any, pairs: Pairs) -> dict[str, str]:
    """Form or query to keywords; keys are case-sensitive, of a repeated key the last counts."""
    known = params_by_wire(keywords) if keywords is not None else {}
    values: dict[str, str] = {}
    for key, given in pairs.items():
        if key in known:
            values[known[key].keyword] = given[-1]
        elif desk.behaviour.unknown_parameters == "refuse":
            raise Refusal(20001, f"Unknown parameter '{key}'")
    for param in known.values():
        value = values.get(param.keyword)
        # A status has its own rules: some values exist but cannot be asked for.
        if value is None or param.choices is None or param.keyword == "status":
            continue
        if value not in param.choices:
            raise invalid(kind.product, f"{param.wire} cannot be '{value}'")
    return values


def render(desk: Desk, resource: Resource, sid: str) -> dict[str, Any]:
    """A record as its vendor answers it, with the URLs that depend on where this server is."""
    kind = resource.kind
    store = desk.world.store(kind)
    base = desk.base(kind.product)
    body = {**store.encoded(sid), "url": f"{base}{kind.path}/{sid}"}
    if resource.links is not None:
        body["links"] = resource.links(store[sid], base)
    return body

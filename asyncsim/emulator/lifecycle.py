"""The state machines as tables, and the rules an update must pass. Pure: no clock, no I/O.

Sources: Twilio docs, Sim resource (Super SIM) and Wireless Sim resource; KORE docs, Wireless Sim
Resource; Twilio's error dictionary for what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from asyncsim.emulator.settings import Behaviour
from asyncsim.vendors import Product

Moves = Mapping[str, frozenset[str]]

_SUPERSIM: Moves = {
    "new": frozenset({"ready", "active"}),
    "ready": frozenset({"active", "inactive"}),
    "active": frozenset({"inactive"}),
    "inactive": frozenset({"active"}),
}

_WIRELESS: Moves = {
    "new": frozenset({"ready", "active", "deactivated"}),
    "ready": frozenset({"active", "suspended", "deactivated"}),
    "active": frozenset({"suspended", "deactivated"}),
    "suspended": frozenset({"active", "deactivated"}),
    "deactivated": frozenset(),
    "canceled": frozenset(),
}


@frozen
class Automatic:
    """A status that leaves itself: where to, and which latency says when."""

    to: str
    latency: str


AUTOMATIC: Mapping[Product, Mapping[str, Automatic]] = {
    Product.SUPERSIM: {"ready": Automatic("active", "activation")},
    Product.WIRELESS: {
        "ready": Automatic("active", "activation"),
        "deactivated": Automatic("canceled", "cancelation"),
    },
}


def moves(product: Product, behaviour: Behaviour) -> Moves:
    """Status to the statuses which a request may lead to."""
    if product is Product.SUPERSIM:
        return _with(_SUPERSIM, "new", "inactive", behaviour.inactive_from_new)
    table = _with(_WIRELESS, "suspended", "ready", behaviour.ready_from_suspended)
    return _with(table, "deactivated", "active", behaviour.active_from_deactivated)


def _with(table: Moves, start: str, end: str, allowed: bool) -> Moves:
    return {**table, start: table[start] | {end}} if allowed else table


def may_move(product: Product, start: str | None, end: str, behaviour: Behaviour) -> bool:
    """Tell whether a request may lead from one status to the other."""
    return start is not None and end in moves(product, behaviour).get(start, frozenset())


def calls_back_twice(product: Product, start: str, end: str) -> bool:
    """Programmable Wireless: new to ready, and any to deactivated, call back again at the end."""
    if product is not Product.WIRELESS:
        return False
    return end == "deactivated" or (start, end) == ("new", "ready")

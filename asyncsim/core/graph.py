"""Which statuses lead where. Only what the documents are sure of: in doubt, a path exists.

Sources: Twilio docs "Sim Resource" of both products, KORE docs "Wireless Sim Resource".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from asyncsim.vendors import Product

# Edges that the vendor follows by itself, minutes to months after settling.
_AUTOMATIC: Mapping[Product, Mapping[str, str]] = {
    Product.WIRELESS: {
        "ready": "active",  # 250 KB, three months or the fifth Command
        "deactivated": "canceled",  # after 72 hours
    },
    Product.SUPERSIM: {"ready": "active"},  # 250 KB, three months or five SMS Commands
}
# What a change passes through on its way, whatever it is: these can always be waited for.
_PASSED: Mapping[Product, frozenset[str]] = {
    Product.WIRELESS: frozenset({"scheduled", "updating"}),
    Product.SUPERSIM: frozenset({"scheduled"}),
}
_TERMINAL: Mapping[Product, frozenset[str]] = {
    Product.WIRELESS: frozenset({"canceled", "deleted"}),
}
# "A Sim resource's status can only be updated to ready if it is currently new."
_NO_WAY_BACK: Mapping[Product, Mapping[str, frozenset[str]]] = {
    Product.SUPERSIM: {
        "active": frozenset({"new", "ready"}),
        "inactive": frozenset({"new", "ready"}),
        "ready": frozenset({"new"}),
    },
    Product.WIRELESS: {
        "ready": frozenset({"new"}),
        "active": frozenset({"new"}),
        "suspended": frozenset({"new"}),
        "deactivated": frozenset({"new"}),
    },
}


def follows_by_itself(product: Product, start: str, targets: Collection[str]) -> bool:
    """Tell whether a settled status leads to one of the targets without any request."""
    edges = _AUTOMATIC.get(product, {})
    seen = set()
    while start in edges and start not in seen:
        seen.add(start)
        start = edges[start]
        if start in targets:
            return True
    return False


def can_reach(product: Product, start: str, targets: Iterable[str]) -> bool:
    """Tell whether a target may be reached from a settled status, by requests or by itself.

    No targets: any settled status will do, and it has one.
    """
    wanted = set(targets)
    if start in wanted or not wanted:
        return True
    if start in _TERMINAL.get(product, frozenset()):
        return False
    return bool(wanted - _NO_WAY_BACK.get(product, {}).get(start, frozenset()))


def reaches_after(product: Product, requested: str, targets: Collection[str]) -> bool:
    """Tell whether asking for a status can end in a target without a further request."""
    if requested in targets or not _PASSED.get(product, frozenset()).isdisjoint(targets):
        return True
    return follows_by_itself(product, requested, targets)

"""Which statuses lead where. Only what the documents are sure of: in doubt, a path exists.

Sources: Twilio docs "Sim Resource" of both products, "SMSCommand Resource", "ESimProfile Resource";
KORE docs "Wireless Sim Resource".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from asyncsim.kind import Kind
from asyncsim.vendors import Product

_Key = tuple[Product, str]
_WIRELESS_SIMS = (Product.WIRELESS, "sims")
_SUPER_SIMS = (Product.SUPERSIM, "sims")
_COMMANDS = (
    (Product.WIRELESS, "commands"),
    (Product.SUPERSIM, "sms_commands"),
    (Product.SUPERSIM, "ip_commands"),
)

# Edges that are followed without a request, seconds to months after settling.
_AUTOMATIC: Mapping[_Key, Mapping[str, str]] = {
    _WIRELESS_SIMS: {
        "ready": "active",  # 250 KB, three months or the fifth Command
        "deactivated": "canceled",  # after 72 hours
    },
    _SUPER_SIMS: {"ready": "active"},  # 250 KB, three months or five SMS Commands
    (Product.WIRELESS, "commands"): {"sent": "delivered"},  # if a receipt was asked for
    (Product.SUPERSIM, "sms_commands"): {"sent": "delivered"},  # on the device's confirmation
    # The download is up to the device.
    (Product.SUPERSIM, "esim_profiles"): {"available": "downloaded", "downloaded": "installed"},
}
# Settled statuses that a request may pass through before its own target. Twilio docs,
# "Understanding SIM Statuses": a SIM may be `ready` before it is `active`.
_THROUGH: Mapping[_Key, Mapping[str, str]] = {_WIRELESS_SIMS: {"ready": "active"}}
_TERMINAL: Mapping[_Key, frozenset[str]] = {
    _WIRELESS_SIMS: frozenset({"canceled", "deleted"}),
    **{key: frozenset({"delivered", "received", "failed"}) for key in _COMMANDS},
    (Product.SUPERSIM, "ip_commands"): frozenset({"sent", "received", "failed"}),
    (Product.SUPERSIM, "esim_profiles"): frozenset({"installed", "failed"}),
}
# "A Sim resource's status can only be updated to ready if it is currently new."
_NO_WAY_BACK: Mapping[_Key, Mapping[str, frozenset[str]]] = {
    _SUPER_SIMS: {
        "active": frozenset({"new", "ready"}),
        "inactive": frozenset({"new", "ready"}),
        "ready": frozenset({"new"}),
    },
    # `received` are those which devices send.
    **{
        key: {"queued": frozenset({"received"}), "sent": frozenset({"queued", "received"})}
        for key in _COMMANDS
    },
    _WIRELESS_SIMS: {
        "ready": frozenset({"new"}),
        "active": frozenset({"new"}),
        "suspended": frozenset({"new"}),
        "deactivated": frozenset({"new"}),
    },
}


def follows_by_itself(kind: Kind[Any], start: str, targets: Collection[str]) -> bool:
    """Tell whether a settled status leads to one of the targets without any request."""
    edges = _AUTOMATIC.get((kind.product, kind.key), {})
    seen = set()
    while start in edges and start not in seen:
        seen.add(start)
        start = edges[start]
        if start in targets:
            return True
    return False


def leads_through(kind: Kind[Any], status: str, requested: str | None) -> bool:
    """Tell whether a change to the requested status may be seen in this one before."""
    through = _THROUGH.get((kind.product, kind.key), {})
    return requested is not None and through.get(status) == requested


def has_passed(kind: Kind[Any], status: str, targets: Collection[str]) -> bool:
    """Tell whether a settled status proves that one of the targets was reached before.

    Only of kinds that are never updated, as Commands: those move in one direction.
    """
    if kind.update is not None:
        return False
    pending = not kind.pending.isdisjoint(targets)
    return pending or any(follows_by_itself(kind, target, {status}) for target in targets)


def is_terminal(kind: Kind[Any], status: str) -> bool:
    """Tell whether nothing leads out of a status."""
    return status in _TERMINAL.get((kind.product, kind.key), frozenset())


def can_reach(kind: Kind[Any], start: str, targets: Iterable[str]) -> bool:
    """Tell whether a target may be reached from a settled status, by requests or by itself.

    No targets: any settled status will do, and it has one.
    """
    wanted = set(targets)
    if start in wanted or not wanted:
        return True
    if is_terminal(kind, start):
        return False
    return bool(wanted - _NO_WAY_BACK.get((kind.product, kind.key), {}).get(start, frozenset()))


def reaches_after(kind: Kind[Any], requested: str, targets: Collection[str]) -> bool:
    """Tell whether asking for a status can end in a target without a further request."""
    # Whatever the change is, it passes through the pending statuses: those can be waited for.
    if requested in targets or not kind.pending.isdisjoint(targets):
        return True
    return follows_by_itself(kind, requested, targets)

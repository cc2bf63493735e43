"""What the updates of both products' SIMs have in common."""

from __future__ import annotations

from typing import Any

from asyncsim.emulator.context import Desk
from asyncsim.emulator.errors import Refusal
from asyncsim.emulator.letters import Callback
from asyncsim.emulator.params import Values, web_address
from asyncsim.kind import Kind
from asyncsim.vendors import Product


def callback_of(values: Values) -> Callback | None:
    """Where the update asks to be called back."""
    url = web_address(values, "callback_url")
    return None if url is None else Callback(url, values.get("callback_method") or "POST")


def unique_name(desk: Desk, kind: Kind[Any], values: Values, record: Any = None) -> str | None:
    """The unique name asked for, None to clear it; it must be free in the account."""
    name = values.get("unique_name") or None
    if name is None:
        return None
    taken, bad = (33101, 33101) if kind.product is Product.WIRELESS else (83011, 20001)
    # No format is published. A SID would hide what it is the SID of.
    if len(name) > desk.behaviour.longest_unique_name or kind.is_sid(name):
        raise Refusal(bad, f"UniqueName '{name[:80]}' is not possible")
    if desk.world.store(kind).find(name) not in (None, record):
        raise Refusal(taken, f"UniqueName '{name}' is already used by another {kind.noun}")
    return name


def plain_changes(record: Any, values: Values, names: frozenset[str]) -> dict[str, Any]:
    """Fields that are simply set; the empty string clears."""
    given = {name: values[name] or None for name in names if name in values}
    return {name: value for name, value in given.items() if getattr(record, name) != value}

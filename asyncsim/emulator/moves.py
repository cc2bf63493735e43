"""Moving a `new` SIM between a main account and its subaccounts.

Sources: Twilio docs, Sim resource and Wireless Sim resource, `AccountSid`: with the main account's
credentials, to itself or to one of its subaccounts.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.emulator.context import Desk, Done, Values
from asyncsim.emulator.errors import Refusal
from asyncsim.emulator.world import World
from asyncsim.kind import Kind


def target_of(desk: Desk, record: Any, values: Values, refused: int) -> World | None:
    """The account a SIM is to move to; None where it stays. `refused` is the product's code."""
    wanted = values.get("account_sid", record.account_sid)
    if wanted == record.account_sid:
        return None
    asking = desk.requester or desk.world
    allowed = {world.account_sid: world for world in asking.family()}
    if asking.parent is not None or wanted not in allowed:
        raise Refusal(refused, "The Account is not allowed to take this Sim")
    if record.status != "new":
        raise Refusal(refused, f"A Sim that is '{record.status}' cannot move to another Account")
    return allowed[wanted]


def move(desk: Desk, kind: Kind[Any], record: Any, target: World, changes: dict[str, Any]) -> Done:
    """Move a SIM, with all that is noted of it, and answer as the account that has it now."""
    store = desk.world.store(kind)
    notes = store.notes(record.sid)
    moved = evolve(record, **changes, account_sid=target.account_sid, date_updated=desk.world.now())
    store.remove(record.sid)
    target.store(kind).put(moved, **notes)
    return Done(moved, world=target)

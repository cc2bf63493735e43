"""Parts of create and update that several kinds share, such as moving a SIM between accounts.

Sources for moves: Twilio docs, Sim resource and Wireless Sim resource, `AccountSid`: with the main
account's credentials, to itself or to one of its subaccounts.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.emulator.callbacks import CallbackTarget
from asyncsim.emulator.context import OperationResult, RequestContext
from asyncsim.emulator.errors import VendorError
from asyncsim.emulator.params import Params, callback_url
from asyncsim.emulator.world import World
from asyncsim.kind import Kind
from asyncsim.vendors import Product


def callback_target(params: Params) -> CallbackTarget | None:
    """The callback that the request wants."""
    url = callback_url(params, "callback_url")
    return None if url is None else CallbackTarget(url, params.get("callback_method") or "POST")


def unique_name(
    ctx: RequestContext, kind: Kind[Any], params: Params, record: Any = None
) -> str | None:
    """The requested unique name, None to clear it; it must be free in the account."""
    name = params.get("unique_name") or None
    if name is None:
        return None
    taken, bad = (33101, 33101) if kind.product is Product.WIRELESS else (83011, 20001)
    # No format is published. A name like a SID would hide the record with that SID.
    if len(name) > ctx.behaviour.longest_unique_name or kind.is_sid(name):
        raise VendorError(bad, f"UniqueName '{name[:80]}' is not possible")
    if ctx.world.store(kind).find(name) not in (None, record):
        raise VendorError(taken, f"UniqueName '{name}' is already used by another {kind.noun}")
    return name


def plain_changes(record: Any, params: Params, names: frozenset[str]) -> dict[str, Any]:
    """Fields that are simply set and differ from the record; the empty string clears."""
    given = {name: params[name] or None for name in names if name in params}
    return {name: value for name, value in given.items() if getattr(record, name) != value}


def target_account(
    ctx: RequestContext, record: Any, params: Params, error_code: int
) -> World | None:
    """The account that a SIM is to move to; None where it stays."""
    wanted = params.get("account_sid", record.account_sid)
    if wanted == record.account_sid:
        return None
    requester = ctx.requester or ctx.world
    allowed = {world.account_sid: world for world in requester.family()}
    if requester.parent is not None or wanted not in allowed:
        raise VendorError(error_code, "The Account is not allowed to take this Sim")
    if record.status != "new":
        message = f"A Sim that is '{record.status}' cannot move to another Account"
        raise VendorError(error_code, message)
    return allowed[wanted]


def move_sim(
    ctx: RequestContext, kind: Kind[Any], record: Any, target: World, changes: dict[str, Any]
) -> OperationResult:
    """Move a SIM with its notes; the response shows it in the account that has it now."""
    store = ctx.world.store(kind)
    notes = store.notes(record.sid)
    moved = evolve(record, **changes, account_sid=target.account_sid, date_updated=ctx.world.now())
    store.remove(record.sid)
    target.store(kind).put(moved, **notes)
    return OperationResult(moved, world=target)

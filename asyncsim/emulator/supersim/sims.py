"""Super SIM Sims. Sources: Twilio docs, Sim resource; its reference, Register a Super SIM."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.emulator.common import (
    callback_target,
    move_sim,
    plain_changes,
    target_account,
)
from asyncsim.emulator.context import OperationResult, RequestContext, StoredResource
from asyncsim.emulator.errors import VendorError, invalid_parameter
from asyncsim.emulator.lists import equal, reference, status
from asyncsim.emulator.params import Params
from asyncsim.emulator.transitions import CONNECTED, AsyncChange, may_transition
from asyncsim.emulator.world import World
from asyncsim.models.supersim.fleets import FLEETS
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.vendors import Product

_REQUESTABLE = frozenset({"ready", "active", "inactive"})
_PLAIN_FIELDS = frozenset({"unique_name"})


def links(record: Sim, base: str) -> dict[str, str]:
    """Subresources of a Sim."""
    own = f"{base}{SIMS.path}/{record.sid}"
    return {"billing_periods": f"{own}/BillingPeriods", "sim_ip_addresses": f"{own}/IpAddresses"}


def register(ctx: RequestContext, params: Params) -> OperationResult:
    """POST of the list: claim a card for the account."""
    iccid = params["iccid"]
    if owned := ctx.world.sims("supersim").find_by("iccid", iccid):
        message = f"Super SIM is already registered to your Account as {owned.record.sid}"
        raise VendorError(83003, message)
    if not ctx.world.claim(iccid, params["registration_code"]):
        message = "Super SIM cannot be registered: check ICCID and registration code"
        raise VendorError(83002, message)
    record = ctx.world.add_sim("supersim", iccid=iccid)
    empty = ctx.behaviour.registration_answers_empty_name
    return OperationResult(record, 201, {"unique_name": ""} if empty else {})


def update(ctx: RequestContext, record: Sim, params: Params) -> OperationResult:
    """POST of a Sim: 202 for an asynchronous change, 200 for one that takes effect at once."""
    callback = callback_target(params)
    # No code is published for a move that is not allowed.
    if account := target_account(ctx, record, params, 20006):
        return _move(ctx, record, params, account)
    target = _target(ctx, record, params)
    immediate = _plain_changes(ctx, record, params)
    # A Fleet is changed at once unless the network already knows the SIM.
    is_async = "status" in target or ("fleet_sid" in target and record.status in CONNECTED)
    if not is_async:
        immediate |= target
    store = ctx.world.sims("supersim")
    if immediate:
        record = store.put(evolve(record, **immediate, date_updated=ctx.world.now()))
    if is_async:
        change = AsyncChange(("scheduled",), target, callback)
        record = ctx.transitions.accept(ctx.world, store, record, change)
    elif ctx.behaviour.callback_on_sync_update:
        ctx.transitions.call_back(ctx.world, record, callback)
    return OperationResult(record, 202 if is_async else 200)


def _target(ctx: RequestContext, record: Sim, params: Params) -> dict[str, Any]:
    """The requested status and Fleet, as far as they differ from the present ones."""
    start, wanted = record.status, params.get("status")
    if start in SIMS.pending:
        if "fleet" in params:
            raise VendorError(83009, "Fleet cannot be changed while the Super SIM is scheduled")
        if wanted:
            raise VendorError(83010, "Status cannot be changed while the Super SIM is scheduled")
    target: dict[str, Any] = {}
    if "fleet" in params:
        target["fleet_sid"] = _fleet_sid(ctx, params["fleet"])
    if wanted:
        if wanted not in _REQUESTABLE:
            raise invalid_parameter(Product.SUPERSIM, f"Status cannot be '{wanted}'")
        if wanted != start and not may_transition(SIMS.product, start, wanted, ctx.behaviour):
            raise VendorError(83010, f"Status cannot be changed from '{start}' to '{wanted}'")
        target["status"] = wanted
    needs_fleet = target.get("status", start) in CONNECTED
    if needs_fleet and target.get("fleet_sid", record.fleet_sid) is None:
        if start in CONNECTED and record.fleet_sid is not None:
            message = "Fleet cannot be removed while the Super SIM is ready or active"
            raise VendorError(83008, message)
        if target:
            raise VendorError(83007, "A Super SIM needs a Fleet to be activated")
    return {name: value for name, value in target.items() if getattr(record, name) != value}


def _fleet_sid(ctx: RequestContext, name: str) -> str | None:
    if not name:
        return None
    fleet = ctx.world.fleets.find(name)
    if fleet is None:
        raise VendorError(83006, f"Fleet '{name}' was not found")
    return fleet.sid


def _plain_changes(ctx: RequestContext, record: Sim, params: Params) -> dict[str, Any]:
    changes = plain_changes(record, params, _PLAIN_FIELDS)
    if name := changes.get("unique_name"):
        _check_name(ctx, record, name)
    return changes


def _check_name(ctx: RequestContext, record: Sim, name: str) -> None:
    if ctx.world.sims("supersim").find(name) not in (None, record):
        raise VendorError(83011, f"Unique Name '{name}' is already used by another Super SIM")


def _move(ctx: RequestContext, record: Sim, params: Params, account: World) -> OperationResult:
    """To another account: a Fleet must be one of that account's, or be removed."""
    target_ctx = ctx.for_account(account)
    changes = _plain_changes(target_ctx, record, params)
    if record.fleet_sid is not None and "fleet" not in params:
        message = "The Fleet is not one of the target Account: name another or none"
        raise VendorError(83006, message)
    if "fleet" in params:
        changes["fleet_sid"] = _fleet_sid(target_ctx, params["fleet"])
    if params.get("status") not in (None, "", record.status):
        raise VendorError(83010, "Status cannot be changed along with the Account")
    if record.unique_name and "unique_name" not in params:
        _check_name(target_ctx, record, record.unique_name)
    return move_sim(ctx, SIMS, record, account, changes)


RESOURCE = StoredResource(
    kind=SIMS,
    links=links,
    filters={
        "status": status(SIMS.product, "new", "ready", "active", "inactive", "scheduled"),
        "fleet": reference(FLEETS, "fleet_sid"),
        "iccid": equal("iccid"),
    },
    create=register,
    update=update,
    moves=True,
    missing=83001,
)

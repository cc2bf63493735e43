"""Programmable Wireless Sims. Sources: KORE docs, Wireless Sim Resource; Twilio's dictionary."""

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
from asyncsim.models.wireless.rate_plans import RATE_PLANS, RatePlan
from asyncsim.models.wireless.sims import SIMS, Sim
from asyncsim.vendors import Product

_STATUSES = (
    "new", "ready", "active", "suspended", "deactivated", "canceled", "scheduled", "updating",
)  # fmt: skip
_PLAIN_FIELDS = frozenset(SIMS.compared) - {"status", "rate_plan", "account_sid"}
_ANY_STRATEGY_IN = frozenset({"new", "deactivated"})
"""Statuses in which a RatePlan with another data limit strategy is allowed."""
_DATA_METERING = "payg"
"""The only data metering that is not deprecated (Twilio docs, error 33122)."""


def links(record: Sim, base: str) -> dict[str, str]:
    """Subresources of a Sim, and its RatePlan."""
    own = f"{base}{SIMS.path}/{record.sid}"
    found = {"data_sessions": f"{own}/DataSessions", "usage_records": f"{own}/UsageRecords"}
    if record.rate_plan_sid:
        found["rate_plan"] = f"{base}{RATE_PLANS.path}/{record.rate_plan_sid}"
    return found


def update(ctx: RequestContext, record: Sim, params: Params) -> OperationResult:
    """POST of a Sim: always 200, with a pending status for an asynchronous change."""
    callback = callback_target(params)
    if ctx.world.suspended:
        raise VendorError(33201, "The Account is suspended")
    if params.get("status") and "reset_status" in params:
        raise VendorError(33121, "Status and ResetStatus cannot be changed in the same request")
    if params.get("status") == "suspended" and params.get("rate_plan") == "":
        raise VendorError(33121, "The Rate Plan cannot be removed while suspending")
    if account := target_account(ctx, record, params, 33201):
        return _move(ctx, record, params, account)
    target = _target(ctx, record, params)
    if "reset_status" in params:
        if record.reset_status == "resetting":
            raise VendorError(33120, "A connectivity reset is already in progress")
        if record.status not in ctx.behaviour.reset_allowed_in:
            raise VendorError(33119, f"A Sim that is '{record.status}' cannot be reset")
    immediate = _plain_changes(ctx, record, params)
    is_async = "status" in target or (
        "rate_plan_sid" in target and record.status in ctx.behaviour.rate_plan_async_in
    )
    if not is_async:
        immediate |= target
    store = ctx.world.sims("wireless")
    if immediate:
        record = store.put(evolve(record, **immediate, date_updated=ctx.world.now()))
    if "reset_status" in params:
        record = ctx.transitions.reset(ctx.world, store, record, callback)
    elif is_async:
        change = AsyncChange(ctx.behaviour.wireless_pending, target, callback)
        record = ctx.transitions.accept(ctx.world, store, record, change)
    elif ctx.behaviour.callback_on_sync_update:
        ctx.transitions.call_back(ctx.world, record, callback)
    return OperationResult(record)


def _target(ctx: RequestContext, record: Sim, params: Params) -> dict[str, Any]:
    """The requested status and RatePlan, as far as they differ from the present ones."""
    wanted = params.get("status")
    if record.status in SIMS.pending and (wanted or "rate_plan" in params):
        raise _conflict(record)
    target: dict[str, Any] = {}
    plan = _rate_plan(ctx, record, params)
    if "rate_plan" in params:
        target["rate_plan_sid"] = plan.sid if plan else None
    if wanted:
        if wanted not in _STATUSES:
            raise invalid_parameter(Product.WIRELESS, f"Status cannot be '{wanted}'")
        start = record.status
        if wanted != start and not may_transition(SIMS.product, start, wanted, ctx.behaviour):
            raise VendorError(33105, f"Status cannot be changed from '{start}' to '{wanted}'")
        target["status"] = wanted
    _check_rate_plan(ctx, record, target, plan)
    return {name: value for name, value in target.items() if getattr(record, name) != value}


def _check_rate_plan(
    ctx: RequestContext, record: Sim, target: dict[str, Any], plan: RatePlan | None
) -> None:
    """The RatePlan rules of errors 33101, 33104 and 33122."""
    sims, plans = ctx.world.sims("wireless"), ctx.world.rate_plans
    if "rate_plan_sid" in target and target["rate_plan_sid"] != record.rate_plan_sid:
        if plan is None:
            if record.status in CONNECTED:
                message = "The Rate Plan cannot be removed while the Sim is ready or active"
                raise VendorError(33101, message)
        else:
            before = plans.get(record.rate_plan_sid or "")
            same = before is None or before.data_limit_strategy == plan.data_limit_strategy
            if not same and record.status not in _ANY_STRATEGY_IN:
                message = "The Rate Plans have different data limit strategies"
                raise VendorError(33101, message)
            # No property of a SIM or plan shows that it is a narrowband one.
            if bool(sims.notes(record.sid).get("narrowband")) != bool(
                plans.notes(plan.sid).get("narrowband")
            ):
                message = "Narrowband SIMs need a narrowband Rate Plan, and only they"
                raise VendorError(33101, message)
    wanted = target.get("status", record.status)
    if wanted in CONNECTED and wanted != record.status:
        if plan is None:
            raise VendorError(33104, "A Sim needs a Rate Plan to be activated")
        if plan.data_metering != _DATA_METERING:
            message = f"Data metering '{plan.data_metering}' is no longer allowed"
            raise VendorError(33122, message)


def _rate_plan(ctx: RequestContext, record: Sim, params: Params) -> RatePlan | None:
    """The RatePlan that the SIM will have."""
    name = params.get("rate_plan", record.rate_plan_sid)
    if not name:
        return None
    plan = ctx.world.rate_plans.find(name)
    if plan is None and "rate_plan" in params:
        raise VendorError(33108, f"Rate Plan '{name}' was not found")
    return plan


def _plain_changes(ctx: RequestContext, record: Sim, params: Params) -> dict[str, Any]:
    changes = plain_changes(record, params, _PLAIN_FIELDS)
    if changes and record.status in SIMS.pending and ctx.behaviour.names_locked_while_updating:
        raise _conflict(record)
    if name := changes.get("unique_name"):
        _check_name(ctx, record, name)
    return changes


def _check_name(ctx: RequestContext, record: Sim, name: str) -> None:
    if ctx.world.sims("wireless").find(name) not in (None, record):
        raise VendorError(33101, f"UniqueName '{name}' is already used by another Sim")


def _conflict(record: Sim) -> VendorError:
    return VendorError(33010, f"The Sim is '{record.status}': another update is still running")


def _move(ctx: RequestContext, record: Sim, params: Params, account: World) -> OperationResult:
    """To another account: the RatePlan must be one of that account's."""
    target_ctx = ctx.for_account(account)
    if params.get("status") not in (None, "", record.status) or "reset_status" in params:
        raise VendorError(33121, "Status cannot be changed along with the Account")
    plan = _rate_plan(target_ctx, record, params)
    if plan is None and record.rate_plan_sid and "rate_plan" not in params:
        message = f"Rate Plan '{record.rate_plan_sid}' was not found in the Account"
        raise VendorError(33108, message)
    changes = _plain_changes(target_ctx, record, params)
    if record.unique_name and "unique_name" not in params:
        _check_name(target_ctx, record, record.unique_name)
    changes["rate_plan_sid"] = plan.sid if plan else None
    return move_sim(ctx, SIMS, record, account, changes)


def delete(ctx: RequestContext, record: Sim) -> int:
    """DELETE of a Sim."""
    if record.status not in ctx.behaviour.delete_allowed_in:
        raise VendorError(33105, f"A Sim that is '{record.status}' cannot be deleted", status=409)
    sims = ctx.world.sims("wireless")
    ctx.transitions.forget(sims, record.sid)
    sims.remove(record.sid)
    return 204


RESOURCE = StoredResource(
    kind=SIMS,
    links=links,
    filters={
        "status": status(SIMS.product, *_STATUSES),
        "iccid": equal("iccid"),
        "rate_plan": reference(RATE_PLANS, "rate_plan_sid"),
        "eid": equal("eid"),
        "sim_registration_code": equal("registration_code"),
    },
    update=update,
    delete=delete,
    moves=True,
)

"""Programmable Wireless Sims. Sources: KORE docs, Wireless Sim Resource; Twilio's dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from asyncsim.emulator import lifecycle
from asyncsim.emulator.context import Desk, Done, Resource, Values
from asyncsim.emulator.errors import Refusal, invalid
from asyncsim.emulator.filters import equal, reference, status
from asyncsim.emulator.moves import move, target_of
from asyncsim.emulator.sim_updates import callback_of, plain_changes
from asyncsim.emulator.transitions import Change
from asyncsim.emulator.world import World
from asyncsim.models.wireless.rate_plans import RATE_PLANS, RatePlan
from asyncsim.models.wireless.sims import SIMS, Sim
from asyncsim.vendors import Product

_FILTERABLE = (
    "new", "ready", "active", "suspended", "deactivated", "canceled", "scheduled", "updating",
)  # fmt: skip
_CONNECTED = frozenset({"ready", "active"})
_FREELY_PLANNED = frozenset({"new", "deactivated"})
_NAMES = frozenset(SIMS.compared) - {"status", "rate_plan", "account_sid"}
# Data metering "payg" is the one not deprecated (Twilio docs, error 33122).
_METERING = "payg"


def links(record: Sim, base: str) -> dict[str, str]:
    """Sub-resources of a Sim, and its plan."""
    own = f"{base}{SIMS.path}/{record.sid}"
    found = {"data_sessions": f"{own}/DataSessions", "usage_records": f"{own}/UsageRecords"}
    if record.rate_plan_sid:
        found["rate_plan"] = f"{base}{RATE_PLANS.path}/{record.rate_plan_sid}"
    return found


def update(desk: Desk, record: Sim, values: Values) -> Done:
    """POST of a Sim: always 200, with a pending status for what is carried out later."""
    callback = callback_of(values)
    if desk.world.suspended:
        raise Refusal(33201, "The Account is suspended")
    _check_combinations(record, values)
    if account := target_of(desk, record, values, 33201):
        return _move(desk, record, values, account)
    target = _target(desk, record, values)
    if "reset_status" in values:
        _check_reset(desk, record)
    at_once = _names(desk, record, values)
    deferred = _is_deferred(desk, record, target)
    if not deferred:
        at_once |= target
    store, carrier = desk.world.sims("wireless"), desk.carrier
    if at_once:
        record = store.put(evolve(record, **at_once, date_updated=desk.world.now()))
    if "reset_status" in values:
        record = carrier.reset(desk.world, store, record, callback)
    elif deferred:
        change = Change(desk.behaviour.wireless_pending, target, callback)
        record = carrier.accept(desk.world, store, record, change)
    elif desk.behaviour.callback_on_sync_update:
        carrier.call_back(desk.world, record, callback)
    return Done(record)


def _move(desk: Desk, record: Sim, values: Values, account: World) -> Done:
    """To another account: the RatePlan must be one of that account's."""
    there = desk.of(account)
    if values.get("status") not in (None, "", record.status) or "reset_status" in values:
        raise Refusal(33121, "Status cannot be changed along with the Account")
    plan = _plan(there, record, values)
    if plan is None and record.rate_plan_sid and "rate_plan" not in values:
        raise Refusal(33108, f"Rate Plan '{record.rate_plan_sid}' was not found in the Account")
    changes = _names(there, record, values)
    if record.unique_name and "unique_name" not in values:
        _check_name(there, record, record.unique_name)
    changes["rate_plan_sid"] = plan.sid if plan else None
    return move(desk, SIMS, record, account, changes)


def delete(desk: Desk, record: Sim) -> int:
    """DELETE of a Sim."""
    if record.status not in desk.behaviour.delete_allowed_in:
        raise Refusal(33105, f"A Sim that is '{record.status}' cannot be deleted", status=409)
    desk.carrier.forget(desk.world, record)
    desk.world.sims("wireless").remove(record.sid)
    return 204


def _check_combinations(record: Sim, values: Values) -> None:
    if values.get("status") and "reset_status" in values:
        raise Refusal(33121, "Status and ResetStatus cannot be changed in the same request")
    if values.get("status") == "suspended" and values.get("rate_plan") == "":
        raise Refusal(33121, "The Rate Plan cannot be removed while suspending")


def _check_reset(desk: Desk, record: Sim) -> None:
    if record.reset_status == "resetting":
        raise Refusal(33120, "A connectivity reset is already in progress")
    if record.status not in desk.behaviour.reset_allowed_in:
        raise Refusal(33119, f"A Sim that is '{record.status}' cannot be reset")


def _names(desk: Desk, record: Sim, values: Values) -> dict[str, Any]:
    changes = plain_changes(record, values, _NAMES)
    if changes and record.status in SIMS.pending and desk.behaviour.names_locked_while_updating:
        raise _conflict(record)
    if name := changes.get("unique_name"):
        _check_name(desk, record, name)
    return changes


def _check_name(desk: Desk, record: Sim, name: str) -> None:
    if desk.world.sims("wireless").find(name) not in (None, record):
        raise Refusal(33101, f"UniqueName '{name}' is already used by another Sim")


def _target(desk: Desk, record: Sim, values: Values) -> dict[str, Any]:
    """What is to be true in the end: only what differs from now."""
    if record.status in SIMS.pending and (values.get("status") or "rate_plan" in values):
        raise _conflict(record)
    target: dict[str, Any] = {}
    plan = _plan(desk, record, values)
    if "rate_plan" in values:
        target["rate_plan_sid"] = plan.sid if plan else None
    if values.get("status"):
        target["status"] = _status(desk, record, values["status"])
    _check_plan(desk, record, target, plan)
    return {name: value for name, value in target.items() if getattr(record, name) != value}


def _conflict(record: Sim) -> Refusal:
    return Refusal(33010, f"The Sim is '{record.status}': another update is still running")


def _plan(desk: Desk, record: Sim, values: Values) -> RatePlan | None:
    """The plan the SIM will have."""
    name = values.get("rate_plan", record.rate_plan_sid)
    if not name:
        return None
    plan = desk.world.rate_plans.find(name)
    if plan is None and "rate_plan" in values:
        raise Refusal(33108, f"Rate Plan '{name}' was not found")
    return plan


def _status(desk: Desk, record: Sim, wanted: str) -> str:
    if wanted not in _FILTERABLE:
        raise invalid(Product.WIRELESS, f"Status cannot be '{wanted}'")
    start = record.status
    if wanted != start and not lifecycle.may_move(SIMS.product, start, wanted, desk.behaviour):
        raise Refusal(33105, f"Status cannot be changed from '{start}' to '{wanted}'")
    return wanted


def _check_plan(desk: Desk, record: Sim, target: Mapping[str, Any], plan: RatePlan | None) -> None:
    """The rate plan rules of errors 33101, 33104 and 33122."""
    moved = "rate_plan_sid" in target and target["rate_plan_sid"] != record.rate_plan_sid
    if moved and plan is None and record.status in _CONNECTED:
        raise Refusal(33101, "The Rate Plan cannot be removed while the Sim is ready or active")
    if moved and plan is not None:
        _check_strategy(desk, record, plan)
        _check_narrowband(desk, record, plan)
    wanted = target.get("status", record.status)
    if wanted in _CONNECTED and wanted != record.status:
        if plan is None:
            raise Refusal(33104, "A Sim needs a Rate Plan to be activated")
        if plan.data_metering != _METERING:
            raise Refusal(33122, f"Data metering '{plan.data_metering}' is no longer allowed")


def _check_narrowband(desk: Desk, record: Sim, plan: RatePlan) -> None:
    sims, plans = desk.world.sims("wireless"), desk.world.rate_plans
    # Which SIM or plan is a narrowband one, no property of either shows.
    if bool(sims.notes(record.sid).get("narrowband")) != bool(
        plans.notes(plan.sid).get("narrowband")
    ):
        raise Refusal(33101, "Narrowband SIMs need a narrowband Rate Plan, and only they")


def _check_strategy(desk: Desk, record: Sim, plan: RatePlan) -> None:
    before = desk.world.rate_plans.get(record.rate_plan_sid or "")
    if before is None or record.status in _FREELY_PLANNED:
        return
    if before.data_limit_strategy != plan.data_limit_strategy:
        raise Refusal(33101, "The Rate Plans have different data limit strategies")


def _is_deferred(desk: Desk, record: Sim, target: Mapping[str, Any]) -> bool:
    plan_only = "rate_plan_sid" in target and record.status in desk.behaviour.rate_plan_async_in
    return "status" in target or plan_only


RESOURCE = Resource(
    kind=SIMS,
    links=links,
    filters={
        "status": status(SIMS.product, *_FILTERABLE),
        "iccid": equal("iccid"),
        "rate_plan": reference(RATE_PLANS, "rate_plan_sid"),
        "eid": equal("eid"),
        "sim_registration_code": equal("registration_code"),
    },
    update=update,
    delete=delete,
    moves=True,
)

"""Super SIM Sims. Sources: Twilio docs, Sim resource; its reference, Register a Super SIM."""

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
from asyncsim.models.supersim.fleets import FLEETS
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.vendors import Product

_REQUESTABLE = frozenset({"ready", "active", "inactive"})
_ENABLED = frozenset({"ready", "active"})
_NAMES = frozenset({"unique_name"})


def links(record: Sim, base: str) -> dict[str, str]:
    """Sub-resources of a Sim."""
    own = f"{base}{SIMS.path}/{record.sid}"
    return {"billing_periods": f"{own}/BillingPeriods", "sim_ip_addresses": f"{own}/IpAddresses"}


def register(desk: Desk, values: Values) -> Done:
    """POST of the list: claim a card for the account."""
    iccid = values["iccid"]
    if owned := desk.world.sims("supersim").having("iccid", iccid):
        raise Refusal(
            83003, f"Super SIM is already registered to your Account as {owned.record.sid}"
        )
    if not desk.world.claim(iccid, values["registration_code"]):
        raise Refusal(83002, "Super SIM cannot be registered: check ICCID and registration code")
    record = desk.world.add_sim("supersim", iccid=iccid)
    empty = desk.behaviour.registration_answers_empty_name
    return Done(record, 201, {"unique_name": ""} if empty else {})


def update(desk: Desk, record: Sim, values: Values) -> Done:
    """POST of a Sim: 202 for what is carried out later, 200 for what is done at once."""
    callback = callback_of(values)
    # No code is published for a move that is not allowed.
    if account := target_of(desk, record, values, 20006):
        return _move(desk, record, values, account)
    target = _target(desk, record, values)
    at_once = _names(desk, record, values)
    deferred = _is_deferred(record, target)
    if not deferred:
        at_once |= target
    store = desk.world.sims("supersim")
    if at_once:
        record = store.put(evolve(record, **at_once, date_updated=desk.world.now()))
    if deferred:
        change = Change(("scheduled",), target, callback)
        record = desk.carrier.accept(desk.world, store, record, change)
    elif desk.behaviour.callback_on_sync_update:
        desk.carrier.call_back(desk.world, record, callback)
    return Done(record, 202 if deferred else 200)


def _move(desk: Desk, record: Sim, values: Values, account: World) -> Done:
    """To another account: a Fleet must be one of that account's, or be taken away."""
    there = desk.of(account)
    changes = _names(there, record, values)
    if record.fleet_sid is not None and "fleet" not in values:
        raise Refusal(83006, "The Fleet is not one of the target Account: name another or none")
    if "fleet" in values:
        changes["fleet_sid"] = _fleet_sid(there, values["fleet"])
    if values.get("status") not in (None, "", record.status):
        raise Refusal(83010, "Status cannot be changed along with the Account")
    if record.unique_name and "unique_name" not in values:
        _check_name(there, record, record.unique_name)
    return move(desk, SIMS, record, account, changes)


def _is_deferred(record: Sim, target: Mapping[str, Any]) -> bool:
    # A Fleet is changed at once unless the network already knows the SIM.
    return "status" in target or ("fleet_sid" in target and record.status in _ENABLED)


def _names(desk: Desk, record: Sim, values: Values) -> dict[str, Any]:
    changes = plain_changes(record, values, _NAMES)
    if name := changes.get("unique_name"):
        _check_name(desk, record, name)
    return changes


def _check_name(desk: Desk, record: Sim, name: str) -> None:
    if desk.world.sims("supersim").find(name) not in (None, record):
        raise Refusal(83011, f"Unique Name '{name}' is already used by another Super SIM")


def _target(desk: Desk, record: Sim, values: Values) -> dict[str, Any]:
    """What is to be true in the end: only what differs from now."""
    if record.status in SIMS.pending:
        _refuse_while_scheduled(values)
    target: dict[str, Any] = {}
    if "fleet" in values:
        target["fleet_sid"] = _fleet_sid(desk, values["fleet"])
    if values.get("status"):
        target["status"] = _status(desk, record, values["status"])
    _check_fleet(record, target)
    return {name: value for name, value in target.items() if getattr(record, name) != value}


def _refuse_while_scheduled(values: Values) -> None:
    if "fleet" in values:
        raise Refusal(83009, "Fleet cannot be changed while the Super SIM is scheduled")
    if values.get("status"):
        raise Refusal(83010, "Status cannot be changed while the Super SIM is scheduled")


def _fleet_sid(desk: Desk, name: str) -> str | None:
    if not name:
        return None
    fleet = desk.world.fleets.find(name)
    if fleet is None:
        raise Refusal(83006, f"Fleet '{name}' was not found")
    return fleet.sid


def _status(desk: Desk, record: Sim, wanted: str) -> str:
    if wanted not in _REQUESTABLE:
        raise invalid(Product.SUPERSIM, f"Status cannot be '{wanted}'")
    start = record.status
    if wanted != start and not lifecycle.may_move(SIMS.product, start, wanted, desk.behaviour):
        raise Refusal(83010, f"Status cannot be changed from '{start}' to '{wanted}'")
    return wanted


def _check_fleet(record: Sim, target: Mapping[str, Any]) -> None:
    status_then = target.get("status", record.status)
    if status_then not in _ENABLED or target.get("fleet_sid", record.fleet_sid) is not None:
        return
    if record.status in _ENABLED and record.fleet_sid is not None:
        raise Refusal(83008, "Fleet cannot be removed while the Super SIM is ready or active")
    if "status" in target or "fleet_sid" in target:
        raise Refusal(83007, "A Super SIM needs a Fleet to be activated")


RESOURCE = Resource(
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

"""Programmable Wireless Commands.

Sources: both wireless_v1 documents; Twilio docs, Command resource, and its dictionary of errors.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Any

from asyncsim.emulator.callbacks import target_to_dict
from asyncsim.emulator.common import callback_target
from asyncsim.emulator.context import OperationResult, RequestContext, StoredResource
from asyncsim.emulator.errors import VendorError, invalid_parameter
from asyncsim.emulator.lists import equal, reference, status
from asyncsim.emulator.params import Params, boolean
from asyncsim.emulator.transitions import CONNECTED
from asyncsim.models.wireless.commands import COMMANDS, Command
from asyncsim.models.wireless.sims import SIMS, Sim
from asyncsim.vendors import Product

_MAX_CHARACTERS, _MAX_WITH_SID, _MAX_BYTES = 160, 128, 140
_MAX_QUEUED = 100
"""Of one narrowband SIM: error 33118."""


def create(ctx: RequestContext, params: Params) -> OperationResult:
    """POST of the list: queued, then sent."""
    world = ctx.world
    callback = callback_target(params)
    receipt = boolean(Product.WIRELESS, params, "delivery_receipt_requested")
    mode = params.get("command_mode", "text")
    name = params.get("sim")
    if not name:
        raise VendorError(33102, "Missing required parameter Sim")
    sim = world.store(SIMS).find(name)
    if sim is None:
        raise VendorError(33107, f"Sim '{name}' was not found")
    _check_length(params, mode)
    _check_sendable(ctx, sim)
    record = world.add(
        COMMANDS,
        notes={"callback": target_to_dict(callback)},
        status="queued",
        sim_sid=sim.sid,
        command=params["command"],
        command_mode=mode,
        transport="sms",
        delivery_receipt_requested=receipt is not False,
        direction="to_sim",
    )
    is_kore = world.vendor.name == "kore"
    return OperationResult(record, ctx.behaviour.kore_command_create_status if is_kore else 201)


def _check_length(params: Params, mode: str) -> None:
    text = params["command"]
    if mode == "binary":
        try:
            is_long = len(base64.b64decode(text, validate=True)) > _MAX_BYTES
        except (binascii.Error, ValueError):
            raise invalid_parameter(Product.WIRELESS, "Command is not Base64") from None
    else:
        has_sid = params.get("include_sid", "none") != "none"
        is_long = len(text) > (_MAX_WITH_SID if has_sid else _MAX_CHARACTERS)
    if is_long:
        raise VendorError(33111, "The Command exceeds the maximum length")


def _check_sendable(ctx: RequestContext, sim: Sim) -> None:
    world = ctx.world
    if world.suspended:
        raise VendorError(33201, "The Account is suspended")
    if sim.status not in CONNECTED:
        raise VendorError(33104, f"A Sim that is '{sim.status}' cannot receive Commands")
    plan = world.rate_plans.get(sim.rate_plan_sid or "")
    if plan is not None and not plan.messaging_enabled:
        raise VendorError(ctx.behaviour.no_messaging_code, "The Rate Plan does not allow Commands")
    if world.store(SIMS).notes(sim.sid).get("narrowband"):
        commands: Any = world.store(COMMANDS).values()
        queued = sum(1 for one in commands if one.sim_sid == sim.sid and one.status == "queued")
        if queued >= _MAX_QUEUED:
            raise VendorError(33118, "Too many Commands are queued for this Narrowband SIM")


def delete(ctx: RequestContext, record: Command) -> int:
    """DELETE of a Command: 204 at Twilio, 202 or 204 at KORE."""
    ctx.world.store(COMMANDS).remove(record.sid)
    is_kore = ctx.world.vendor.name == "kore"
    return ctx.behaviour.kore_command_delete_status if is_kore else 204


RESOURCE = StoredResource(
    kind=COMMANDS,
    filters={
        "sim": reference(SIMS, "sim_sid"),
        "status": status(COMMANDS.product, *COMMANDS.statuses),
        "direction": equal("direction"),
        "transport": equal("transport"),
    },
    create=create,
    delete=delete,
    retention=timedelta(days=30),  # Twilio docs, Command resource
)

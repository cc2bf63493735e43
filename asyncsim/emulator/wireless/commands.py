"""Programmable Wireless Commands.

Sources: both wireless_v1 documents; Twilio docs, Command resource, and its dictionary of errors.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Any

from asyncsim.emulator.audit import CONNECTED
from asyncsim.emulator.commands import kept
from asyncsim.emulator.context import Desk, Done, Resource, Values
from asyncsim.emulator.errors import Refusal, invalid
from asyncsim.emulator.filters import equal, sim, status
from asyncsim.emulator.params import flag
from asyncsim.emulator.sim_updates import callback_of
from asyncsim.models.wireless.commands import COMMANDS, Command
from asyncsim.models.wireless.sims import SIMS, Sim
from asyncsim.vendors import Product

_MOST_CHARACTERS, _MOST_WITH_SID, _MOST_BYTES = 160, 128, 140
_MOST_QUEUED = 100
"""Of one narrowband SIM: error 33118."""


def create(desk: Desk, values: Values) -> Done:
    """POST of the list: queued, and sent later."""
    callback = callback_of(values)
    receipt = flag(Product.WIRELESS, values, "delivery_receipt_requested")
    mode = values.get("command_mode", "text")
    to = _sim(desk, values)
    _check_length(values, mode)
    _check_sendable(desk, to)
    record = desk.world.add(
        COMMANDS,
        notes={"callback": kept(callback)},
        status="queued",
        sim_sid=to.sid,
        command=values["command"],
        command_mode=mode,
        transport="sms",
        delivery_receipt_requested=receipt is not False,
        direction="to_sim",
    )
    is_kore = desk.world.vendor.name == "kore"
    return Done(record, desk.behaviour.kore_command_create_status if is_kore else 201)


def _sim(desk: Desk, values: Values) -> Sim:
    name = values.get("sim")
    if not name:
        raise Refusal(33102, "Missing required parameter Sim")
    found = desk.world.store(SIMS).find(name)
    if found is None:
        raise Refusal(33107, f"Sim '{name}' was not found")
    return found


def _check_length(values: Values, mode: str) -> None:
    text = values["command"]
    if mode == "binary":
        try:
            is_long = len(base64.b64decode(text, validate=True)) > _MOST_BYTES
        except (binascii.Error, ValueError):
            raise invalid(Product.WIRELESS, "Command is not Base64") from None
    else:
        has_sid = values.get("include_sid", "none") != "none"
        is_long = len(text) > (_MOST_WITH_SID if has_sid else _MOST_CHARACTERS)
    if is_long:
        raise Refusal(33111, "The Command exceeds the maximum length")


def _check_sendable(desk: Desk, to: Sim) -> None:
    if desk.world.suspended:
        raise Refusal(33201, "The Account is suspended")
    if to.status not in CONNECTED:
        raise Refusal(33104, f"A Sim that is '{to.status}' cannot receive Commands")
    plan = desk.world.rate_plans.get(to.rate_plan_sid or "")
    if plan is not None and not plan.messaging_enabled:
        raise Refusal(desk.behaviour.no_messaging_code, "The Rate Plan does not allow Commands")
    if desk.world.store(SIMS).notes(to.sid).get("narrowband") and _queued(desk, to) >= _MOST_QUEUED:
        raise Refusal(33118, "Too many Commands are queued for this Narrowband SIM")


def _queued(desk: Desk, to: Sim) -> int:
    rows: Any = desk.world.store(COMMANDS).values()
    return sum(1 for one in rows if one.sim_sid == to.sid and one.status == "queued")


def delete(desk: Desk, record: Command) -> int:
    """DELETE of a Command: 204 at Twilio, 202 or 204 at KORE."""
    desk.world.store(COMMANDS).remove(record.sid)
    is_kore = desk.world.vendor.name == "kore"
    return desk.behaviour.kore_command_delete_status if is_kore else 204


RESOURCE = Resource(
    kind=COMMANDS,
    filters={
        "sim": sim(SIMS),
        "status": status(COMMANDS.product, *COMMANDS.statuses),
        "direction": equal("direction"),
        "transport": equal("transport"),
    },
    create=create,
    delete=delete,
    kept=timedelta(days=30),  # Twilio docs, Command resource
)

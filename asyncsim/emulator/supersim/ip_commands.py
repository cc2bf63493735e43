"""Super SIM IpCommands. Sources: both supersim_v1 documents; KORE docs, IPCommand Resource."""

from __future__ import annotations

import base64
import binascii

from asyncsim.emulator.audit import CONNECTED
from asyncsim.emulator.commands import kept
from asyncsim.emulator.context import Desk, Done, Resource, Values
from asyncsim.emulator.errors import Refusal, invalid
from asyncsim.emulator.filters import equal, sim, status
from asyncsim.emulator.messages import address_of
from asyncsim.emulator.params import whole
from asyncsim.emulator.sim_updates import callback_of
from asyncsim.emulator.supersim.sms_commands import addressed
from asyncsim.models.supersim.ip_commands import IP_COMMANDS
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.vendors import Product

_MOST_BYTES = 1300


def create(desk: Desk, values: Values) -> Done:
    """POST of the list: queued, and sent later, or failed where the device is not attached."""
    callback = callback_of(values)
    port = whole(Product.SUPERSIM, values, "device_port", 1, 65535)
    to = addressed(desk, values)
    kind = values.get("payload_type", "text")
    _check_size(values["payload"], kind)
    _check_sendable(desk, to)
    shows = desk.behaviour.ip_command_shows_address
    record = desk.world.add(
        IP_COMMANDS,
        notes={"callback": kept(callback)},
        status="queued",
        sim_sid=to.sid,
        sim_iccid=to.iccid,
        direction="to_sim",
        device_ip=address_of(desk.world, to) if shows else None,
        device_port=port,
        payload_type=kind,
        payload=values["payload"],
    )
    return Done(record, 201)


def _check_size(payload: str, kind: str) -> None:
    try:
        size = len(
            base64.b64decode(payload, validate=True) if kind == "binary" else payload.encode()
        )
    except (binascii.Error, ValueError):
        raise invalid(Product.SUPERSIM, "Payload is not Base64") from None
    if size > _MOST_BYTES:
        raise invalid(Product.SUPERSIM, f"Payload exceeds {_MOST_BYTES} bytes")


def _check_sendable(desk: Desk, to: Sim) -> None:
    fleet = desk.world.fleets.get(to.fleet_sid or "")
    if to.status not in CONNECTED or (fleet is not None and not fleet.data_enabled):
        # 83400 is the unspecified error of IP Commands.
        raise Refusal(83400, "The Super SIM cannot receive IP Commands")


RESOURCE = Resource(
    kind=IP_COMMANDS,
    filters={
        "sim": sim(SIMS),
        "sim_iccid": equal("sim_iccid"),
        "status": status(IP_COMMANDS.product, *IP_COMMANDS.statuses),
        "direction": equal("direction"),
    },
    create=create,
)

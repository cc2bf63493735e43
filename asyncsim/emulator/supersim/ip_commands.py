"""Super SIM IpCommands. Sources: both supersim_v1 documents; KORE docs, IPCommand Resource."""

from __future__ import annotations

import base64
import binascii

from asyncsim.emulator.callbacks import target_to_dict
from asyncsim.emulator.commands import ip_address_of
from asyncsim.emulator.common import callback_target
from asyncsim.emulator.context import OperationResult, RequestContext, StoredResource
from asyncsim.emulator.errors import VendorError, invalid_parameter
from asyncsim.emulator.lists import equal, reference, status
from asyncsim.emulator.params import Params, integer
from asyncsim.emulator.supersim.sms_commands import recipient
from asyncsim.emulator.transitions import CONNECTED
from asyncsim.models.supersim.ip_commands import IP_COMMANDS
from asyncsim.models.supersim.sims import SIMS
from asyncsim.vendors import Product

_MAX_BYTES = 1300


def create(ctx: RequestContext, params: Params) -> OperationResult:
    """POST of the list: queued, then sent, or failed where the device is not attached."""
    world, payload = ctx.world, params["payload"]
    callback = callback_target(params)
    port = integer(Product.SUPERSIM, params, "device_port", 1, 65535)
    sim = recipient(ctx, params)
    payload_type = params.get("payload_type", "text")
    try:
        is_binary = payload_type == "binary"
        size = len(base64.b64decode(payload, validate=True) if is_binary else payload.encode())
    except (binascii.Error, ValueError):
        raise invalid_parameter(Product.SUPERSIM, "Payload is not Base64") from None
    if size > _MAX_BYTES:
        raise invalid_parameter(Product.SUPERSIM, f"Payload exceeds {_MAX_BYTES} bytes")
    fleet = world.fleets.get(sim.fleet_sid or "")
    if sim.status not in CONNECTED or (fleet is not None and not fleet.data_enabled):
        # 83400 is the unspecified error of IP Commands.
        raise VendorError(83400, "The Super SIM cannot receive IP Commands")
    record = world.add(
        IP_COMMANDS,
        notes={"callback": target_to_dict(callback)},
        status="queued",
        sim_sid=sim.sid,
        sim_iccid=sim.iccid,
        direction="to_sim",
        device_ip=ip_address_of(world, sim) if ctx.behaviour.ip_command_shows_address else None,
        device_port=port,
        payload_type=payload_type,
        payload=payload,
    )
    return OperationResult(record, 201)


RESOURCE = StoredResource(
    kind=IP_COMMANDS,
    filters={
        "sim": reference(SIMS, "sim_sid"),
        "sim_iccid": equal("sim_iccid"),
        "status": status(IP_COMMANDS.product, *IP_COMMANDS.statuses),
        "direction": equal("direction"),
    },
    create=create,
)

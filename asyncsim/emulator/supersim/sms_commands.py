"""Super SIM SmsCommands. Sources: both supersim_v1 documents; KORE docs, SMSCommand Resource."""

from __future__ import annotations

from asyncsim.emulator.callbacks import target_to_dict
from asyncsim.emulator.common import callback_target
from asyncsim.emulator.context import OperationResult, RequestContext, StoredResource
from asyncsim.emulator.errors import VendorError, invalid_parameter
from asyncsim.emulator.lists import equal, reference, status
from asyncsim.emulator.params import Params
from asyncsim.emulator.transitions import CONNECTED
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.vendors import Product

_MAX_CHARACTERS = 160


def recipient(ctx: RequestContext, params: Params) -> Sim:
    """The SIM that a Super SIM Command is sent to."""
    found = ctx.world.store(SIMS).find(params["sim"])
    if found is None:
        raise VendorError(83005, f"Super SIM '{params['sim']}' was not found")
    return found


def create(ctx: RequestContext, params: Params) -> OperationResult:
    """POST of the list: queued, then sent."""
    callback = callback_target(params)
    sim = recipient(ctx, params)
    if len(params["payload"]) > _MAX_CHARACTERS:
        raise invalid_parameter(Product.SUPERSIM, f"Payload exceeds {_MAX_CHARACTERS} characters")
    fleet = ctx.world.fleets.get(sim.fleet_sid or "")
    if sim.status not in CONNECTED or (fleet is not None and not fleet.sms_commands_enabled):
        code = ctx.behaviour.unsendable_code
        raise VendorError(code, "The Super SIM cannot receive SMS Commands", status=400)
    record = ctx.world.add(
        SMS_COMMANDS,
        notes={"callback": target_to_dict(callback)},
        status="queued",
        sim_sid=sim.sid,
        payload=params["payload"],
        direction="to_sim",
    )
    return OperationResult(record, 201)


RESOURCE = StoredResource(
    kind=SMS_COMMANDS,
    filters={
        "sim": reference(SIMS, "sim_sid"),
        "status": status(SMS_COMMANDS.product, *SMS_COMMANDS.statuses),
        "direction": equal("direction"),
    },
    create=create,
)

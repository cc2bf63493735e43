"""Super SIM SmsCommands. Sources: both supersim_v1 documents; KORE docs, SMSCommand Resource."""

from __future__ import annotations

from asyncsim.emulator.audit import CONNECTED
from asyncsim.emulator.commands import kept
from asyncsim.emulator.context import Desk, Done, Resource, Values
from asyncsim.emulator.errors import Refusal, invalid
from asyncsim.emulator.filters import equal, sim, status
from asyncsim.emulator.sim_updates import callback_of
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.vendors import Product

_MOST_CHARACTERS = 160


def addressed(desk: Desk, values: Values) -> Sim:
    """The SIM a Super SIM Command is for."""
    found = desk.world.store(SIMS).find(values["sim"])
    if found is None:
        raise Refusal(83005, f"Super SIM '{values['sim']}' was not found")
    return found


def create(desk: Desk, values: Values) -> Done:
    """POST of the list: queued, and sent later."""
    callback = callback_of(values)
    to = addressed(desk, values)
    if len(values["payload"]) > _MOST_CHARACTERS:
        raise invalid(Product.SUPERSIM, f"Payload exceeds {_MOST_CHARACTERS} characters")
    fleet = desk.world.fleets.get(to.fleet_sid or "")
    if to.status not in CONNECTED or (fleet is not None and not fleet.sms_commands_enabled):
        code = desk.behaviour.unsendable_code
        raise Refusal(code, "The Super SIM cannot receive SMS Commands", status=400)
    record = desk.world.add(
        SMS_COMMANDS,
        notes={"callback": kept(callback)},
        status="queued",
        sim_sid=to.sid,
        payload=values["payload"],
        direction="to_sim",
    )
    return Done(record, 201)


RESOURCE = Resource(
    kind=SMS_COMMANDS,
    filters={
        "sim": sim(SIMS),
        "status": status(SMS_COMMANDS.product, *SMS_COMMANDS.statuses),
        "direction": equal("direction"),
    },
    create=create,
)

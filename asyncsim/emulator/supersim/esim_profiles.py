"""Super SIM eSIM profiles. Sources: both supersim_v1 documents; Twilio docs, ESimProfile."""

from __future__ import annotations

from asyncsim.emulator.commands import kept
from asyncsim.emulator.context import Desk, Done, Resource, Values
from asyncsim.emulator.errors import Refusal
from asyncsim.emulator.filters import equal, status
from asyncsim.emulator.params import flag
from asyncsim.emulator.sim_updates import callback_of
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES
from asyncsim.vendors import Product


def create(desk: Desk, values: Values) -> Done:
    """POST of the list: reserved later, for an eUICC or for whoever has the matching ID."""
    callback = callback_of(values)
    generates = flag(Product.SUPERSIM, values, "generate_matching_id") or False
    eid = values.get("eid") or None
    if eid is None and not generates:
        raise Refusal(20002, "Missing required parameter Eid, or GenerateMatchingId=true")
    record = desk.world.add(
        ESIM_PROFILES,
        notes={"callback": kept(callback), "generate_matching_id": generates},
        status=desk.behaviour.esim_first_status,
        eid=eid,
    )
    return Done(record, 201)


RESOURCE = Resource(
    kind=ESIM_PROFILES,
    filters={
        "eid": equal("eid"),
        "sim_sid": equal("sim_sid"),
        "status": status(ESIM_PROFILES.product, *ESIM_PROFILES.statuses),
    },
    create=create,
)

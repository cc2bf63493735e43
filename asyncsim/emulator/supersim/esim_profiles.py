"""Super SIM eSIM profiles. Sources: both supersim_v1 documents; Twilio docs, ESimProfile."""

from __future__ import annotations

from asyncsim.emulator.callbacks import target_to_dict
from asyncsim.emulator.common import callback_target
from asyncsim.emulator.context import OperationResult, RequestContext, StoredResource
from asyncsim.emulator.errors import VendorError
from asyncsim.emulator.lists import equal, status
from asyncsim.emulator.params import Params, boolean
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES
from asyncsim.vendors import Product


def create(ctx: RequestContext, params: Params) -> OperationResult:
    """POST of the list: reserved later, for an eUICC or for the holder of the matching ID."""
    callback = callback_target(params)
    has_matching_id = boolean(Product.SUPERSIM, params, "generate_matching_id") or False
    eid = params.get("eid") or None
    if eid is None and not has_matching_id:
        raise VendorError(20002, "Missing required parameter Eid, or GenerateMatchingId=true")
    record = ctx.world.add(
        ESIM_PROFILES,
        notes={"callback": target_to_dict(callback), "generate_matching_id": has_matching_id},
        status=ctx.behaviour.esim_first_status,
        eid=eid,
    )
    return OperationResult(record, 201)


RESOURCE = StoredResource(
    kind=ESIM_PROFILES,
    filters={
        "eid": equal("eid"),
        "sim_sid": equal("sim_sid"),
        "status": status(ESIM_PROFILES.product, *ESIM_PROFILES.statuses),
    },
    create=create,
)

"""Super SIM NetworkAccessProfiles. Sources: both supersim_v1 documents."""

from __future__ import annotations

from attrs import evolve

from asyncsim.emulator.common import unique_name
from asyncsim.emulator.context import OperationResult, RequestContext, StoredResource
from asyncsim.emulator.errors import invalid_parameter
from asyncsim.emulator.params import Params
from asyncsim.models.supersim.network_access_profiles import (
    NETWORK_ACCESS_PROFILES,
    NetworkAccessProfile,
)
from asyncsim.models.supersim.networks import NETWORKS
from asyncsim.vendors import Product


def links(record: NetworkAccessProfile, base: str) -> dict[str, str]:
    """Its networks."""
    return {"networks": f"{base}{NETWORK_ACCESS_PROFILES.path}/{record.sid}/Networks"}


def create(ctx: RequestContext, params: Params) -> OperationResult:
    """POST of the list; without networks the profile allows none."""
    name = unique_name(ctx, NETWORK_ACCESS_PROFILES, params)
    sids = [sid for sid in dict.fromkeys(params.get_all("networks")) if sid]
    for sid in sids:
        check_network(ctx, sid)
    return OperationResult(ctx.world.add_network_access_profile(name, sids), 201)


def check_network(ctx: RequestContext, sid: str) -> None:
    """Refuse what is no Network; no code is published."""
    if sid not in ctx.world.store(NETWORKS):
        raise invalid_parameter(Product.SUPERSIM, f"Network '{sid}' was not found")


def update(ctx: RequestContext, record: NetworkAccessProfile, params: Params) -> OperationResult:
    """POST of a profile: its name."""
    if "unique_name" in params:
        name = unique_name(ctx, NETWORK_ACCESS_PROFILES, params, record)
        record = evolve(record, unique_name=name, date_updated=ctx.world.now())
        ctx.world.store(NETWORK_ACCESS_PROFILES).put(record)
    return OperationResult(record)


RESOURCE = StoredResource(
    kind=NETWORK_ACCESS_PROFILES, links=links, filters={}, create=create, update=update
)

"""Super SIM Fleets. Sources: both supersim_v1 documents; KORE docs, Fleet Resource."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.emulator.common import unique_name
from asyncsim.emulator.context import OperationResult, RequestContext, StoredResource
from asyncsim.emulator.errors import invalid_parameter
from asyncsim.emulator.lists import reference
from asyncsim.emulator.params import Params, boolean, callback_url, integer
from asyncsim.models.supersim.fleets import FLEETS, Fleet
from asyncsim.models.supersim.network_access_profiles import NETWORK_ACCESS_PROFILES
from asyncsim.vendors import Product

_MAX_MEGABYTES = 2_000_000  # 2 TB
_FLAGS = ("data_enabled", "sms_commands_enabled")
_URLS = ("ip_commands_url", "sms_commands_url")
_METHODS = ("ip_commands_method", "sms_commands_method")


def create(ctx: RequestContext, params: Params) -> OperationResult:
    """POST of the list."""
    flags = {name: boolean(Product.SUPERSIM, params, name) for name in _FLAGS}
    given: dict[str, Any] = {"data_limit": ctx.behaviour.fleet_data_limit}
    given |= {name: value for name, value in flags.items() if value is not None}
    given |= _changes(ctx, params)
    return OperationResult(ctx.world.add_fleet(unique_name(ctx, FLEETS, params), **given), 201)


def update(ctx: RequestContext, record: Fleet, params: Params) -> OperationResult:
    """POST of a Fleet; whether it allows data and SMS Commands is fixed at its creation."""
    changes = _changes(ctx, params)
    if "unique_name" in params:
        changes["unique_name"] = unique_name(ctx, FLEETS, params, record)
    if changes:
        record = evolve(record, **changes, date_updated=ctx.world.now())
        ctx.world.fleets.put(record)
    return OperationResult(record)


def _changes(ctx: RequestContext, params: Params) -> dict[str, Any]:
    """The fields, except for the name, that both a create and an update may set."""
    changes: dict[str, Any] = {name: callback_url(params, name) for name in _URLS if name in params}
    changes |= {name: params[name] for name in _METHODS if name in params}
    if limit := integer(Product.SUPERSIM, params, "data_limit", 1, _MAX_MEGABYTES):
        changes["data_limit"] = limit
    if "network_access_profile" in params:
        name = params["network_access_profile"]
        profile = ctx.world.store(NETWORK_ACCESS_PROFILES).find(name)
        if profile is None:
            message = f"NetworkAccessProfile '{name}' was not found"
            raise invalid_parameter(Product.SUPERSIM, message)
        changes["network_access_profile_sid"] = profile.sid
    return changes


RESOURCE = StoredResource(
    kind=FLEETS,
    filters={
        "network_access_profile": reference(NETWORK_ACCESS_PROFILES, "network_access_profile_sid")
    },
    create=create,
    update=update,
)

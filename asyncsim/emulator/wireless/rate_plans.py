"""Programmable Wireless RatePlans. Sources: both wireless_v1 documents; Twilio, error 33101."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.emulator.common import unique_name
from asyncsim.emulator.context import OperationResult, RequestContext, StoredResource
from asyncsim.emulator.errors import VendorError
from asyncsim.emulator.params import Params, boolean, integer
from asyncsim.models.wireless.rate_plans import RATE_PLANS, RatePlan
from asyncsim.vendors import Product

_MAX_MEGABYTES = 2_000_000  # "can be up to 2TB"
_LIMITS = ("data_limit", "national_roaming_data_limit", "international_roaming_data_limit")
_FLAGS = ("data_enabled", "messaging_enabled", "voice_enabled", "national_roaming_enabled")
_METERINGS = frozenset({"payg", "quota-1", "quota-10", "quota-50"})
_SERVICES = frozenset({"data", "messaging", "voice"})


def create(ctx: RequestContext, params: Params) -> OperationResult:
    """POST of the list: 201 at Twilio, 200 or 202 at KORE."""
    product = Product.WIRELESS
    fields: dict[str, Any] = {
        **{name: integer(product, params, name, 1, _MAX_MEGABYTES) for name in _LIMITS},
        **{name: boolean(product, params, name) for name in _FLAGS},
        "data_metering": params.get("data_metering"),
        "data_limit_strategy": params.get("data_limit_strategy"),
        "friendly_name": params.get("friendly_name") or None,
    }
    if (metering := fields["data_metering"]) not in (None, *_METERINGS):
        raise VendorError(33101, f"DataMetering cannot be '{metering}'")
    if "international_roaming" in params:
        services = tuple(one for one in params.get_all("international_roaming") if one)
        if unknown := set(services) - _SERVICES:
            raise VendorError(33101, f"InternationalRoaming cannot be '{min(unknown)}'")
        fields["international_roaming"] = services
    name = unique_name(ctx, RATE_PLANS, params)
    given = {key: value for key, value in fields.items() if value is not None}
    record = ctx.world.add_rate_plan(name, **given)
    is_kore = ctx.world.vendor.name == "kore"
    return OperationResult(record, ctx.behaviour.kore_rate_plan_create_status if is_kore else 201)


def update(ctx: RequestContext, record: RatePlan, params: Params) -> OperationResult:
    """POST of a RatePlan: its two names are all that can be changed."""
    changes: dict[str, Any] = {}
    if "unique_name" in params:
        changes["unique_name"] = unique_name(ctx, RATE_PLANS, params, record)
    if "friendly_name" in params:
        changes["friendly_name"] = params["friendly_name"] or None
    if changes:
        record = evolve(record, **changes, date_updated=ctx.world.now())
        ctx.world.rate_plans.put(record)
    return OperationResult(record)


def delete(ctx: RequestContext, record: RatePlan) -> int:
    """DELETE of a RatePlan that no SIM has."""
    sims = ctx.world.sims("wireless").values()
    in_use = any(sim.rate_plan_sid == record.sid for sim in sims)
    if in_use and not ctx.behaviour.rate_plan_in_use_deletable:
        raise VendorError(33101, "The Rate Plan is in use", status=409)
    ctx.world.rate_plans.remove(record.sid)
    return 204


RESOURCE = StoredResource(kind=RATE_PLANS, filters={}, create=create, update=update, delete=delete)

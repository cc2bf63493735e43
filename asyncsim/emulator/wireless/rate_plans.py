"""Programmable Wireless RatePlans. Sources: both wireless_v1 documents; Twilio, error 33101."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.emulator.context import Desk, Done, Resource, Values
from asyncsim.emulator.errors import Refusal
from asyncsim.emulator.params import flag, whole
from asyncsim.emulator.sim_updates import unique_name
from asyncsim.models.wireless.rate_plans import RATE_PLANS, RatePlan
from asyncsim.vendors import Product
from asyncsim.wire.forms import pascal

_LARGEST = 2_000_000
"""Megabytes: "can be up to 2TB"."""
_LIMITS = ("data_limit", "national_roaming_data_limit", "international_roaming_data_limit")
_FLAGS = ("data_enabled", "messaging_enabled", "voice_enabled", "national_roaming_enabled")
_METERINGS = frozenset({"payg", "quota-1", "quota-10", "quota-50"})
_SERVICES = frozenset({"data", "messaging", "voice"})


def create(desk: Desk, values: Values) -> Done:
    """POST of the list: 201 at Twilio, 200 or 202 at KORE."""
    product = Product.WIRELESS
    numbers = {name: whole(product, values, name, 1, _LARGEST) for name in _LIMITS}
    flags = {name: flag(product, values, name) for name in _FLAGS}
    given: dict[str, Any] = {
        **numbers,
        **flags,
        "data_metering": _among(values, "data_metering", _METERINGS),
        "data_limit_strategy": values.get("data_limit_strategy"),
        "friendly_name": values.get("friendly_name") or None,
        "international_roaming": _roaming(values),
    }
    name = unique_name(desk, RATE_PLANS, values)
    chosen = {key: value for key, value in given.items() if value is not None}
    record = desk.world.add_rate_plan(name, **chosen)
    is_kore = desk.world.vendor.name == "kore"
    return Done(record, desk.behaviour.kore_rate_plan_create_status if is_kore else 201)


def _among(values: Values, keyword: str, known: frozenset[str]) -> str | None:
    value = values.get(keyword)
    if value is not None and value not in known:
        raise Refusal(33101, f"{pascal(keyword)} cannot be '{value}'")
    return value


def _roaming(values: Values) -> tuple[str, ...] | None:
    if "international_roaming" not in values:
        return None
    services = tuple(one for one in values.every("international_roaming") if one)
    if unknown := set(services) - _SERVICES:
        raise Refusal(33101, f"InternationalRoaming cannot be '{min(unknown)}'")
    return services


def update(desk: Desk, record: RatePlan, values: Values) -> Done:
    """POST of a RatePlan: its two names are all that can be changed."""
    changes: dict[str, Any] = {}
    if "unique_name" in values:
        changes["unique_name"] = unique_name(desk, RATE_PLANS, values, record)
    if "friendly_name" in values:
        changes["friendly_name"] = values["friendly_name"] or None
    if changes:
        record = evolve(record, **changes, date_updated=desk.world.now())
        desk.world.rate_plans.put(record)
    return Done(record)


def delete(desk: Desk, record: RatePlan) -> int:
    """DELETE of a RatePlan that no SIM has."""
    sims = desk.world.sims("wireless").values()
    in_use = any(sim.rate_plan_sid == record.sid for sim in sims)
    if in_use and not desk.behaviour.rate_plan_in_use_deletable:
        raise Refusal(33101, "The Rate Plan is in use", status=409)
    desk.world.rate_plans.remove(record.sid)
    return 204


RESOURCE = Resource(kind=RATE_PLANS, filters={}, create=create, update=update, delete=delete)

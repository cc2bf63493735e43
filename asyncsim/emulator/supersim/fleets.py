"""Super SIM Fleets. Sources: both supersim_v1 documents; KORE docs, Fleet Resource."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.emulator.context import Desk, Done, Resource, Values
from asyncsim.emulator.errors import invalid
from asyncsim.emulator.filters import reference
from asyncsim.emulator.params import flag, web_address, whole
from asyncsim.emulator.sim_updates import unique_name
from asyncsim.models.supersim.fleets import FLEETS, Fleet
from asyncsim.models.supersim.network_access_profiles import NETWORK_ACCESS_PROFILES
from asyncsim.vendors import Product

_LARGEST = 2_000_000
"""Megabytes: 2 TB."""
_URLS = ("ip_commands_url", "sms_commands_url")
_METHODS = ("ip_commands_method", "sms_commands_method")


def create(desk: Desk, values: Values) -> Done:
    """POST of the list."""
    product = Product.SUPERSIM
    flags = {name: flag(product, values, name) for name in ("data_enabled", "sms_commands_enabled")}
    given: dict[str, Any] = {"data_limit": desk.behaviour.fleet_data_limit}
    given |= {name: value for name, value in flags.items() if value is not None}
    given |= _changes(desk, values)
    return Done(desk.world.add_fleet(unique_name(desk, FLEETS, values), **given), 201)


def update(desk: Desk, record: Fleet, values: Values) -> Done:
    """POST of a Fleet; whether it has data and SMS Commands can never be changed."""
    changes = _changes(desk, values)
    if "unique_name" in values:
        changes["unique_name"] = unique_name(desk, FLEETS, values, record)
    if changes:
        record = evolve(record, **changes, date_updated=desk.world.now())
        desk.world.fleets.put(record)
    return Done(record)


def _changes(desk: Desk, values: Values) -> dict[str, Any]:
    """What both a create and an update may give, but the name."""
    product = Product.SUPERSIM
    changes: dict[str, Any] = {name: web_address(values, name) for name in _URLS if name in values}
    changes |= {name: values[name] for name in _METHODS if name in values}
    if limit := whole(product, values, "data_limit", 1, _LARGEST):
        changes["data_limit"] = limit
    if "network_access_profile" in values:
        changes["network_access_profile_sid"] = _profile(desk, values["network_access_profile"])
    return changes


def _profile(desk: Desk, name: str) -> str:
    found = desk.world.store(NETWORK_ACCESS_PROFILES).find(name)
    if found is None:
        raise invalid(Product.SUPERSIM, f"NetworkAccessProfile '{name}' was not found")
    return found.sid


RESOURCE = Resource(
    kind=FLEETS,
    filters={
        "network_access_profile": reference(NETWORK_ACCESS_PROFILES, "network_access_profile_sid")
    },
    create=create,
    update=update,
)

"""Super SIM NetworkAccessProfiles. Sources: both supersim_v1 documents."""

from __future__ import annotations

from attrs import evolve

from asyncsim.emulator.context import Desk, Done, Resource, Values
from asyncsim.emulator.errors import invalid
from asyncsim.emulator.sim_updates import unique_name
from asyncsim.models.supersim.network_access_profiles import (
    NETWORK_ACCESS_PROFILES,
    NetworkAccessProfile,
)
from asyncsim.models.supersim.networks import NETWORKS
from asyncsim.vendors import Product


def links(record: NetworkAccessProfile, base: str) -> dict[str, str]:
    """Its networks."""
    return {"networks": f"{base}{NETWORK_ACCESS_PROFILES.path}/{record.sid}/Networks"}


def create(desk: Desk, values: Values) -> Done:
    """POST of the list; without networks the profile allows none."""
    name = unique_name(desk, NETWORK_ACCESS_PROFILES, values)
    sids = [sid for sid in dict.fromkeys(values.every("networks")) if sid]
    for sid in sids:
        check_network(desk, sid)
    return Done(desk.world.add_network_access_profile(name, sids), 201)


def check_network(desk: Desk, sid: str) -> None:
    """Refuse what is no Network; no code is published."""
    if sid not in desk.world.store(NETWORKS):
        raise invalid(Product.SUPERSIM, f"Network '{sid}' was not found")


def update(desk: Desk, record: NetworkAccessProfile, values: Values) -> Done:
    """POST of a profile: its name."""
    if "unique_name" in values:
        name = unique_name(desk, NETWORK_ACCESS_PROFILES, values, record)
        record = evolve(record, unique_name=name, date_updated=desk.world.now())
        desk.world.store(NETWORK_ACCESS_PROFILES).put(record)
    return Done(record)


RESOURCE = Resource(
    kind=NETWORK_ACCESS_PROFILES, links=links, filters={}, create=create, update=update
)

"""The Networks of a NetworkAccessProfile. Sources: both supersim_v1 documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncsim.emulator.context import Derived, Desk, Row, Values
from asyncsim.emulator.errors import not_found
from asyncsim.emulator.supersim.network_access_profiles import check_network
from asyncsim.models.supersim.network_access_profile_networks import (
    NETWORK_ACCESS_PROFILE_NETWORKS,
    NetworkAccessProfileNetwork,
)
from asyncsim.models.supersim.network_access_profiles import NETWORK_ACCESS_PROFILES
from asyncsim.models.supersim.networks import NETWORKS
from asyncsim.vendors import Product
from asyncsim.wire.records import encode


def _sids(desk: Desk, profile: Any) -> list[str]:
    sids: list[str] = desk.world.store(NETWORK_ACCESS_PROFILES).notes(profile.sid)["networks"]
    return sids


def _order(desk: Desk, profile: Any) -> list[str]:
    """All that were ever allowed, in the order of the list."""
    notes = desk.world.store(NETWORK_ACCESS_PROFILES).notes(profile.sid)
    gone_too: list[str] = notes.get("order", notes["networks"])
    return gone_too


def rows(desk: Desk, profile: Any, query: Values) -> Sequence[Row]:
    """The networks the profile allows."""
    return [_row(desk, profile, sid) for sid in _sids(desk, profile)]


def _row(desk: Desk, profile: Any, sid: str) -> Row:
    network = desk.world.store(NETWORKS)[sid]
    base = desk.base(Product.SUPERSIM)
    record = NetworkAccessProfileNetwork(
        sid=sid,
        network_access_profile_sid=profile.sid,
        friendly_name=network.friendly_name,
        iso_country=(network.iso_country or "").lower(),  # upper case only in Networks
        identifiers=network.identifiers,
        url=f"{base}{NETWORK_ACCESS_PROFILES.path}/{profile.sid}/Networks/{sid}",
    )
    return encode(record, desk.world.vendor)


def create(desk: Desk, profile: Any, values: Values) -> Row:
    """POST of the list: allow a network; one that is allowed already stays so."""
    sid = values["network"]
    check_network(desk, sid)
    if sid not in (known := _sids(desk, profile)):
        order = [*(one for one in _order(desk, profile) if one != sid), sid]
        notes = {"networks": [*known, sid], "order": order}
        desk.world.store(NETWORK_ACCESS_PROFILES).annotate(profile.sid, **notes)
    return _row(desk, profile, sid)


def delete(desk: Desk, profile: Any, sid: str) -> None:
    """DELETE of a network: no longer allowed."""
    if sid not in (known := _sids(desk, profile)):
        raise not_found(f"{NETWORK_ACCESS_PROFILES.path}/{profile.sid}/Networks/{sid}")
    notes = {"networks": [one for one in known if one != sid], "order": _order(desk, profile)}
    desk.world.store(NETWORK_ACCESS_PROFILES).annotate(profile.sid, **notes)


RESOURCE = Derived(
    kind=NETWORK_ACCESS_PROFILE_NETWORKS, rows=rows, create=create, delete=delete, order=_order
)

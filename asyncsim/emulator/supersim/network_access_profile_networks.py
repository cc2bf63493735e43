"""The Networks of a NetworkAccessProfile. Sources: both supersim_v1 documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncsim.emulator.context import DerivedResource, RequestContext, Row
from asyncsim.emulator.errors import not_found
from asyncsim.emulator.params import Params
from asyncsim.emulator.supersim.network_access_profiles import check_network
from asyncsim.models.supersim.network_access_profile_networks import (
    NETWORK_ACCESS_PROFILE_NETWORKS,
    NetworkAccessProfileNetwork,
)
from asyncsim.models.supersim.network_access_profiles import NETWORK_ACCESS_PROFILES
from asyncsim.models.supersim.networks import NETWORKS
from asyncsim.vendors import Product
from asyncsim.wire.records import encode


def rows(ctx: RequestContext, profile: Any, query: Params) -> Sequence[Row]:
    """The networks that the profile allows."""
    notes = ctx.world.store(NETWORK_ACCESS_PROFILES).notes(profile.sid)
    return [_row(ctx, profile, sid) for sid in notes["networks"]]


def _row(ctx: RequestContext, profile: Any, sid: str) -> Row:
    network = ctx.world.store(NETWORKS)[sid]
    base = ctx.base_urls[Product.SUPERSIM]
    record = NetworkAccessProfileNetwork(
        sid=sid,
        network_access_profile_sid=profile.sid,
        friendly_name=network.friendly_name,
        iso_country=(network.iso_country or "").lower(),  # upper case only in Networks
        identifiers=network.identifiers,
        url=f"{base}{NETWORK_ACCESS_PROFILES.path}/{profile.sid}/Networks/{sid}",
    )
    return encode(record, ctx.world.vendor)


def order(ctx: RequestContext, profile: Any) -> list[str]:
    """All networks that were ever allowed, in the order of the list."""
    notes = ctx.world.store(NETWORK_ACCESS_PROFILES).notes(profile.sid)
    sids: list[str] = notes.get("order", notes["networks"])
    return sids


def create(ctx: RequestContext, profile: Any, params: Params) -> Row:
    """POST of the list: allow a network; one that is allowed already stays so."""
    sid = params["network"]
    check_network(ctx, sid)
    profiles = ctx.world.store(NETWORK_ACCESS_PROFILES)
    allowed = profiles.notes(profile.sid)["networks"]
    if sid not in allowed:
        new_order = [*(one for one in order(ctx, profile) if one != sid), sid]
        profiles.annotate(profile.sid, networks=[*allowed, sid], order=new_order)
    return _row(ctx, profile, sid)


def delete(ctx: RequestContext, profile: Any, sid: str) -> None:
    """DELETE of a network: no longer allowed."""
    profiles = ctx.world.store(NETWORK_ACCESS_PROFILES)
    allowed = profiles.notes(profile.sid)["networks"]
    if sid not in allowed:
        raise not_found(f"{NETWORK_ACCESS_PROFILES.path}/{profile.sid}/Networks/{sid}")
    remaining = [one for one in allowed if one != sid]
    profiles.annotate(profile.sid, networks=remaining, order=order(ctx, profile))


RESOURCE = DerivedResource(
    kind=NETWORK_ACCESS_PROFILE_NETWORKS, rows=rows, create=create, delete=delete, order=order
)

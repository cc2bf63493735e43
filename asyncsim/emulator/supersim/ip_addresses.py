"""IP addresses of Super SIMs that are on the network. Sources: both supersim_v1 documents."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsim.emulator.commands import ip_address_of, is_attached
from asyncsim.emulator.context import DerivedResource, RequestContext, Row
from asyncsim.emulator.params import Params
from asyncsim.models.supersim.ip_addresses import IP_ADDRESSES, IpAddress
from asyncsim.models.supersim.sims import Sim
from asyncsim.wire.records import encode


def rows(ctx: RequestContext, sim: Sim, query: Params) -> Sequence[Row]:
    """One address of a SIM that is attached to a network and may use data, else none."""
    fleet = ctx.world.fleets.get(sim.fleet_sid or "")
    if not is_attached(ctx.world, "supersim", sim) or (fleet and not fleet.data_enabled):
        return []
    record = IpAddress(ip_address=ip_address_of(ctx.world, sim), ip_address_version="IPv4")
    return [encode(record, ctx.world.vendor)]


RESOURCE = DerivedResource(kind=IP_ADDRESSES, rows=rows)

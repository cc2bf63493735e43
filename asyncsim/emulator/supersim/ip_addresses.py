"""IP addresses of Super SIMs that are on the network. Sources: both supersim_v1 documents."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsim.emulator.context import Derived, Desk, Row, Values
from asyncsim.emulator.messages import address_of, is_attached
from asyncsim.models.supersim.ip_addresses import IP_ADDRESSES, IpAddress
from asyncsim.models.supersim.sims import Sim
from asyncsim.wire.records import encode


def rows(desk: Desk, sim: Sim, query: Values) -> Sequence[Row]:
    """One address of a SIM that is attached to a network and may use data, else none."""
    fleet = desk.world.fleets.get(sim.fleet_sid or "")
    if not is_attached(desk.world, "supersim", sim) or (fleet and not fleet.data_enabled):
        return []
    record = IpAddress(ip_address=address_of(desk.world, sim), ip_address_version="IPv4")
    return [encode(record, desk.world.vendor)]


RESOURCE = Derived(kind=IP_ADDRESSES, rows=rows)

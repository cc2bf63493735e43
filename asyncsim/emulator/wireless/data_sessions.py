"""Data sessions of a Programmable Wireless Sim, up to 30 days back.

Sources: both wireless_v1 documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from asyncsim.emulator import usage
from asyncsim.emulator.context import DerivedResource, RequestContext, Row
from asyncsim.emulator.fixtures import seeded_hex
from asyncsim.emulator.params import Params
from asyncsim.models.supersim.networks import NETWORKS, Identifier
from asyncsim.models.wireless.data_sessions import DATA_SESSIONS, CellLocation, DataSession
from asyncsim.models.wireless.sims import Sim
from asyncsim.wire.records import encode

_REACH = timedelta(days=30)


def rows(ctx: RequestContext, sim: Sim, query: Params) -> Sequence[Row]:
    """The sessions, newest first."""
    world, now = ctx.world, ctx.world.now()
    notes = world.sims("wireless").notes(sim.sid)
    # Programmable Wireless is at home at an operator of the United States: the first ones are.
    home = next(iter(world.store(NETWORKS).values()))
    code = next(iter(home.identifiers or ()), Identifier())
    imei = "35" + str(int(seeded_hex(world.seed, "imei", sim.sid), 16))[:13]
    found: list[Row] = []
    for session in usage.sessions(world.seed, sim.sid, notes, now - _REACH, now, now):
        unique = seeded_hex(world.seed, "WN", sim.sid, session.start.isoformat(), session.draw)
        record = DataSession(
            sid="WN" + unique,
            sim_sid=sim.sid,
            account_sid=sim.account_sid,
            radio_link="LTE",
            operator_mcc=code.mcc,
            operator_mnc=code.mnc,
            operator_country=home.iso_country,
            operator_name=home.friendly_name,
            cell_id=str(1 + session.draw % 268_435_455),
            cell_location_estimate=CellLocation(
                lat=25.0 + session.draw % 2300 / 100, lon=-122.0 + session.draw // 2300 % 5000 / 100
            ),
            packets_uploaded=session.upload,
            packets_downloaded=session.download,
            last_updated=session.end,
            start=session.start,
            end=session.end if session.is_over else None,
            imei=imei,
        )
        found.append(encode(record, world.vendor))
    return found[::-1]


RESOURCE = DerivedResource(kind=DATA_SESSIONS, rows=rows)

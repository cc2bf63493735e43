"""Billing periods of a Super SIM. Sources: both supersim_v1 documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from asyncsim.emulator import usage
from asyncsim.emulator.context import DerivedResource, RequestContext, Row
from asyncsim.emulator.fixtures import seeded_hex
from asyncsim.emulator.params import Params
from asyncsim.models.supersim.billing_periods import BILLING_PERIODS, BillingPeriod
from asyncsim.models.supersim.sims import Sim
from asyncsim.wire.records import encode


def rows(ctx: RequestContext, sim: Sim, query: Params) -> Sequence[Row]:
    """One month each, from activation on, newest first."""
    world, found = ctx.world, list[Row]()
    notes = world.sims("supersim").notes(sim.sid)
    for month in usage.billing_months(notes, world.now()):
        # In every example a period is recorded a second after it began.
        recorded = month.start + timedelta(seconds=1)
        record = BillingPeriod(
            sid="HB" + seeded_hex(world.seed, "HB", sim.sid, month.start.isoformat()),
            account_sid=sim.account_sid,
            sim_sid=sim.sid,
            start_time=month.start,
            end_time=month.end,
            period_type=month.status,
            date_created=recorded,
            date_updated=recorded,
        )
        found.append(encode(record, world.vendor))
    return found


RESOURCE = DerivedResource(kind=BILLING_PERIODS, rows=rows)

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
    world = ctx.world
    notes = world.sims("supersim").notes(sim.sid)
    return [_row(ctx, sim, period) for period in usage.periods(notes, world.now())]


def _row(ctx: RequestContext, sim: Sim, period: usage.Period) -> Row:
    # In every example a period is recorded a second after it began.
    recorded = period.start + timedelta(seconds=1)
    digest = seeded_hex(ctx.world.seed, "HB", sim.sid, period.start.isoformat())
    record = BillingPeriod(
        sid="HB" + digest,
        account_sid=sim.account_sid,
        sim_sid=sim.sid,
        start_time=period.start,
        end_time=period.end,
        period_type=period.status,
        date_created=recorded,
        date_updated=recorded,
    )
    return encode(record, ctx.world.vendor)


RESOURCE = DerivedResource(kind=BILLING_PERIODS, rows=rows)

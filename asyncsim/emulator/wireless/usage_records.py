"""Programmable Wireless usage records, of a SIM and of the account: sums of sessions and Commands.

Sources: both wireless_v1 documents. A session counts where it began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define

from asyncsim.emulator import usage
from asyncsim.emulator.context import DerivedResource, RequestContext, Row
from asyncsim.emulator.errors import invalid_parameter
from asyncsim.emulator.params import Params, date_time
from asyncsim.emulator.usage import STEPS, buckets, floor, months_later
from asyncsim.models.wireless.commands import COMMANDS
from asyncsim.models.wireless.sims import SIMS, Sim
from asyncsim.models.wireless.usage_records import (
    ACCOUNT_USAGE_RECORDS,
    USAGE_RECORDS,
    AccountUsageRecord,
    CommandCounts,
    CommandUsage,
    DataCounts,
    DataUsage,
    Period,
    UsageRecord,
)
from asyncsim.vendors import Product
from asyncsim.wire.records import encode

_TICK = timedelta(microseconds=1)
_DOLLARS_PER_MB = 0.1
"""As in the documents' example."""


@define
class _Sum:
    """What was used in one bucket."""

    upload: int = 0
    download: int = 0
    from_sim: int = 0
    to_sim: int = 0


def rows_of_sim(ctx: RequestContext, sim: Sim, query: Params) -> Sequence[Row]:
    """A SIM's usage, newest first."""
    return _rows(ctx, [sim], query, lambda fields: UsageRecord(sim_sid=sim.sid, **fields))


def rows_of_account(ctx: RequestContext, parent: None, query: Params) -> Sequence[Row]:
    """The usage of all SIMs together, newest first."""
    sims = ctx.world.store(SIMS).values()
    return _rows(ctx, sims, query, lambda fields: AccountUsageRecord(**fields))


def _rows(
    ctx: RequestContext,
    sims: Iterable[Sim],
    query: Params,
    record: Callable[[dict[str, Any]], Any],
) -> list[Row]:
    # One month that ends now, unless times are given.
    product, world = Product.WIRELESS, ctx.world
    end = date_time(product, query["end"], "End") if "end" in query else world.now()
    start = date_time(product, query["start"], "Start") if "start" in query else None
    if start is not None and start > end:
        raise invalid_parameter(product, "Start is after End")
    start = start or months_later(end, -1)
    step = STEPS.get(query.get("granularity", "all"))
    sums: dict[datetime, _Sum] = {}

    def bucket(when: datetime) -> _Sum:
        # "On or before" the end: what happens right then belongs to the last bucket.
        within = max(min(when, end - _TICK), start)
        return sums.setdefault(start if step is None else max(floor(within, step), start), _Sum())

    sids, store = {sim.sid for sim in sims}, world.store(SIMS)
    for sid in sids:
        for session in usage.sessions(
            world.seed, sid, store.notes(sid), start, end + _TICK, world.now()
        ):
            total = bucket(session.start)
            total.upload += session.upload
            total.download += session.download
    for command in world.store(COMMANDS).values():
        if command.sim_sid in sids and start <= (when := command.date_created or start) <= end:
            total = bucket(when)
            total.from_sim += command.direction == "from_sim"
            total.to_sim += command.direction == "to_sim"
    if step is None or ctx.behaviour.usage_shows_empty_periods:
        periods = list(buckets(start, end, step))
    else:
        periods = [
            (begin, min(floor(begin, step) + step, end)) for begin in sorted(sums, reverse=True)
        ]
    return [
        encode(record(_fields(ctx, sums.get(begin, _Sum()), begin, close)), world.vendor)
        for begin, close in periods
    ]


def _fields(ctx: RequestContext, used: _Sum, start: datetime, end: datetime) -> dict[str, Any]:
    """A record's fields; all usage is in the home network."""
    total = used.upload + used.download
    data: dict[str, Any] = {
        "upload": used.upload,
        "download": used.download,
        "total": total,
        "units": "bytes",
        "billed": round(total / 1_000_000 * _DOLLARS_PER_MB, 2),
        "billing_units": "USD",
    }
    sent: dict[str, Any] = {
        "from_sim": used.from_sim,
        "to_sim": used.to_sim,
        "total": used.from_sim + used.to_sim,
        "billed": 0.0,
        "billing_units": "USD",
    }
    no_data = {**data, "upload": 0, "download": 0, "total": 0, "billed": 0.0}
    no_commands = {**sent, "from_sim": 0, "to_sim": 0, "total": 0}
    return {
        "account_sid": ctx.world.account_sid,
        "period": Period(start=start, end=end),
        "data": DataUsage(
            **data,
            home=DataCounts(**data),
            national_roaming=DataCounts(**no_data),
            international_roaming=(),
        ),
        "commands": CommandUsage(
            **sent,
            home=CommandCounts(**sent),
            national_roaming=CommandCounts(**no_commands),
            international_roaming=(),
        ),
    }


OF_SIM = DerivedResource(kind=USAGE_RECORDS, rows=rows_of_sim)
OF_ACCOUNT = DerivedResource(kind=ACCOUNT_USAGE_RECORDS, rows=rows_of_account)

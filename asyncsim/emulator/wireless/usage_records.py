"""Usage of Programmable Wireless, of a SIM and of the account: sums of sessions and Commands.

Sources: both wireless_v1 documents. A session counts where it began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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


def of_a_sim(ctx: RequestContext, sim: Sim, query: Params) -> Sequence[Row]:
    """A SIM's usage, newest first."""

    def record(usage: dict[str, Any]) -> Any:
        return UsageRecord(sim_sid=sim.sid, **usage)

    return _rows(ctx, [sim], query, record)


def of_the_account(ctx: RequestContext, parent: None, query: Params) -> Sequence[Row]:
    """The usage of all SIMs together, newest first."""

    def record(usage: dict[str, Any]) -> Any:
        return AccountUsageRecord(**usage)

    return _rows(ctx, ctx.world.store(SIMS).values(), query, record)


def _rows(
    ctx: RequestContext, sims: Iterable[Sim], query: Params, record: Callable[[dict[str, Any]], Any]
) -> list[Row]:
    start, end = _period(ctx, query)
    step = STEPS.get(query.get("granularity", "all"))
    sums: dict[datetime, _Sum] = {}

    def at(when: datetime) -> _Sum:
        # "On or before" the end: what happens right then belongs to the last bucket.
        within = max(min(when, end - _TICK), start)
        begin = start if step is None else max(floor(within, step), start)
        return sums.setdefault(begin, _Sum())

    sids = {sim.sid for sim in sims}
    for session in _sessions(ctx, sids, start, end):
        one = at(session.start)
        one.upload, one.download = one.upload + session.upload, one.download + session.download
    for command in ctx.world.store(COMMANDS).values():
        if command.sim_sid in sids and start <= (when := command.date_created or start) <= end:
            one = at(when)
            one.from_sim += command.direction == "from_sim"
            one.to_sim += command.direction == "to_sim"
    shown = step is None or ctx.behaviour.usage_shows_empty_periods
    edges = buckets(start, end, step) if shown else _edges(sums, step, end)
    return [
        encode(record(_usage(ctx, sums.get(begin, _Sum()), begin, close)), ctx.world.vendor)
        for begin, close in edges
    ]


def _edges(sums: Iterable[datetime], step: Any, end: datetime) -> Iterator[Any]:
    for begin in sorted(sums, reverse=True):
        yield begin, min(floor(begin, step) + step, end)


def _sessions(
    ctx: RequestContext, sids: Iterable[str], start: datetime, end: datetime
) -> Iterator[usage.Session]:
    world, store = ctx.world, ctx.world.store(SIMS)
    for sid in sids:
        notes, until = store.notes(sid), end + _TICK
        yield from usage.sessions(world.seed, sid, notes, start, until, world.now())


def _period(ctx: RequestContext, query: Params) -> tuple[datetime, datetime]:
    """One month that ends now, unless times are given."""
    product = Product.WIRELESS
    end = date_time(product, query["end"], "End") if "end" in query else ctx.world.now()
    given = date_time(product, query["start"], "Start") if "start" in query else None
    if given is not None and given > end:
        raise invalid_parameter(product, "Start is after End")
    return given or months_later(end, -1), end


def _usage(ctx: RequestContext, used: _Sum, start: datetime, end: datetime) -> dict[str, Any]:
    """A record's fields; all usage is at home."""
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


OF_A_SIM = DerivedResource(kind=USAGE_RECORDS, rows=of_a_sim)
OF_THE_ACCOUNT = DerivedResource(kind=ACCOUNT_USAGE_RECORDS, rows=of_the_account)

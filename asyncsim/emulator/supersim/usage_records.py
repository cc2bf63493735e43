"""Usage of Super SIMs, grouped and summed; a session counts where it began.

Sources: both supersim_v1 documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from attrs import frozen

from asyncsim.emulator import usage
from asyncsim.emulator.context import DerivedResource, RequestContext, Row
from asyncsim.emulator.params import Params
from asyncsim.emulator.supersim.period import INVALID, period_of
from asyncsim.emulator.usage import STEPS, buckets, floor
from asyncsim.models.supersim.network_access_profiles import NETWORK_ACCESS_PROFILES
from asyncsim.models.supersim.networks import NETWORKS
from asyncsim.models.supersim.sims import SIMS
from asyncsim.models.supersim.usage_records import USAGE_RECORDS, UsagePeriod, UsageRecord
from asyncsim.wire.records import encode

_DOLLARS_PER_MB = Decimal("0.10")
"""As in the documents' examples."""
_DIMENSIONS = {
    "sim": "sim_sid", "fleet": "fleet_sid", "network": "network_sid", "isoCountry": "iso_country",
}  # fmt: skip
"""What one may group by, and the field that it fills."""
_MONTH = timedelta(days=31)


@frozen
class _Use:
    """One session, and everything it can be filtered or grouped by."""

    start: datetime
    upload: int
    download: int
    where: dict[str, str | None]


def rows(ctx: RequestContext, parent: None, query: Params) -> Sequence[Row]:
    """The records, newest first."""
    start, end = period_of(ctx, query)
    step = STEPS.get(query.get("granularity", "all"))
    filters = _filters(ctx, query)
    if None in filters.values():
        return []
    group = _DIMENSIONS.get(query.get("group", ""))
    sums = _sums(_uses(ctx, start, end, filters), start, step, group)
    if group is None and (step is None or ctx.behaviour.usage_shows_empty_periods):
        for begin, _ in buckets(start, end, step):
            sums.setdefault((begin, ""), (0, 0))
    ordered = sorted(sums, key=lambda key: key[1])
    ordered.sort(key=lambda key: key[0], reverse=True)
    found: list[Row] = []
    for begin, name in ordered:
        close = end if step is None else min(floor(begin, step) + step, end)
        shown = {**filters, **({group: name} if group else {})}
        found.append(_row(ctx, begin, close, sums[begin, name], shown))
    return found


def _filters(ctx: RequestContext, query: Params) -> dict[str, str | None]:
    """Fields and the params they must have; None where the value names nothing."""
    wanted: dict[str, str | None] = {}
    if "sim" in query:
        wanted["sim_sid"] = getattr(ctx.world.store(SIMS).find(query["sim"]), "sid", None)
    if "fleet" in query:
        wanted["fleet_sid"] = getattr(ctx.world.fleets.find(query["fleet"]), "sid", None)
    if "network" in query:
        wanted["network_sid"] = query["network"]
    if "iso_country" in query:
        wanted["iso_country"] = query["iso_country"].upper()
    return wanted


def _uses(
    ctx: RequestContext, start: datetime, end: datetime, filters: dict[str, str | None]
) -> Iterator[_Use]:
    sids = [filters["sim_sid"]] if filters.get("sim_sid") else list(ctx.world.store(SIMS))
    for sid in sids:
        for session in _sessions(ctx, str(sid), start, end):
            where = {"sim_sid": sid, "fleet_sid": session.fleet_sid, **_network(ctx, session)}
            if all(where[field] == value for field, value in filters.items()):
                yield _Use(session.start, session.upload, session.download, where)


def _sessions(ctx: RequestContext, sid: str, start: datetime, end: datetime) -> list[usage.Session]:
    """A SIM's sessions, until its Fleet's data limit blocks it."""
    world, store = ctx.world, ctx.world.store(SIMS)
    notes, sim = store.notes(sid), store[sid]
    fleet = world.fleets.get(sim.fleet_sid or "")
    limit = fleet.data_limit if fleet is not None else None
    tight = limit is not None and limit * 1_000_000 < _MONTH.days * usage.MOST_A_DAY
    # What the month has seen before matters only where the limit is within reach.
    since = start - _MONTH if tight or "used" in notes else start
    found = usage.sessions(world.seed, sid, notes, since, end, world.now())
    if tight or "used" in notes:
        found = usage.within_limit(found, usage.periods(notes, world.now()), limit)
    return [session for session in found if session.start >= start]


def _network(ctx: RequestContext, session: usage.Session) -> dict[str, str | None]:
    """One of the networks that the Fleet's profile allows."""
    fleet = ctx.world.fleets.get(session.fleet_sid or "")
    profiles = ctx.world.store(NETWORK_ACCESS_PROFILES)
    profile = (fleet.network_access_profile_sid if fleet is not None else None) or ""
    sids = profiles.notes(profile)["networks"] if profile in profiles else []
    if not sids:
        return {"network_sid": None, "iso_country": None}
    network = ctx.world.store(NETWORKS)[sids[session.draw % len(sids)]]
    return {"network_sid": network.sid, "iso_country": network.iso_country}


def _sums(
    uses: Iterator[_Use], start: datetime, step: timedelta | None, group: str | None
) -> dict[tuple[datetime, str], tuple[int, int]]:
    sums: dict[tuple[datetime, str], tuple[int, int]] = {}
    for use in uses:
        begin = start if step is None else max(floor(use.start, step), start)
        key = (begin, (use.where[group] or "") if group else "")
        upload, download = sums.get(key, (0, 0))
        sums[key] = (upload + use.upload, download + use.download)
    return sums


def _row(
    ctx: RequestContext,
    start: datetime,
    end: datetime,
    used: tuple[int, int],
    shown: dict[str, str | None],
) -> Row:
    total = sum(used)
    billed = (total * _DOLLARS_PER_MB / 1_000_000).quantize(Decimal("0.01"))
    record = UsageRecord(
        account_sid=ctx.world.account_sid,
        period=UsagePeriod(start_time=start, end_time=end),
        data_upload=used[0],
        data_download=used[1],
        data_total=total,
        # As in the example of usage that is not billed.
        data_total_billed=billed or Decimal(0),
        billed_unit="USD" if billed else None,
        **shown,
    )
    return encode(record, ctx.world.vendor)


RESOURCE = DerivedResource(kind=USAGE_RECORDS, rows=rows, invalid=INVALID)

"""Super SIM usage records: sessions, filtered, grouped and summed; each counts where it began.

Sources: both supersim_v1 documents, for the defaults too; Twilio's dictionary, errors 83600 to
83605.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from asyncsim.emulator import usage
from asyncsim.emulator.context import DerivedResource, RequestContext, Row
from asyncsim.emulator.errors import VendorError
from asyncsim.emulator.params import Params, date_time
from asyncsim.emulator.usage import STEPS, buckets, ceiling, floor, months_later
from asyncsim.models.supersim.network_access_profiles import NETWORK_ACCESS_PROFILES
from asyncsim.models.supersim.networks import NETWORKS
from asyncsim.models.supersim.sims import SIMS
from asyncsim.models.supersim.usage_records import USAGE_RECORDS, UsagePeriod, UsageRecord
from asyncsim.vendors import Product
from asyncsim.wire.forms import pascal
from asyncsim.wire.records import encode

_INVALID = 83600
_ALIGNMENT = {"day": 83601, "hour": 83602}
_LONGEST_BY_SIM = timedelta(days=31)
_REACH_MONTHS = 18
_MONTH = timedelta(days=31)

_DOLLARS_PER_MB = Decimal("0.10")
"""As in the documents' examples."""
_DIMENSIONS = {
    "sim": "sim_sid", "fleet": "fleet_sid", "network": "network_sid", "isoCountry": "iso_country",
}  # fmt: skip
"""What `Group` may name, and the field that it fills."""


def rows(ctx: RequestContext, parent: None, query: Params) -> Sequence[Row]:
    """The records, newest first."""
    start, end = _period(ctx, query)
    step = STEPS.get(query.get("granularity", "all"))
    world = ctx.world
    filters: dict[str, str | None] = {}
    if "sim" in query:
        filters["sim_sid"] = getattr(world.store(SIMS).find(query["sim"]), "sid", None)
    if "fleet" in query:
        filters["fleet_sid"] = getattr(world.fleets.find(query["fleet"]), "sid", None)
    if "network" in query:
        filters["network_sid"] = query["network"]
    if "iso_country" in query:
        filters["iso_country"] = query["iso_country"].upper()
    if None in filters.values():  # a name that nothing has
        return []
    group = _DIMENSIONS.get(query.get("group", ""))
    sums: dict[tuple[datetime, str], tuple[int, int]] = {}
    for session, dimensions in _sessions(ctx, start, end, filters):
        begin = start if step is None else max(floor(session.start, step), start)
        key = (begin, (dimensions[group] or "") if group else "")
        upload, download = sums.get(key, (0, 0))
        sums[key] = (upload + session.upload, download + session.download)
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


def _period(ctx: RequestContext, query: Params) -> tuple[datetime, datetime]:
    """From `StartTime` (included) to `EndTime` (excluded); by default a month that ends now."""
    granularity, now = query.get("granularity", "all"), ctx.world.now()
    step = STEPS.get(granularity)
    given: dict[str, datetime] = {}
    for keyword in ("end_time", "start_time"):
        if keyword in query:
            name = pascal(keyword)
            when = date_time(Product.SUPERSIM, query[keyword], name, code=_INVALID)
            if step is not None and floor(when, step) != when:
                message = f"{name} must be at a full {granularity} in UTC"
                raise VendorError(_ALIGNMENT[granularity], message)
            given[keyword] = when
    end = given.get("end_time") or (ceiling(now, step) if step else now)
    start = given.get("start_time") or months_later(end, -1)
    if start >= end:
        raise VendorError(_INVALID, "StartTime must be before EndTime")
    if "start_time" in given:
        if start < months_later(now, -_REACH_MONTHS):
            raise VendorError(83605, f"StartTime is more than {_REACH_MONTHS} months ago")
        if query.get("group") == "sim" and end - start > _LONGEST_BY_SIM:
            raise VendorError(83603, "Grouped by sim, the period can be 31 days at most")
        longest = ctx.behaviour.usage_longest_days.get(granularity)
        if longest is not None and end - start > timedelta(days=longest):
            message = f"The period is too long for a granularity of '{granularity}'"
            raise VendorError(83604, message)
    return start, end


def _sessions(
    ctx: RequestContext, start: datetime, end: datetime, filters: dict[str, str | None]
) -> Iterator[tuple[usage.UsageSession, dict[str, str | None]]]:
    """The sessions that pass the filters, each with what it can be grouped by."""
    world, store = ctx.world, ctx.world.store(SIMS)
    sids = [str(filters["sim_sid"])] if filters.get("sim_sid") else list(store)
    for sid in sids:
        notes = store.notes(sid)
        fleet = world.fleets.get(store[sid].fleet_sid or "")
        limit = fleet.data_limit if fleet is not None else None
        # What the month has seen before `start` matters only if the limit is within reach.
        may_block = limit is not None and limit * 1_000_000 < _MONTH.days * usage.MAX_BYTES_A_DAY
        may_block = may_block or "used" in notes
        since = start - _MONTH if may_block else start
        found = usage.sessions(world.seed, sid, notes, since, end, world.now())
        if may_block:
            found = usage.within_limit(found, usage.billing_months(notes, world.now()), limit)
        for session in found:
            dimensions = {
                "sim_sid": sid,
                "fleet_sid": session.fleet_sid,
                **_network_of(ctx, session),
            }
            if session.start >= start and all(
                dimensions[field] == value for field, value in filters.items()
            ):
                yield session, dimensions


def _network_of(ctx: RequestContext, session: usage.UsageSession) -> dict[str, str | None]:
    """One of the networks that the Fleet's profile allows."""
    fleet = ctx.world.fleets.get(session.fleet_sid or "")
    profiles = ctx.world.store(NETWORK_ACCESS_PROFILES)
    profile = (fleet.network_access_profile_sid if fleet is not None else None) or ""
    sids = profiles.notes(profile)["networks"] if profile in profiles else []
    if not sids:
        return {"network_sid": None, "iso_country": None}
    network = ctx.world.store(NETWORKS)[sids[session.draw % len(sids)]]
    return {"network_sid": network.sid, "iso_country": network.iso_country}


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


RESOURCE = DerivedResource(kind=USAGE_RECORDS, rows=rows, invalid=_INVALID)

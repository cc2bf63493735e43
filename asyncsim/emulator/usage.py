"""Data sessions, usage and billing months: they follow from when a SIM was connected.

Nothing of it is stored. Each day of an `active` SIM has one session, drawn from the seed, the SIM
and the day; what a test records with `use_data` is added. So all views agree, across restarts too.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen

from asyncsim.emulator.fixtures import seeded_hex
from asyncsim.wire.forms import parse_date

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
STEPS = {"hour": HOUR, "hourly": HOUR, "day": DAY, "daily": DAY}
"""Granularity to the length of a bucket."""

MAX_BYTES_A_DAY = 2_000_000
"""Upper bound of a drawn session."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class ConnectedSpan:
    """A time in which a SIM was connected, in one status and one Fleet."""

    start: datetime
    end: datetime | None
    status: str
    fleet_sid: str | None


@frozen
class UsageSession:
    """One data session."""

    start: datetime
    end: datetime
    is_over: bool
    upload: int
    download: int
    draw: int
    """A number to choose the rest by: network, cell."""
    fleet_sid: str | None


@frozen
class BillingMonth:
    """One month for which a fee is due."""

    start: datetime
    end: datetime
    status: str


def _spans(notes: Mapping[str, Any]) -> list[ConnectedSpan]:
    """When a SIM was connected, by its notes; oldest first."""
    return [
        ConnectedSpan(parse_date(start), parse_date(end) if end else None, status, fleet_sid)
        for start, end, status, fleet_sid in notes.get("spans", ())
    ]


def sessions(
    seed: int, sid: str, notes: Mapping[str, Any], since: datetime, until: datetime, now: datetime
) -> list[UsageSession]:
    """Sessions that began in a time, oldest first."""
    until = min(until, now + timedelta(microseconds=1))
    spans = _spans(notes)
    found = [
        session
        for span in spans
        if span.status == "active"
        for session in _drawn_sessions(seed, sid, span, since, until, now)
    ]
    for text, upload, download in notes.get("used", ()):
        start = parse_date(text)
        if since <= start < until:
            fleet_sid = next((one.fleet_sid for one in reversed(spans) if one.start <= start), None)
            end = start + timedelta(seconds=1)
            found.append(UsageSession(start, end, True, upload, download, 0, fleet_sid))
    return sorted(found, key=lambda session: session.start)


def _drawn_sessions(
    seed: int, sid: str, span: ConnectedSpan, since: datetime, until: datetime, now: datetime
) -> Iterator[UsageSession]:
    """One session a day, cut where the SIM is disconnected or now."""
    begin, close, stop = max(span.start, since), min(span.end or until, until), span.end or now
    day = floor(begin, DAY)
    while day < close:
        draw = int(seeded_hex(seed, "traffic", sid, day.date().isoformat()), 16)
        start = day + timedelta(seconds=draw % 82800)
        if begin <= start < close:
            seconds = 300 + draw // 82800 % 3300
            lasted = min(seconds, int((min(stop, now) - start).total_seconds()))
            upload, download = 10_000 + draw // 7 % 490_000, 50_000 + draw // 11 % 1_450_000
            share = lasted / seconds
            yield UsageSession(
                start=start,
                end=start + timedelta(seconds=lasted),
                is_over=lasted == seconds or span.end is not None,
                upload=int(upload * share),
                download=int(download * share),
                draw=draw,
                fleet_sid=span.fleet_sid,
            )
        day += DAY


def billing_months(notes: Mapping[str, Any], now: datetime) -> list[BillingMonth]:
    """A SIM's billing months, newest first.

    One begins when the SIM is connected and no month of that status runs, and then each month
    while it stays so.
    """
    found: list[BillingMonth] = []
    for span in _spans(notes):
        start = span.start
        if found and found[-1].status == span.status:
            start = max(start, found[-1].end)
        while start <= now and start < (span.end or now + timedelta(seconds=1)):
            found.append(BillingMonth(start, months_later(start, 1), span.status))
            start = found[-1].end
    return found[::-1]


def within_limit(
    found: Iterable[UsageSession], months: Iterable[BillingMonth], limit: int | None
) -> list[UsageSession]:
    """The sessions that a data limit lets through: it blocks the SIM until the month is over.

    The session that exceeds it still counts (KORE docs, Fleet Resource: usage is checked every six
    minutes or so, and overshoot is normal).
    """
    if limit is None:
        return list(found)
    spent: dict[datetime, int] = {}
    ends = sorted(month.end for month in months)
    passed: list[UsageSession] = []
    for session in found:
        month = next((end for end in ends if session.start < end), session.start)
        if spent.get(month, 0) < limit * 1_000_000:
            spent[month] = spent.get(month, 0) + session.upload + session.download
            passed.append(session)
    return passed


# Calendar arithmetic as the vendors count: in UTC.


def months_later(moment: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the last day of a shorter month."""
    number = moment.year * 12 + moment.month - 1 + months
    year, month = number // 12, number % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)


def floor(moment: datetime, step: timedelta) -> datetime:
    """The beginning of the hour or day a moment is in."""
    return moment - (moment - _EPOCH) % step


def ceiling(moment: datetime, step: timedelta) -> datetime:
    """The end of the hour or day, unless one ends right then."""
    return floor(moment + step - timedelta(microseconds=1), step)


def buckets(
    start: datetime, end: datetime, step: timedelta | None
) -> Iterator[tuple[datetime, datetime]]:
    """The period cut at full hours or days, newest first; whole where there is no step."""
    if step is None:
        yield start, end
        return
    cut = end
    while cut > start:
        begin = max(floor(cut - timedelta(microseconds=1), step), start)
        yield begin, cut
        cut = begin

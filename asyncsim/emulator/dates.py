"""Months, days and hours as the vendors count them: in UTC."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
STEPS = {"hour": HOUR, "hourly": HOUR, "day": DAY, "daily": DAY}
"""Granularity to the length of a bucket."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

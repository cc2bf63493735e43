"""Date-times as both vendors write them: `2015-07-30T20:00:00Z`, sometimes with milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_FINER = re.compile(r"[.,]\d{6}(\d)")
_SHORTEST_FINER = len("2015-07-30T20:00:00.1234567")


def parse_date(text: object) -> datetime:
    """Read a date-time; ValueError for anything else.

    ISO 8601, or RFC 2822 as in Twilio's older APIs. Without a zone it is UTC, as all dates of both
    vendors are; without a time it is midnight; what is finer than microseconds is rounded.
    """
    if not isinstance(text, str):
        raise ValueError(f"a date-time as text was expected, not {type(text).__name__}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _spelled_otherwise(text)
    if len(text) >= _SHORTEST_FINER and (finer := _FINER.search(text)):
        moment = _rounded(moment, int(finer[1]))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _spelled_otherwise(text: str) -> datetime:
    plain = text.strip()
    try:
        return datetime.fromisoformat(plain.upper().removesuffix(" UTC").removesuffix(" GMT"))
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(plain)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise ValueError(f"a date-time was expected, not {text[:60]!r}") from None


def _rounded(moment: datetime, next_digit: int) -> datetime:
    """Round as msgspec does, where `fromisoformat` cuts."""
    try:
        return moment + timedelta(microseconds=next_digit >= 5)
    except OverflowError:
        return moment


def format_date(moment: datetime) -> str:
    """Write as `YYYY-MM-DDTHH:MM:SSZ`, no fraction, UTC (twilio-python's own form)."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; use datetime(..., tzinfo=timezone.utc)")
    # Not strftime: its %Y has no leading zeros on Linux.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"

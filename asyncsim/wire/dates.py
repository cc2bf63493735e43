"""Date-times as both vendors write them: `2015-07-30T20:00:00Z`, sometimes with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_date(text: object) -> datetime:
    """Read an ISO 8601 date-time with its zone; ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError(f"a date-time as text was expected, not {type(text).__name__}")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def format_date(moment: datetime) -> str:
    """Write as `YYYY-MM-DDTHH:MM:SSZ`, no fraction, UTC (twilio-python's own form)."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; use datetime(..., tzinfo=timezone.utc)")
    # Not strftime: its %Y has no leading zeros on Linux.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"

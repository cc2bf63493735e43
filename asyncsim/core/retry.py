"""Retry decisions: what to do after a response, or after none.

A 429 was never processed (Twilio error 20429: always safe to retry), nor was a 421 or a 425
(RFC 9110, 15.5.20; RFC 8470, 5.2). On a refused connection nothing was sent. Every other
failure after sending is ambiguous, 408 as much as 503: what to do then depends on the effect of a
resend.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

WRONG_CONNECTION = 421
"""Status: the wrong server for this host; another connection may reach the right one."""
_NOT_PROCESSED = frozenset({WRONG_CONNECTION, 425})


class Idempotency(enum.Enum):
    """The effect of sending a request twice."""

    SAFE = "safe"
    """None: reads, deletes, registration."""
    CHECK_FIRST = "check first"
    """A write of a desired state: read first, and resend only if the change is missing."""
    UNSAFE = "unsafe"
    """A create: it would be carried out twice."""


class RetryDecision(enum.Enum):
    """What to do after one attempt."""

    DONE = "done"
    REJECTED = "rejected"
    """The response is an error that a retry cannot change."""
    RENEW_LOGIN = "renew login"
    """The credentials were rejected: a new token may help."""
    THROTTLED = "throttled"
    """Not processed; retry as soon as there is room, which uses up no attempt."""
    RETRY = "retry"
    """Retry after a pause, which uses up an attempt."""
    AMBIGUOUS = "ambiguous"
    """It may have been processed: read before resending."""
    OUTCOME_UNKNOWN = "outcome unknown"
    """It may have been processed, and must not be resent."""


_AFTER_LOST = {
    Idempotency.SAFE: RetryDecision.RETRY,
    Idempotency.CHECK_FIRST: RetryDecision.AMBIGUOUS,
    Idempotency.UNSAFE: RetryDecision.OUTCOME_UNKNOWN,
}


def decide_on_status(status: int, idempotency: Idempotency) -> RetryDecision:
    """Decide by the HTTP status of a response."""
    # Any 2xx: KORE documents 200 and 202 where Twilio documents 201 and 204.
    if 200 <= status < 300:
        return RetryDecision.DONE
    if status == 429:
        return RetryDecision.THROTTLED
    # KORE docs, "Authorization": an expired token is reported as 403.
    if status in (401, 403):
        return RetryDecision.RENEW_LOGIN
    if status in _NOT_PROCESSED:
        return RetryDecision.RETRY
    if may_have_been_processed(status):
        return _AFTER_LOST[idempotency]
    return RetryDecision.REJECTED


def decide_without_response(idempotency: Idempotency, *, sent: bool) -> RetryDecision:
    """Decide after no response."""
    return _AFTER_LOST[idempotency] if sent else RetryDecision.RETRY


def may_have_been_processed(status: int) -> bool:
    """Tell whether a request that got this status may still have been processed."""
    # A gateway also reports 408 if the server behind it is slow and may still be processing.
    return status >= 500 or status == 408


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
    """Seconds that a response asks us to wait; None without a valid Retry-After.

    Seconds or an HTTP date (RFC 9110, 10.2.3). 0 for zero, for a negative number and for a date
    in the past.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        moment = _date(value)
        if moment is None:
            return None
        # Relative to the response's own `Date`, because the clocks of two machines differ.
        seconds = (moment - (_date(headers.get("Date", "")) or now())).total_seconds()
    return max(seconds, 0.0) if seconds == seconds else None  # not for NaN


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser raises all of these
        return None

"""What to do with an answer, or with none.

A 429 was never processed (Twilio error 20429: always safe to retry), nor was a 421 or a 425
(RFC 9110, 15.5.20; RFC 8470, 5.2). A connection that was refused was never sent. Everything else
that fails after sending is ambiguous, 408 as much as 503: what that means depends on what is
repeated.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

WRONG_CONNECTION = 421
"""Status: this server does not speak for that host; another connection may reach one that does."""
_NOT_PROCESSED = frozenset({WRONG_CONNECTION, 425})


class Idempotency(enum.Enum):
    """What sending a request twice would do."""

    SAFE = "safe"
    """Nothing: reads, deletes, registration."""
    CHECK_FIRST = "check first"
    """A write of a desired state: look first, and send again only if it is not there."""
    UNSAFE = "unsafe"
    """A create: it would be done twice."""


class RetryDecision(enum.Enum):
    """What follows from one attempt."""

    DONE = "done"
    REJECTED = "rejected"
    """The answer is an error that repeating cannot change."""
    RENEW_LOGIN = "renew login"
    """The credentials were refused: perhaps a new token helps."""
    THROTTLED = "throttled"
    """Not processed; send again as soon as there is room, at no attempt."""
    RETRY = "retry"
    """Send again after a pause, at one attempt."""
    AMBIGUOUS = "ambiguous"
    """It may have been carried out: look before sending again."""
    OUTCOME_UNKNOWN = "outcome unknown"
    """It may have been carried out, and must not be sent again."""


_AFTER_LOST = {
    Idempotency.SAFE: RetryDecision.RETRY,
    Idempotency.CHECK_FIRST: RetryDecision.AMBIGUOUS,
    Idempotency.UNSAFE: RetryDecision.OUTCOME_UNKNOWN,
}


def decide_on_status(status: int, idempotency: Idempotency) -> RetryDecision:
    """Judge an answer by its HTTP status; any 2xx will do (KORE's success codes differ)."""
    if 200 <= status < 300:
        return RetryDecision.DONE
    if status == 429:
        return RetryDecision.THROTTLED
    if status in (401, 403):  # KORE reports an expired token as 403
        return RetryDecision.RENEW_LOGIN
    if status in _NOT_PROCESSED:
        return RetryDecision.RETRY
    if may_have_been_processed(status):
        return _AFTER_LOST[idempotency]
    return RetryDecision.REJECTED


def decide_without_response(idempotency: Idempotency, *, sent: bool) -> RetryDecision:
    """Judge the absence of an answer."""
    return _AFTER_LOST[idempotency] if sent else RetryDecision.RETRY


def may_have_been_processed(status: int) -> bool:
    """Tell whether a request that got this status may have been carried out all the same."""
    return status >= 500 or status == 408  # 408 of a gateway


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
    """Seconds that a response asks to wait; None where it says nothing that can be read.

    Seconds or an HTTP date (RFC 9110, 10.2.3), which counts from the response's own `Date`: clocks
    differ. 0 for zero, for a negative number and for a date that is past.
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
        seconds = (moment - (_date(headers.get("Date", "")) or now())).total_seconds()
    return max(seconds, 0.0) if seconds == seconds else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # it fails in as many ways
        return None

"""What to do with an answer, or with none.

A 429 was never processed (Twilio error 20429: always safe to retry). A connection that was refused
was never sent. Everything else that fails after sending is ambiguous: what that means depends on
what is repeated.
"""

from __future__ import annotations

import enum


class Repeat(enum.Enum):
    """What sending a request twice would do."""

    SAFE = "safe"
    """Nothing: reads, deletes, registration."""
    CHECK = "check"
    """A write of a desired state: look first, and send again only if it is not there."""
    NEVER = "never"
    """A create: it would be done twice."""


class Verdict(enum.Enum):
    """What follows from one attempt."""

    DONE = "done"
    REFUSED = "refused"
    """The answer is an error that repeating cannot change."""
    LOG_IN = "log in"
    """The credentials were refused: perhaps a new token helps."""
    THROTTLED = "throttled"
    """Not processed; send again as soon as there is room, at no attempt."""
    AGAIN = "again"
    """Send again after a pause, at one attempt."""
    AMBIGUOUS = "ambiguous"
    """It may have been carried out: look before sending again."""
    UNKNOWN = "unknown"
    """It may have been carried out, and must not be sent again."""


_AFTER_LOST = {
    Repeat.SAFE: Verdict.AGAIN,
    Repeat.CHECK: Verdict.AMBIGUOUS,
    Repeat.NEVER: Verdict.UNKNOWN,
}


def judge_status(status: int, repeat: Repeat) -> Verdict:
    """Judge an answer by its HTTP status; any 2xx will do (KORE's success codes differ)."""
    if 200 <= status < 300:
        return Verdict.DONE
    if status == 429:
        return Verdict.THROTTLED
    if status in (401, 403):  # KORE reports an expired token as 403
        return Verdict.LOG_IN
    if status >= 500:
        return _AFTER_LOST[repeat]
    return Verdict.REFUSED


def judge_silence(repeat: Repeat, *, sent: bool) -> Verdict:
    """Judge the absence of an answer."""
    return _AFTER_LOST[repeat] if sent else Verdict.AGAIN


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header; None when absent or a date, which neither vendor sends."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    # A negative, infinite or absurd value must not stop the client for good.
    return min(max(seconds, 0.0), 300.0) if seconds == seconds else None

"""The period that a query of Super SIM's usage is about, and what is refused of it.

Sources: both supersim_v1 documents for the defaults; Twilio's dictionary, errors 83600 to 83605.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from asyncsim.emulator.context import RequestContext
from asyncsim.emulator.errors import VendorError
from asyncsim.emulator.params import Params, date_time
from asyncsim.emulator.usage import STEPS, ceiling, floor, months_later
from asyncsim.vendors import Product
from asyncsim.wire.forms import pascal

INVALID = 83600
_ALIGNMENT = {"day": 83601, "hour": 83602}
_LONGEST_BY_SIM = timedelta(days=31)
_REACH_MONTHS = 18


def period_of(ctx: RequestContext, query: Params) -> tuple[datetime, datetime]:
    """From `StartTime` (included) to `EndTime` (excluded); one month that ends now by default."""
    granularity = query.get("granularity", "all")
    now = ctx.world.now()
    end = _given(query, "end_time", granularity)
    start = _given(query, "start_time", granularity)
    step = STEPS.get(granularity)
    close = end or (ceiling(now, step) if step else now)
    begin = start or months_later(close, -1)
    if begin >= close:
        raise VendorError(INVALID, "StartTime must be before EndTime")
    if start is not None:
        _check_length(ctx, query, begin, close, now)
    return begin, close


def _given(query: Params, keyword: str, granularity: str) -> datetime | None:
    if keyword not in query:
        return None
    when = date_time(Product.SUPERSIM, query[keyword], pascal(keyword), code=INVALID)
    step = STEPS.get(granularity)
    if step is not None and floor(when, step) != when:
        raise VendorError(
            _ALIGNMENT[granularity], f"{pascal(keyword)} must be at a full {granularity} in UTC"
        )
    return when


def _check_length(
    ctx: RequestContext, query: Params, start: datetime, end: datetime, now: datetime
) -> None:
    if start < months_later(now, -_REACH_MONTHS):
        raise VendorError(83605, f"StartTime is more than {_REACH_MONTHS} months ago")
    if query.get("group") == "sim" and end - start > _LONGEST_BY_SIM:
        raise VendorError(83603, "Grouped by sim, the period can be 31 days at most")
    granularity = query.get("granularity", "all")
    longest = ctx.behaviour.usage_longest_days.get(granularity)
    if longest is not None and end - start > timedelta(days=longest):
        raise VendorError(83604, f"The period is too long for a granularity of '{granularity}'")

"""RatePlans of Programmable Wireless."""

from __future__ import annotations

from typing import Unpack

from asyncsim.models.wireless.rate_plans import (
    RATE_PLANS,
    RatePlan,
    RatePlanCreate,
    RatePlanFilter,
    RatePlanUpdate,
)
from asyncsim.resources.base import Resource
from asyncsim.resources.call_signatures import spelled_out
from asyncsim.resources.pages import OnBad, Pager


class RatePlans(Resource[RatePlan]):
    """`client.wireless.rate_plans`.

    Source: Twilio docs, "RatePlan Resource".
    """

    kind = RATE_PLANS

    async def fetch(self, sid: str, /) -> RatePlan:
        """Fetch a RatePlan by SID or unique name."""
        return await self._fetch(sid)

    @spelled_out
    async def create(self, **keywords: Unpack[RatePlanCreate]) -> RatePlan:
        """Create a RatePlan.

        `OutcomeUnknown` when it was sent and the answer was lost: it is not sent again.
        """
        return await self._create(keywords)

    @spelled_out
    async def update(self, sid: str, /, **changes: Unpack[RatePlanUpdate]) -> RatePlan:
        """Rename a RatePlan; nothing else of it can be changed."""
        return await self._update(sid, changes)

    async def delete(self, sid: str, /) -> None:
        """Delete a RatePlan; `Conflict` while SIMs use it (KORE)."""
        await self._delete(sid)

    @spelled_out
    def list(self, *, bad: OnBad = "raise", **filters: Unpack[RatePlanFilter]) -> Pager[RatePlan]:
        """List RatePlans; `Pager` says how to go through them."""
        return self._list(filters, bad)

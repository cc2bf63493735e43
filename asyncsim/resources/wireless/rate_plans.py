"""RatePlans of Programmable Wireless."""

from __future__ import annotations

from asyncsim.models.wireless.rate_plans import RATE_PLANS, RatePlan
from asyncsim.resources.resource import Resource


class RatePlans(Resource[RatePlan]):
    """`client.wireless.rate_plans`. Source: Twilio docs, "RatePlan Resource"."""

    kind = RATE_PLANS

    async def fetch(self, sid: str, /) -> RatePlan:
        """Fetch a RatePlan by SID or unique name."""
        return await self._fetch(sid)

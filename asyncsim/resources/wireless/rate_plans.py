"""RatePlans of Programmable Wireless."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.wireless.rate_plans import (
    RATE_PLANS,
    RatePlan,
    RatePlanCreate,
    RatePlanFilter,
    RatePlanUpdate,
)
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class RatePlans(Verbs[Resource[RatePlan]]):
    """`client.wireless.rate_plans`.

    Source: Twilio docs, "RatePlan Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, RATE_PLANS))

    async def fetch(self, sid: str, /) -> RatePlan:
        """Fetch a RatePlan by SID or unique name."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def create(self, **keywords: Unpack[RatePlanCreate]) -> RatePlan:
        """Create a RatePlan.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        return await self.resource.create(keywords)

    @expand_keywords
    async def update(self, sid: str, /, **changes: Unpack[RatePlanUpdate]) -> RatePlan:
        """Rename a RatePlan; its other fields are fixed."""
        return await self.resource.update(sid, changes)

    async def delete(self, sid: str, /) -> None:
        """Delete a RatePlan; `Conflict` while SIMs use it (KORE)."""
        await self.resource.delete(sid)

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[RatePlanFilter]
    ) -> Pager[RatePlan]:
        """List RatePlans; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

"""Fleets of Super SIMs."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.fleets import FLEETS, Fleet, FleetCreate, FleetFilter, FleetUpdate
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class Fleets(Verbs[Resource[Fleet]]):
    """`client.supersim.fleets`.

    Source: Twilio docs, "Fleet Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, FLEETS))

    async def fetch(self, sid: str, /) -> Fleet:
        """Fetch a Fleet by SID or unique name."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def create(self, **keywords: Unpack[FleetCreate]) -> Fleet:
        """Create a Fleet.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        return await self.resource.create(keywords)

    @expand_keywords
    async def update(self, sid: str, /, **changes: Unpack[FleetUpdate]) -> Fleet:
        """Change a Fleet; `data_enabled` and `sms_commands_enabled` are fixed at its creation."""
        return await self.resource.update(sid, changes)

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[FleetFilter]
    ) -> Pager[Fleet]:
        """List Fleets; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

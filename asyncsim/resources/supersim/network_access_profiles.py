"""NetworkAccessProfiles."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.network_access_profiles import (
    NETWORK_ACCESS_PROFILES,
    NetworkAccessProfile,
    NetworkAccessProfileCreate,
    NetworkAccessProfileFilter,
    NetworkAccessProfileUpdate,
)
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class NetworkAccessProfiles(Verbs[Resource[NetworkAccessProfile]]):
    """`client.supersim.network_access_profiles`.

    Source: Twilio docs, "NetworkAccessProfile Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, NETWORK_ACCESS_PROFILES))

    async def fetch(self, sid: str, /) -> NetworkAccessProfile:
        """Fetch a profile by SID or unique name."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def create(self, **keywords: Unpack[NetworkAccessProfileCreate]) -> NetworkAccessProfile:
        """Create a profile.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        return await self.resource.create(keywords)

    @expand_keywords
    async def update(
        self, sid: str, /, **changes: Unpack[NetworkAccessProfileUpdate]
    ) -> NetworkAccessProfile:
        """Rename a profile; its networks are a separate list."""
        return await self.resource.update(sid, changes)

    @expand_keywords
    def list(
        self,
        *,
        limit: int | None = None,
        bad: OnBad = "raise",
        **filters: Unpack[NetworkAccessProfileFilter],
    ) -> Pager[NetworkAccessProfile]:
        """List profiles; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

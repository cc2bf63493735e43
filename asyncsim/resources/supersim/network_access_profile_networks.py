"""Networks of a NetworkAccessProfile."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.network_access_profile_networks import (
    NETWORK_ACCESS_PROFILE_NETWORKS,
    NetworkAccessProfileNetwork,
    NetworkAccessProfileNetworkCreate,
    NetworkAccessProfileNetworkFilter,
)
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class NetworkAccessProfileNetworks(Verbs[Resource[NetworkAccessProfileNetwork]]):
    """`client.supersim.network_access_profile_networks`.

    Source: Twilio docs, "Networks Subresource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, NETWORK_ACCESS_PROFILE_NETWORKS))

    async def fetch(self, profile: str, sid: str, /) -> NetworkAccessProfileNetwork:
        """Fetch a Network of a profile."""
        return await self.resource.fetch(sid, parent=profile)

    @expand_keywords
    async def create(
        self, profile: str, /, **keywords: Unpack[NetworkAccessProfileNetworkCreate]
    ) -> NetworkAccessProfileNetwork:
        """Add a Network to a profile.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        return await self.resource.create(keywords, parent=profile)

    async def delete(self, profile: str, sid: str, /) -> None:
        """Remove a Network from a profile."""
        await self.resource.delete(sid, parent=profile)

    @expand_keywords
    def list(
        self,
        profile: str,
        /,
        *,
        limit: int | None = None,
        bad: OnBad = "raise",
        **filters: Unpack[NetworkAccessProfileNetworkFilter],
    ) -> Pager[NetworkAccessProfileNetwork]:
        """List a profile's Networks; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit, parent=profile)

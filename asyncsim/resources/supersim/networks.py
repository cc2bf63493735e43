"""Networks that Super SIMs can connect to."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.networks import NETWORKS, Network, NetworkFilter
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class Networks(Verbs[Resource[Network]]):
    """`client.supersim.networks`.

    Source: Twilio docs, "Network Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, NETWORKS))

    async def fetch(self, sid: str, /) -> Network:
        """Fetch a Network by SID."""
        return await self.resource.fetch(sid)

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[NetworkFilter]
    ) -> Pager[Network]:
        """List Networks; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

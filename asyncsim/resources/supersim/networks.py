"""Networks that Super SIMs can connect to."""

from __future__ import annotations

from typing import Unpack

from asyncsim.models.supersim.networks import NETWORKS, Network, NetworkFilter
from asyncsim.resources.keywords import spelled_out
from asyncsim.resources.pager import OnBad, Pager
from asyncsim.resources.resource import Resource


class Networks(Resource[Network]):
    """`client.supersim.networks`.

    Source: Twilio docs, "Network Resource".
    """

    kind = NETWORKS

    async def fetch(self, sid: str, /) -> Network:
        """Fetch a Network by SID."""
        return await self._fetch(sid)

    @spelled_out
    def list(self, *, bad: OnBad = "raise", **filters: Unpack[NetworkFilter]) -> Pager[Network]:
        """List Networks; `Pager` says how to go through them."""
        return self._list(filters, bad)
